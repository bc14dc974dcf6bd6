"""What is made of ROIs once by several workers, cached on disk, and read by row."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.errors import InputError
from darksound.progress import Progress
from darksound.rois.roi_set import Problem, RoiSet
from darksound.settings import Settings
from darksound.store.contract import Kind
from darksound.store.shard_file import Rows, Shard, cache_folder
from darksound.store.shards import SHARD_ROIS, Recipe, locate, open_or_make, plan_shards

__all__ = ["CachedStore"]

logger = logging.getLogger(__name__)

# Each mapped shard holds a file open, and systems allow a process as few as 256.
_MAPPED_SHARDS = 64


class CachedStore:
    """A store in the cache, row i of it being row i of `rois.table`; see `Store`.

    Attributes:
        kind: images or vectors.
        rois: the ROIs that could be read; the others are in `rois.problems`.
        settings: those it was made with, what was left to choose being chosen.
        shape: of one row.
        n_versions: 1 for the unaltered sound, and 1 for each altered version.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        rois: RoiSet,
        settings: Settings,
        rows: npt.NDArray[np.int64],
        shards: Sequence[Sequence[Shard]],
    ) -> None:
        """Put a store together; `build` does it.

        Args:
            rois: the readable ROIs.
            settings: those it was made with.
            rows: place of each of them in the shards, `(n,)`.
            shards: of each version, in order.
        """
        self.rois, self.settings = rois, settings
        first = next(shard for shard in shards[0] if 0 not in shard.shape)
        self.shape, self._dtype = first.shape[1:], first.dtype
        self.n_versions = len(shards)
        self._rows, self._shards = rows, shards
        self._mapped = lru_cache(_MAPPED_SHARDS)(self._map)

    @classmethod
    def build(
        cls, rois: RoiSet, settings: Settings, recipe: Recipe, progress: Progress, versions: int
    ) -> Self:
        """Make what is not in the cache yet, and open it all.

        Args:
            rois: what to make rows of.
            settings: `augmentation` and `seed` alter the sound; `compute` names the cache and
                the workers.
            recipe: how a row is made.
            progress: told of ROIs done, where any are made.
            versions: number of versions of each ROI with altered sound, beside the unaltered.

        Raises:
            InputError: no ROI can be read, or their rates give rows of several shapes.
            SettingsError: the recipe cannot be followed, or the cache folder cannot be written
                to.
        """
        present, stretches, problems = locate(rois, settings)
        located = rois.take(present, problems)
        # Workers elsewhere have another working directory.
        folder = cache_folder(settings).resolve() / cls.kind
        plans = [
            plan
            for version in range(versions + 1)
            for plan in plan_shards(located, stretches, settings, version, folder, recipe)
        ]
        shards = open_or_make(plans, located.reader, settings, recipe, progress)
        causes: dict[int, str] = {}
        for plan, shard in zip(plans, shards, strict=True):
            causes |= {plan.start + row: cause for row, cause in shard.causes.items()}
        rows = np.array([row for row in range(len(located)) if row not in causes], dtype=np.int64)
        names = located.table["recording"].tolist()
        readable = located.take(rows, [Problem(names[row], causes[row]) for row in sorted(causes)])
        _judge(len(rois), readable, shards)
        each = len(plans) // (versions + 1)
        by_version = [shards[start : start + each] for start in range(0, len(shards), each)]
        return cls(readable, settings, rows, by_version)

    def __len__(self) -> int:
        return len(self.rois)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self.rois, self.settings, self._rows, self._shards)

    def take(self, rows: npt.NDArray[np.int64]) -> Self:
        """The store of these rows `(b,)`, in this order, unaltered; it can be pickled."""
        places = self._rows[rows]
        used, which = np.unique(places // SHARD_ROIS, return_inverse=True)
        rois = replace(self.rois.take(rows), problems=())
        within = which * SHARD_ROIS + places % SHARD_ROIS
        return type(self)(rois, self.settings, within, [[self._shards[0][i] for i in used]])

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Some rows.

        Args:
            rows: of `rois.table`, `(b,)`.
            versions: of each row's sound, `(b,)`, 0 being the unaltered; None for all 0.

        Returns:
            float32 `(b, *shape)`; images are in [0, 1].

        Raises:
            InputError: a cache file has gone since the store was made.
        """
        places = self._rows[np.asarray(rows, dtype=np.int64)]
        version = np.zeros_like(places) if versions is None else np.asarray(versions, np.int64)
        out = np.empty((len(places), *self.shape), self._dtype)
        shard = version * len(self._shards[0]) + places // SHARD_ROIS
        for one in np.unique(shard):
            within = np.flatnonzero(shard == one)
            held = self._mapped(*divmod(int(one), len(self._shards[0])))
            out[within] = held[places[within] % SHARD_ROIS]
        result = torch.from_numpy(out).to(torch.float32)
        return result.div_(255) if self._dtype == "uint8" else result

    def _map(self, version: int, shard: int) -> Rows:
        return self._shards[version][shard].map()


def _judge(wanted: int, readable: RoiSet, shards: Sequence[Shard]) -> None:
    left_out = wanted - len(readable)
    new = readable.problems[len(readable.problems) - left_out :]
    if len(readable) == 0:
        raise InputError(f"None of the {wanted} ROIs can be read. The first: {new[0].cause}")
    if left_out:
        logger.warning(
            "%d of %d ROIs cannot be read and are left out; the first: %s",
            left_out,
            wanted,
            new[0].cause,
        )
    shapes = {shard.shape[1:] for shard in shards if 0 not in shard.shape}
    if len(shapes) > 1:
        raise InputError(
            f"Recordings of several rates give images of {len(shapes)} shapes; set "
            "audio.sample_rate to one rate for all."
        )
