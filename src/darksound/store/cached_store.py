"""Rows of ROIs that several workers compute once, cached on disk and read by number."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.channels import UNBOUNDED_CHANNELS
from darksound.audio.front_end import image_shape
from darksound.audio.geometry import resolve_roi_length
from darksound.audio.names import recording_path
from darksound.errors import InputError, SettingsError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import Problem, RoiSet
from darksound.settings import Settings
from darksound.store.contract import Pieces, RowKind, as_floats
from darksound.store.pieces import count_windows, join_windows, window_rois
from darksound.store.rendering import MixedShapesError, image_device, render_images
from darksound.store.shard_file import Rows, Shard, cache_folder
from darksound.store.shards import SHARD_ROIS, Recipe, locate_recordings, open_or_build, plan_shards

__all__ = ["CachedStore", "ImageStore", "add_windows", "build_images"]

logger = logging.getLogger(__name__)

# Recordings of another rate than this share of all ROIs are left out; if they are more, the rate is
# for the user to choose.
_MIN_ONE_RATE_SHARE = 0.8
# Each mapped shard keeps a file open, and some systems allow a process only 256.
_MAX_MAPPED_SHARDS = 64


class CachedStore:
    """A store in the cache; row i belongs to row i of `rois.table`. See `Store`.

    Attributes:
        kind: images or vectors.
        rois: the ROIs that could be read; the others are listed in `rois.problems`.
        settings: of the store, with every `auto` replaced by its value.
        shape: of one row.
        n_versions: number of versions of each ROI, the unaltered one included.
        pieces: windows of long ROIs; None without any.
    """

    kind: ClassVar[RowKind]

    def __init__(
        self,
        rois: RoiSet,
        settings: Settings,
        positions: npt.NDArray[np.int64],
        shards: Sequence[Sequence[Shard]],
        pieces: Pieces | None = None,
    ) -> None:
        """Create a store from its parts; use `build`.

        Args:
            rois: the `n` readable ROIs.
            settings: of the store.
            positions: of each ROI in the shards of a version, counted through all of them, `(n,)`.
            shards: of each version, in order.
            pieces: windows of long ROIs.
        """
        self.rois, self.settings, self.pieces = rois, settings, pieces
        first = next(shard for shard in shards[0] if 0 not in shard.shape)
        self.shape, self._dtype = first.shape[1:], first.dtype
        self.n_versions = len(shards)
        self._positions, self._shards = positions, shards
        self._mapped = lru_cache(_MAX_MAPPED_SHARDS)(self._map)

    @classmethod
    def build(
        cls, rois: RoiSet, settings: Settings, recipe: Recipe, progress: Progress, versions: int
    ) -> Self:
        """Compute the rows that the cache lacks, and return a store of all rows.

        Args:
            rois: ROIs of the store.
            settings: `augmentation` and `seed` define the altered sound; `compute` the cache and
                the workers.
            recipe: how a row is computed.
            progress: called with the number of ROIs done, if any are computed.
            versions: number of versions of each ROI with altered sound, besides the unaltered one.

        Raises:
            InputError: no ROI can be read, or recordings of several sampling rates give rows of
                several shapes.
            SettingsError: the recipe does not support these settings, or the cache folder cannot
                be written to.
        """
        present, spans, problems = locate_recordings(rois, settings.front_end, settings.compute)
        spans = [span.middle(recipe.longest_s) for span in spans]
        located = rois.take(present, problems)
        # Dask workers have another working directory.
        folder = cache_folder(settings.compute).resolve() / cls.kind
        plans = [
            plan
            for version in range(versions + 1)
            for plan in plan_shards(
                located, spans, settings, version=version, folder=folder, recipe=recipe
            )
        ]
        try:
            shards = open_or_build(plans, located.reader, settings, recipe, progress)
            _check_one_shape(shards)
        except MixedShapesError as error:
            same_rate = _of_one_rate(located, error)
            return cls.build(same_rate, settings, recipe, progress, versions)
        causes: dict[int, str] = {}
        for plan, shard in zip(plans, shards, strict=True):
            causes |= {plan.start + row: cause for row, cause in shard.causes.items()}
        positions = np.array(
            [row for row in range(len(located)) if row not in causes], dtype=np.int64
        )
        names = located.table["recording"].tolist()
        unreadable = [Problem(names[row], causes[row]) for row in sorted(causes)]
        readable = located.take(positions, unreadable)
        _report_unreadable(len(rois), readable)
        per_version = len(plans) // (versions + 1)
        by_version = [
            shards[start : start + per_version] for start in range(0, len(shards), per_version)
        ]
        return cls(readable, settings, positions, by_version)

    def __len__(self) -> int:
        return len(self.rois)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        parts = self.rois, self.settings, self._positions, self._shards, self.pieces
        return type(self), parts

    def with_pieces(self, pieces: Pieces) -> Self:
        """Return the same store with windows of its long ROIs."""
        return type(self)(self.rois, self.settings, self._positions, self._shards, pieces)

    def take(self, rows: npt.NDArray[np.int64]) -> Self:
        """Return a store of these rows `(b,)`, in this order, without altered versions.

        The new store refers only to the shards that it needs, and can be pickled.
        """
        positions = self._positions[rows]
        needed, shard = np.unique(positions // SHARD_ROIS, return_inverse=True)
        rois = replace(self.rois.take(rows), problems=())
        moved = shard * SHARD_ROIS + positions % SHARD_ROIS
        shards = [[self._shards[0][i] for i in needed]]
        pieces = None if self.pieces is None else self.pieces.take(rows)
        return type(self)(rois, self.settings, moved, shards, pieces)

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Return some rows.

        Args:
            rows: row numbers of `rois.table`, `(b,)`.
            versions: of each row, `(b,)`; 0 is the unaltered sound. None means 0 for all.

        Returns:
            float32 `(b, *shape)`; images are in [0, 1].

        Raises:
            InputError: a cache file was removed after the store was opened.
        """
        return as_floats(self.stored(rows, versions))

    def stored(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Return some rows in the data type of the cache; see `batch` for the arguments."""
        positions = self._positions[np.asarray(rows, dtype=np.int64)]
        version = np.zeros_like(positions) if versions is None else np.asarray(versions, np.int64)
        out = np.empty((len(positions), *self.shape), self._dtype)
        per_version = len(self._shards[0])
        shards = version * per_version + positions // SHARD_ROIS
        for shard in np.unique(shards):
            selected = np.flatnonzero(shards == shard)
            mapped = self._mapped(*divmod(int(shard), per_version))
            out[selected] = mapped[positions[selected] % SHARD_ROIS]
        return torch.from_numpy(out)

    def _map(self, version: int, shard: int) -> Rows:
        return self._shards[version][shard].map()


def _report_unreadable(n_wanted: int, readable: RoiSet) -> None:
    """Log the ROIs that this build could not read; raise an error if it could read none."""
    n_skipped = n_wanted - len(readable)
    if not n_skipped:
        return
    first = readable.problems[len(readable.problems) - n_skipped].cause
    if len(readable) == 0:
        raise InputError(f"None of the {n_wanted} ROIs can be read. The first: {first}")
    logger.warning(
        "%d of %d ROIs cannot be read and are skipped; the first: %s", n_skipped, n_wanted, first
    )


def _of_one_rate(rois: RoiSet, error: MixedShapesError) -> RoiSet:
    """Return the ROIs of the recordings that have the sampling rate of nearly all ROIs.

    Raises:
        MixedShapesError: no rate is that of nearly all.
    """
    keys = list(zip(rois.table["root"], rois.table["recording"], strict=True))
    rate_of = {key: rois.reader.info(*key).rate for key in dict.fromkeys(keys)}
    rates = np.array([rate_of[key] for key in keys])
    values, counts = np.unique(rates, return_counts=True)
    common = int(values[np.argmax(counts)])
    is_common = rates == common
    if len(values) == 1 or np.mean(is_common) < _MIN_ONE_RATE_SHARE:
        raise error
    problems = [
        Problem(
            keys[row][1],
            f"{recording_path(*keys[row])}: its {rates[row]} Hz give images of another shape than "
            f"the {common} Hz of most recordings; set audio.sample_rate to one rate for all.",
        )
        for row in np.flatnonzero(~is_common)
    ]
    logger.warning("%d ROIs are skipped; the first: %s", len(problems), problems[0].cause)
    return rois.take(np.flatnonzero(is_common), problems)


def _check_one_shape(shards: Sequence[Shard]) -> None:
    shapes = {shard.shape[1:] for shard in shards if 0 not in shard.shape}
    if len(shapes) > 1:
        raise MixedShapesError(
            f"Recordings of several rates give images of {len(shapes)} shapes; set "
            "audio.sample_rate to one rate for all."
        )


# Increased whenever the same settings and sound give other images than before.
_CACHE_VERSION = 2
# Seconds in the middle of a ROI that are searched for its loudest part, so that memory is bounded.
_LONGEST_S = 300.0


class ImageStore(CachedStore):
    """Images `(3, h, w)` of a set of ROIs; row i belongs to row i of `rois.table`."""

    kind = "images"


def build_images(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> ImageStore:
    """Render the images that the cache lacks, and return a store of all images.

    The same ROIs and settings give the same bytes, whatever the number of workers. An interrupted
    build resumes where it stopped, a damaged cache file is rendered again, and a changed recording
    or setting gives new images. If `compute.device` selects a GPU, the front end runs there; these
    images have entries of their own in the cache, because some of their bytes differ by 1.

    Args:
        rois: ROIs of the store.
        settings: `audio` and `front_end` define the images, `augmentation` and `seed` the altered
            sound, `compute` the cache, its precision and the workers.
        progress: called with the number of ROIs done, in the stage `images`, if any are rendered.
        versions: number of versions of each ROI with altered sound, besides the unaltered one.

    Raises:
        InputError: no ROI can be read, or recordings of several sampling rates give images of
            several shapes.
        SettingsError: the front end does not support a recording's sampling rate, the cache folder
            cannot be written to, or bytes cannot hold the values of a channel.
    """
    if len(rois) == 0:
        raise InputError("There are no ROIs to make images of.")
    roi_s = resolve_roi_length(rois.durations, settings.audio, settings.front_end)
    return _build(rois, settings.replace(audio={"roi_s": roi_s}), progress, versions)


def add_windows(store: ImageStore, progress: Progress = silent) -> ImageStore:
    """Return a store with images of windows of its long ROIs, if `front_end.long_rois` is `mean`.

    Args:
        store: of `build_images`.
        progress: called with the number of windows done, in the stage `images`, if any are
            rendered.

    Raises:
        InputError, SettingsError: see `build_images`.
    """
    roi_s = store.settings.audio.roi_s
    assert roi_s != "auto"  # `build_images` has chosen it
    counts = count_windows(store.rois.durations, roi_s, store.settings.front_end)
    if not counts.any():
        return store
    windows = _build(window_rois(store.rois, roi_s, counts), store.settings, progress, 0)
    return store.with_pieces(join_windows(store.rois, windows))


def _build(rois: RoiSet, settings: Settings, progress: Progress, versions: int) -> ImageStore:
    unbounded = UNBOUNDED_CHANNELS.intersection(settings.front_end.channels)
    if unbounded and settings.compute.cache_dtype == "uint8":
        raise SettingsError(
            f"front_end.channels: values of {', '.join(sorted(unbounded))} are not limited to "
            "[0, 1]; set compute.cache_dtype to float16."
        )
    if settings.audio.sample_rate != "native":
        # Impossible settings are an error of the settings, and not one of each recording.
        image_shape(settings.audio, settings.front_end, settings.audio.sample_rate)
    key: tuple[str | int, ...] = (
        _CACHE_VERSION,
        settings.image_fingerprint(),
        settings.compute.cache_dtype,
    )
    on_gpu = image_device(settings.compute).type != "cpu"
    if on_gpu:
        # Its images differ in last digits, so a run on the CPU must not depend on whether they are
        # there. Threads share a GPU better than processes do.
        key = (*key, "gpu")
    workers: Literal["processes", "threads"] = "threads" if on_gpu else "processes"
    # Of a ROI of hours, a recording of a chorus or a river, only a part is read for its image.
    longest_s = _LONGEST_S if settings.front_end.long_rois == "mean" else math.inf
    recipe = Recipe("images", key, render_images, workers, longest_s)
    return ImageStore.build(rois, settings, recipe, progress, versions)
