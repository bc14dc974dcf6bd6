"""Batches in pieces: the same numbers as in one, and the same bits for any number of threads."""

import gc
import threading
import weakref

import pytest
import torch
from torch import Tensor, nn

from darksound.meta.backbones.small import SmallCNN
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.pieces import run_in_pieces
from darksound.meta.training import fine_tune


class _Network(nn.Module):
    """Convolution, batch norms of all kinds, and a layer that is not used."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4, **options)
        self.linear = nn.Linear(4, 5)
        self.norm_1d = nn.BatchNorm1d(5, **options)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = torch.tanh(self.norm(self.conv(x)))
        vectors: Tensor = self.norm_1d(self.linear(maps.mean((2, 3))))
        return vectors


@pytest.fixture(autouse=True)
def torch_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _network(seed: int = 0, **options) -> _Network:
    torch.manual_seed(seed)
    return _Network(**options).double()


def _images(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    # An offset far from 0, where sums of squares lose digits.
    return 5 + torch.randn(n, 3, 6, 7, generator=generator, dtype=torch.float64)


def _weights(n: int) -> Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": None},
        {"affine": False},
        {"track_running_stats": False},
    ],
    ids=["default", "cumulative average", "no parameters", "no running statistics"],
)
@pytest.mark.parametrize("n", [24, 51, 97])
def test_outputs_gradients_and_statistics_equal_those_of_torch_on_the_whole_batch(n, options):
    whole, divided = _network(**options), _network(**options)
    x_whole, x_divided = _images(n).requires_grad_(), _images(n).requires_grad_()
    for _ in range(2):  # running statistics move twice
        expected = whole(x_whole)
        actual = run_in_pieces(divided, lambda network, part: network(part), x_divided)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    (expected * _weights(n)).sum().backward()
    (actual * _weights(n)).sum().backward()
    torch.testing.assert_close(x_divided.grad, x_whole.grad, rtol=1e-8, atol=1e-12)
    for (name, own), parameter in zip(divided.named_parameters(), whole.parameters(), strict=True):
        if name.startswith("unused"):
            assert own.grad is None
        else:
            torch.testing.assert_close(own.grad, parameter.grad, rtol=1e-8, atol=1e-11)
    for statistic, expected in zip(divided.buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(statistic, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(23, [23]), (24, [12, 12]), (50, [13, 13, 12, 12]), (200, [25] * 8)],
)
def test_the_size_of_the_batch_alone_decides_on_the_pieces(n, sizes):
    for threads in (1, 3):
        torch.set_num_threads(threads)
        seen: list[int] = []

        def run(network: nn.Module, part: Tensor, seen: list[int] = seen) -> Tensor:
            seen.append(len(part))
            return network(part)

        run_in_pieces(_network(), run, _images(n))
        assert sorted(seen, reverse=True) == sizes


def test_without_gradients_the_batch_is_not_divided():
    seen: list[int] = []

    def run(network: nn.Module, part: Tensor) -> Tensor:
        seen.append(len(part))
        return network(part)

    with torch.no_grad():
        run_in_pieces(_network(), run, _images(100))
    assert seen == [100]


def test_in_evaluation_mode_running_statistics_are_used_and_kept():
    network = _network().eval()
    before = [buffer.clone() for buffer in network.buffers()]
    expected = network(_images(48))
    actual = run_in_pieces(network, lambda own, part: own(part), _images(48))
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    assert all(map(torch.equal, network.buffers(), before))


def test_frozen_parameters_get_no_gradient_and_the_others_theirs():
    whole, divided = _network(), _network()
    for network in (whole, divided):
        network.conv.requires_grad_(False)
    (whole(_images(48)) * _weights(48)).sum().backward()
    actual = run_in_pieces(divided, lambda own, part: own(part), _images(48))
    (actual * _weights(48)).sum().backward()
    assert divided.conv.weight.grad is None
    torch.testing.assert_close(divided.linear.weight.grad, whole.linear.weight.grad)


def test_changes_of_the_network_between_steps_are_followed():
    network = _network()
    run_in_pieces(network, lambda own, part: own(part), _images(48))
    network.load_state_dict(_network(seed=9).state_dict())
    network.conv.weight.data = network.conv.weight.data.clone()
    network.eval()
    actual = run_in_pieces(network, lambda own, part: own(part), _images(48))
    torch.testing.assert_close(actual, network(_images(48)), rtol=1e-10, atol=1e-12)


def test_reduced_precision_of_the_caller_is_used_in_the_pieces():
    torch.manual_seed(0)
    network, x = _Network(), _images(48).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = network(x)
        actual = run_in_pieces(network, lambda own, part: own(part), x)
    assert actual.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(actual, expected, rtol=0.05, atol=0.05)


def test_an_error_of_one_piece_is_raised_and_the_next_step_works():
    network = _network()

    def fail(own: nn.Module, part: Tensor) -> Tensor:
        if len(part) == 12:  # the last two of 50
            raise KeyError("piece")
        return own(part)

    for threads in (1, 4):
        torch.set_num_threads(threads)
        with pytest.raises(KeyError, match="piece"):
            run_in_pieces(network, fail, _images(50))
    assert run_in_pieces(network, lambda own, part: own(part), _images(50)).shape == (50, 5)


@pytest.mark.parametrize(("cores", "threads", "most"), [(8, 2, 2), (8, 1, 1), (2, 2, 4)])
def test_no_more_pieces_than_threads_work_at_a_time_unless_all_cores_may_be_used(
    cores, threads, most, monkeypatch
):
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    torch.set_num_threads(threads)
    lock, working, largest = threading.Lock(), 0, 0
    all_work = threading.Barrier(most)

    def run(network: nn.Module, part: Tensor) -> Tensor:
        nonlocal working, largest
        with lock:
            working += 1
            largest = max(largest, working)
        # Only if as many pieces work at the same time does each of them leave the barrier.
        all_work.wait(30)
        with lock:
            working -= 1
        return network.conv(part)

    run_in_pieces(_network(), run, _images(48))
    assert largest == most


def test_a_network_that_is_no_longer_used_is_freed():
    network = _network()
    run_in_pieces(network, lambda own, part: own(part), _images(48)).sum().backward()
    reference = weakref.ref(network)
    del network
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", LEARNERS)
def test_weights_after_training_have_the_same_bits_for_any_number_of_threads(
    tiny, make_images, method, precision
):
    settings = tiny.replace(
        learner={"method": method},
        compute={"precision": precision},
        episodes={"n_way": 4, "n_shot": 4, "n_query": 4},
    )
    images = make_images(settings=settings)
    names = images.rois.labels
    labels = torch.tensor([sorted(set(names)).index(name) for name in names]).numpy()
    rows = torch.arange(len(images)).numpy()
    states = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        learner = build_learner(settings)
        fine_tune(
            images,
            labels,
            learner,
            settings,
            rows=rows,
            recordings=None,
            n_episodes=3,
            learning_rate=1e-3,
            counters=(1,),
        )
        states.append(learner.state_dict())
    for state in states[1:]:
        assert all(torch.equal(state[name], states[0][name]) for name in state)


def test_the_small_network_has_the_output_and_gradients_of_its_layers():
    torch.manual_seed(3)
    network = SmallCNN((4, 6, 8, 10), 16).double()
    images = torch.rand(48, 3, 24, 32, dtype=torch.float64)
    weights = torch.randn(48, 16, dtype=torch.float64)
    (network(images) * weights).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    network.zero_grad()  # sets them to None
    # Its own methods, without pieces.
    vectors = network.norm(network.linear(network._pooled_features(images)))
    (vectors * weights).sum().backward()
    for own, parameter in zip(gradients, network.parameters(), strict=True):
        torch.testing.assert_close(own, parameter.grad, rtol=1e-7, atol=1e-10)
