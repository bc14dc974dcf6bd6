"""All that the loop needs to go on after any iteration, as plain arrays and tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.iteration import Iteration, better
from darksound.errors import RunError
from darksound.meta.learners import Learner

__all__ = ["MecState", "Outcome", "Weights", "weights_of"]

#: A learner's state dictionary, on the CPU.
Weights = dict[str, Tensor]

_FORMAT = 1
_ARRAYS = ("embeddings", "labels", "probability", "outlier_score", "persistence")


def weights_of(learner: Learner) -> Weights:
    """A copy of the learner's weights and buffers on the CPU, tied to nothing."""
    # Contiguous, since safetensors takes nothing else and networks run in channels_last.
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in learner.state_dict().items()
    }


@dataclass(frozen=True)
class Outcome:
    """What one iteration found.

    Attributes:
        iteration: its number.
        weights: the learner it was found with.
        embeddings: `(n, dim)`.
        clustering: of the n ROIs.
    """

    iteration: int
    weights: Weights
    embeddings: npt.NDArray[np.float32]
    clustering: Clustering


@dataclass(frozen=True)
class MecState:
    """The loop after an iteration; going on from it gives what not stopping would have given.

    Attributes:
        iterations: figures of all iterations so far, the first being number 0.
        last: outcome of the last iteration.
        best: outcome of the one to keep so far; may be `last` itself.
        first_weights: the learner as it was given.
        notes: sentences so far.
        ended: why no further iteration can follow, where the last fine-tuning failed.
    """

    iterations: tuple[Iteration, ...]
    last: Outcome
    best: Outcome
    first_weights: Weights
    notes: tuple[str, ...]
    ended: str | None = None

    @property
    def kept(self) -> int:
        """Number of the iteration to keep so far."""
        return self.best.iteration

    def followed_by(
        self, figures: Iteration, outcome: Outcome, notes: tuple[str, ...], criterion: str
    ) -> "MecState":
        """The state after one more iteration."""
        best, first = self.iterations[self.best.iteration], self.iterations[0]
        leads = better(figures, best, first, criterion)
        return MecState(
            iterations=(*self.iterations, figures),
            last=outcome,
            best=outcome if leads else self.best,
            first_weights=self.first_weights,
            notes=notes,
        )

    def to_parts(
        self,
    ) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]], dict[str, Tensor]]:
        """The state as JSON values, arrays (for npz) and tensors (for safetensors).

        What `last` and `best` share is there once. JSON must keep NaN, as Python's does.
        """
        outcomes = {"last": self.last}
        if self.best.iteration != self.last.iteration:
            outcomes["best"] = self.best
        meta = {
            "format": _FORMAT,
            "iterations": [figures.as_json() for figures in self.iterations],
            "outcomes": {name: outcome.iteration for name, outcome in outcomes.items()},
            "notes": list(self.notes),
            "ended": self.ended,
        }
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, outcome in outcomes.items():
            arrays[f"{name}.embeddings"] = outcome.embeddings
            for key, value in vars(outcome.clustering).items():
                arrays[f"{name}.{key}"] = value
        # Iteration 0 was found with the first weights, so those are not kept twice.
        weights = {"first": self.first_weights}
        weights |= {name: found.weights for name, found in outcomes.items() if found.iteration}
        tensors = {
            f"{name}/{key}": value for name, part in weights.items() for key, value in part.items()
        }
        return meta, arrays, tensors

    @classmethod
    def from_parts(
        cls,
        meta: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]],
        tensors: Mapping[str, Tensor],
    ) -> "MecState":
        """The state that `to_parts` took apart.

        Raises:
            RunError: a part is missing, or was written by another version of this format.
        """
        if meta.get("format") != _FORMAT:
            raise RunError(
                f"The state of this MEC run has format {meta.get('format')!r}, and this version "
                f"of darksound reads {_FORMAT}; start the run anew."
            )

        def weights(name: str) -> Weights:
            start = f"{name}/"
            found = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            if not found:
                raise KeyError(f"weights {name}")
            return found

        def outcome(name: str) -> Outcome:
            found = {key: np.asarray(arrays[f"{name}.{key}"]) for key in _ARRAYS}
            number, vectors = meta["outcomes"][name], found.pop("embeddings")
            own = weights(name) if number else first
            return Outcome(number, own, vectors, Clustering(**found))

        try:
            first = weights("first")
            last = outcome("last")
            return cls(
                iterations=tuple(Iteration.from_json(row) for row in meta["iterations"]),
                last=last,
                best=outcome("best") if "best" in meta["outcomes"] else last,
                first_weights=first,
                notes=tuple(meta["notes"]),
                ended=meta["ended"],
            )
        except (KeyError, TypeError) as error:
            raise RunError(
                f"The state of this MEC run is incomplete ({error}); start the run anew."
            ) from None
