"""Images of ROIs: made once by several workers, cached on disk, read by row."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.length import resolve_roi_length
from darksound.data.cache import Images, Shard
from darksound.data.cache_folder import cache_folder
from darksound.data.rois import Problem, RoiSet
from darksound.data.shards import SHARD_ROIS, locate, open_or_make, plan_shards
from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.settings import Settings

__all__ = ["ImageStore", "build_images"]

logger = logging.getLogger(__name__)

# Each mapped shard holds a file open, and systems allow a process as few as 256.
_MAPPED_SHARDS = 64


class ImageStore:
    """Images of a set of ROIs, row i of it being row i of `rois.table`.

    Attributes:
        rois: the ROIs that could be read; the others are in `rois.problems`.
        settings: those the images were made with, the ROI length chosen.
        shape: `(3, h, w)` of an image.
        n_versions: 1 for the unaltered sound, and 1 for each altered version.
    """

    def __init__(
        self,
        rois: RoiSet,
        settings: Settings,
        rows: npt.NDArray[np.int64],
        shards: Sequence[Sequence[Shard]],
    ) -> None:
        """Put a store together; `build_images` does it.

        Args:
            rois: the readable ROIs.
            settings: the images' own.
            rows: place of each of them in the shards, `(n,)`.
            shards: of each version, in order.
        """
        self.rois, self.settings = rois, settings
        self.shape = next(s.shape[1:] for s in shards[0] if 0 not in s.shape)
        self.n_versions = len(shards)
        self._rows, self._shards = rows, shards
        self._mapped = lru_cache(_MAPPED_SHARDS)(self._map)

    def __len__(self) -> int:
        return len(self.rois)

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Images of some rows.

        Args:
            rows: of `rois.table`, `(b,)`.
            versions: of each row's sound, `(b,)`, 0 being the unaltered; None for all 0.

        Returns:
            float32 `(b, 3, h, w)` in [0, 1].

        Raises:
            InputError: a cache file has gone since the store was made.
        """
        places = self._rows[np.asarray(rows, dtype=np.int64)]
        version = np.zeros_like(places) if versions is None else np.asarray(versions, np.int64)
        dtype = self.settings.compute.cache_dtype
        out = np.empty((len(places), *self.shape), dtype)
        shard = version * len(self._shards[0]) + places // SHARD_ROIS
        for one in np.unique(shard):
            within = np.flatnonzero(shard == one)
            images = self._mapped(*divmod(int(one), len(self._shards[0])))
            out[within] = images[places[within] % SHARD_ROIS]
        result = torch.from_numpy(out).to(torch.float32)
        return result.div_(255) if dtype == "uint8" else result

    def _map(self, version: int, shard: int) -> Images:
        return self._shards[version][shard].map()


def build_images(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> ImageStore:
    """Make the images that are not in the cache yet, and open them all.

    The same ROIs and settings give the same bytes, whatever the number of workers. A build that
    was interrupted goes on where it stopped; a cache file that is damaged is made again; a
    recording or setting that changed gives new images.

    Args:
        rois: what to make images of.
        settings: `audio` and `front_end` say how; `augmentation` and `seed` alter the sound;
            `compute` names the cache, its precision and the workers.
        progress: told of ROIs done, in the stage `images`, where any are made.
        versions: number of versions of each ROI with altered sound, beside the unaltered.

    Raises:
        InputError: no ROI can be read, or their rates give images of several shapes.
        SettingsError: the front end cannot work at a recording's rate, or the cache folder
            cannot be written to.
    """
    if len(rois) == 0:
        raise InputError("There are no ROIs to make images of.")
    durations = (rois.table["end_s"] - rois.table["start_s"]).to_numpy()
    settings = resolve_roi_length(settings, durations)
    present, stretches, problems = locate(rois, settings)
    located = rois.take(present, problems)
    folder = _cache_folder(settings)
    plans = [
        plan
        for version in range(versions + 1)
        for plan in plan_shards(located, stretches, settings, version, folder)
    ]
    shards = open_or_make(plans, located.reader, settings, progress)
    causes: dict[int, str] = {}
    for plan, shard in zip(plans, shards, strict=True):
        causes |= {plan.start + row: cause for row, cause in shard.causes.items()}
    rows = np.array([row for row in range(len(located)) if row not in causes], dtype=np.int64)
    names = located.table["recording"].tolist()
    readable = located.take(rows, [Problem(names[row], causes[row]) for row in sorted(causes)])
    _judge(len(rois), readable, shards)
    each = len(plans) // (versions + 1)
    by_version = [shards[start : start + each] for start in range(0, len(shards), each)]
    return ImageStore(readable, settings, rows, by_version)


def _cache_folder(settings: Settings) -> Path:
    folder = cache_folder(settings)
    return folder / "images"


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
