"""Weights in eight bits."""

import torch

from darksound.meta.eight_bits import in_eight_bits, in_full_precision


def test_no_weight_is_off_by_more_than_half_a_step_of_its_row_and_column() -> None:
    torch.manual_seed(2)
    # Columns whose sizes differ by a factor of a million, and a row and a column of zeros.
    matrix = torch.randn(20, 30) * torch.logspace(-3, 3, 30)
    matrix[4], matrix[:, 7] = 0, 0
    kernel = torch.randn(6, 5, 3, 3) * torch.logspace(-2, 2, 6).view(-1, 1, 1, 1)
    state = {"linear.weight": matrix, "conv.weight": kernel, "norm.bias": torch.randn(6)}
    stored = in_eight_bits(state)
    assert stored["linear.weight"].dtype == stored["conv.weight"].dtype == torch.int8
    loaded = in_full_precision(stored)
    assert loaded.keys() == state.keys()
    assert torch.equal(loaded["norm.bias"], state["norm.bias"])
    for key, value in state.items():
        if value.ndim < 2:
            continue
        # Half of a 127th of the largest weight of its row, in units of its column.
        size = value.square().mean(0).sqrt().clamp_min(1e-30) if value.ndim == 2 else 1.0
        largest = (value / size).flatten(1).abs().amax(1).view(-1, *[1] * (value.ndim - 1))
        bound = size * largest / 254
        assert ((loaded[key] - value).abs() <= 1.0001 * bound + 1e-30).all(), key
    assert (loaded["linear.weight"][4] == 0).all()
    assert (loaded["linear.weight"][:, 7] == 0).all()


def test_integers_without_factors_are_left_as_they_are() -> None:
    state = {"table": torch.arange(6, dtype=torch.int8).view(2, 3), "w": torch.ones(2).half()}
    assert all(torch.equal(in_full_precision(state)[key], state[key]) for key in state)
