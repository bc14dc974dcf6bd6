"""The state of the MEC loop after an iteration, as plain arrays and tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.iteration import Iteration, is_better
from darksound.errors import RunError
from darksound.meta.learners.base import Learner
from darksound.settings import MecSettings

__all__ = ["MecState", "Snapshot", "Weights", "copy_weights"]

#: A learner's state dictionary, on the CPU.
Weights = dict[str, Tensor]

_FORMAT = 1
_ARRAYS = ("embeddings", "labels", "probability", "outlier_score", "persistence")
_TREE = "tree"


def copy_weights(learner: Learner) -> Weights:
    """Return a copy of the learner's weights and buffers on the CPU."""
    # Contiguous, since networks run in channels_last and safetensors requires it.
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in learner.state_dict().items()
    }


@dataclass(frozen=True)
class Snapshot:
    """The learner and the clusters of one iteration.

    Attributes:
        iteration: its number.
        weights: of the learner.
        embeddings: `(n, dim)`.
        clustering: of the n ROIs.
    """

    iteration: int
    weights: Weights
    embeddings: npt.NDArray[np.float32]
    clustering: Clustering


@dataclass(frozen=True)
class MecState:
    """The state of the loop after an iteration; a resumed loop ends with the same result.

    Attributes:
        iterations: metrics of all iterations so far, the first being number 0.
        last: snapshot of the last iteration.
        best: snapshot of the iteration to keep so far; may be `last` itself.
        first_weights: of the initial learner.
        notes: sentences so far.
        ended: why no further iteration can follow, if the last fine-tuning failed.
    """

    iterations: tuple[Iteration, ...]
    last: Snapshot
    best: Snapshot
    first_weights: Weights
    notes: tuple[str, ...]
    ended: str | None = None

    @property
    def kept(self) -> int:
        """Return the number of the iteration to keep so far."""
        return self.best.iteration

    def with_iteration(
        self, iteration: Iteration, snapshot: Snapshot, notes: tuple[str, ...], mec: MecSettings
    ) -> "MecState":
        """Return the state after one more iteration; `mec` has the criterion for the best one."""
        best, first = self.iterations[self.best.iteration], self.iterations[0]
        replaces = is_better(iteration, best, first, mec.selection_criterion, mec.min_gain)
        return MecState(
            iterations=(*self.iterations, iteration),
            last=snapshot,
            best=snapshot if replaces else self.best,
            first_weights=self.first_weights,
            notes=notes,
        )

    def to_parts(
        self,
    ) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]], dict[str, Tensor]]:
        """Return the state as JSON values, arrays (for npz) and tensors (for safetensors).

        Arrays that `last` and `best` share are stored once. JSON must allow NaN, as Python's does.
        """
        snapshots = {"last": self.last}
        if self.best.iteration != self.last.iteration:
            snapshots["best"] = self.best
        meta = {
            "format": _FORMAT,
            "iterations": [iteration.as_json() for iteration in self.iterations],
            "outcomes": {name: snapshot.iteration for name, snapshot in snapshots.items()},
            "notes": list(self.notes),
            "ended": self.ended,
        }
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, snapshot in snapshots.items():
            arrays[f"{name}.embeddings"] = snapshot.embeddings
            for key, value in vars(snapshot.clustering).items():
                arrays[f"{name}.{key}"] = value
        # Iteration 0 has the first weights, which are stored once.
        weights = {"first": self.first_weights}
        weights |= {name: part.weights for name, part in snapshots.items() if part.iteration}
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
        """Return the state that `to_parts` converted.

        Raises:
            RunError: a part is missing, or was written by another version of this format.
        """
        if meta.get("format") != _FORMAT:
            raise RunError(
                f"The state of this MEC run has format {meta.get('format')!r}, and this version "
                f"of darksound reads {_FORMAT}; start a new run."
            )

        def weights(name: str) -> Weights:
            prefix = f"{name}/"
            part = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            if not part:
                raise KeyError(f"weights {name}")
            return part

        def snapshot(name: str) -> Snapshot:
            values = {key: np.asarray(arrays[f"{name}.{key}"]) for key in _ARRAYS}
            number, embeddings = meta["outcomes"][name], values.pop("embeddings")
            network = weights(name) if number else first
            if f"{name}.{_TREE}" in arrays:  # not in states of earlier versions
                values[_TREE] = np.asarray(arrays[f"{name}.{_TREE}"])
            return Snapshot(number, network, embeddings, Clustering(**values))

        try:
            first = weights("first")
            last = snapshot("last")
            return cls(
                iterations=tuple(Iteration.from_json(row) for row in meta["iterations"]),
                last=last,
                best=snapshot("best") if "best" in meta["outcomes"] else last,
                first_weights=first,
                notes=tuple(meta["notes"]),
                ended=meta["ended"],
            )
        except (KeyError, TypeError) as error:
            raise RunError(
                f"The state of this MEC run is incomplete ({error}); start a new run."
            ) from None
