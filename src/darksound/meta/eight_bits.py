"""Weights in eight bits: half the size of half precision, for the files in the package.

A matrix `(n, ...)` is stored as integers from -127 to 127 with a factor for each of its rows, and
a matrix of two dimensions with one for each of its columns too: columns of the last layer differ in
size as the features that they multiply.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["in_eight_bits", "in_full_precision"]

_LARGEST = 127
_ROWS, _COLUMNS = ".row_factors", ".column_factors"


def in_eight_bits(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with its matrices in eight bits and their factors under keys beside."""
    result = {}
    for key, value in state.items():
        if value.ndim < 2:
            result[key] = value
            continue
        weights = value.double()
        if value.ndim == 2:
            columns = _or_one(weights.square().mean(0).sqrt())
            weights = weights / columns
            result[key + _COLUMNS] = columns.float()
        rows = _or_one(weights.flatten(1).abs().amax(1) / _LARGEST)
        result[key + _ROWS] = rows.float()
        result[key] = (weights / _beside(rows, weights)).round().to(torch.int8)
    return result


def in_full_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without eight-bit matrices; other values are unchanged."""
    result = {}
    for key, value in state.items():
        if key.endswith((_ROWS, _COLUMNS)):
            continue
        if value.dtype == torch.int8 and key + _ROWS in state:
            value = value.float() * _beside(state[key + _ROWS], value)
            value = value * state.get(key + _COLUMNS, 1.0)
        result[key] = value
    return result


def _or_one(factors: Tensor) -> Tensor:
    """Return the factors, with 1 in place of 0."""
    return torch.where(factors > 0, factors, torch.ones_like(factors))


def _beside(rows: Tensor, weights: Tensor) -> Tensor:
    """Return a factor for each row in as many dimensions as the weights have."""
    return rows.view(-1, *[1] * (weights.ndim - 1))
