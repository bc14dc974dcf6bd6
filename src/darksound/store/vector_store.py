"""Vectors of ROIs, made by an embedder: once, by several threads, cached on disk, read by row."""

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np

from darksound.audio.embedding_models import open_embedder
from darksound.audio.embedding_models.base import Embedder, Vectors, Waves
from darksound.audio.waveform import MUCH_LONGER, windows_of
from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import Reader, RoiSet
from darksound.settings import Settings
from darksound.store.cached_store import CachedStore
from darksound.store.rendering import Item, Rendered, hear
from darksound.store.shards import Recipe

__all__ = ["VectorStore", "build_vectors"]

logger = logging.getLogger(__name__)
# Changes whenever the same settings, sound and model come to give other vectors.
_EDITION = 1
# Settings of the front end that the sound before a model depends on.
_HEARD = ("band_limits", "band_attenuation_db")
# Windows that pass the model at once, so that long ROIs do not fill the memory.
_AT_ONCE = 64


class VectorStore(CachedStore):
    """Vectors `(dim,)` of a set of ROIs, row i of it being row i of `rois.table`."""

    kind = "vectors"


def build_vectors(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> VectorStore:
    """Make the vectors that are not in the cache yet, and open them all.

    A ROI is brought to the embedder's window: zeros are put around a shorter one, and of a longer
    one `embedding_model.long_rois` says what is heard, by default the mean over windows. The same ROIs and
    settings give the same bytes, whatever the number of workers.

    Args:
        rois: what to make vectors of.
        settings: `backbone.name` names the embedder; `embedder` says what it hears of long ROIs;
            `front_end` limits bands; `augmentation` and `seed` alter the sound; `compute` names the
            cache and the workers.
        progress: told of ROIs done, in the stage `vectors`, where any are made.
        versions: number of versions of each ROI with altered sound, beside the unaltered.

    Raises:
        InputError: no ROI can be read.
        SettingsError: what the embedder needs is not installed, or the cache folder cannot be
            written to.
        CheckpointError: the model cannot be used, or is not the one that the settings hold.
    """
    if len(rois) == 0:
        raise InputError("There are no ROIs to make vectors of.")
    embedder = open_embedder(settings)
    found = {"model": embedder.name, "digest": embedder.digest, "dim": embedder.dim}
    settings = settings.replace(embedding_model=found, audio=_length(settings, embedder))
    heard = (
        _of_long_rois(rois, settings, embedder),
        *(str(getattr(settings.front_end, key)) for key in _HEARD),
    )
    recipe = Recipe("vectors", (_EDITION, embedder.digest, *heard), _Ears(embedder), "threads")
    return VectorStore.build(rois, settings, recipe, progress, versions)


def _length(settings: Settings, embedder: Embedder) -> dict[str, float]:
    """The ROI length, a number; it is a matter of how files are cut into ROIs alone."""
    if settings.audio.roi_s == "auto":
        return {"roi_s": embedder.window_s}
    if settings.audio.roi_s != embedder.window_s:
        logger.info(
            "%s hears %g s at a time, whatever the ROI length (%g s): shorter ROIs stand in "
            "silence, and embedding_model.long_rois says what is heard of longer ones.",
            embedder.name,
            embedder.window_s,
            settings.audio.roi_s,
        )
    return {"roi_s": settings.audio.roi_s}


def _of_long_rois(rois: RoiSet, settings: Settings, embedder: Embedder) -> str:
    """What becomes of long ROIs; without much longer ones, `mean` and `loudest` are the same."""
    wanted = settings.embedding_model.long_rois
    any_long = bool((rois.durations > MUCH_LONGER * embedder.window_s).any())
    return "loudest" if wanted == "mean" and not any_long else wanted


class _Ears:
    """Makes vectors of ROIs; each thread that calls it starts the model once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._own = threading.local()

    def __reduce__(self) -> tuple[type["_Ears"], tuple[Embedder]]:
        # Started models stay where they are.
        return type(self), (self._embedder,)

    def __call__(
        self, items: Sequence[Item], reader: Reader, settings: Settings, version: int
    ) -> Rendered:
        causes: dict[int, str] = {}
        samples, long_rois = self._embedder.samples, settings.embedding_model.long_rois
        sums = np.zeros((len(items), self._embedder.dim), np.float32)
        counts = np.zeros(len(items), np.int64)
        waiting: list[tuple[int, Waves]] = []
        for row, item in enumerate(items):
            try:
                wave, _ = hear(item, reader, settings, version, self._embedder.sample_rate)
            except InputError as error:
                causes[row] = str(error)
                continue
            heard = windows_of(wave, samples, long_rois)
            counts[row] = len(heard)
            waiting.extend((row, one) for one in heard)
            while len(waiting) >= _AT_ONCE:
                self._add(waiting[:_AT_ONCE], sums)
                del waiting[:_AT_ONCE]
        self._add(waiting, sums)
        if not counts.any():
            return Rendered(len(items), None, causes)
        windows = np.maximum(counts, 1).astype(np.float32)[:, None]
        vectors = np.asarray(sums / windows, dtype=np.float32)
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
            vectors[row], causes[row] = (
                0,
                f"{self._embedder.name} gives values that are not finite.",
            )
        return Rendered(len(items), vectors, causes)

    def _add(self, heard: Sequence[tuple[int, Waves]], sums: Vectors) -> None:
        """Add the vectors of some windows to the sums of their rows."""
        if heard:
            rows, waves = zip(*heard, strict=True)
            np.add.at(sums, list(rows), self._model()(np.stack(waves)))

    def _model(self) -> Callable[[Waves], Vectors]:
        if not hasattr(self._own, "model"):
            self._own.model = self._embedder.start()
        model: Callable[[Waves], Vectors] = self._own.model
        return model
