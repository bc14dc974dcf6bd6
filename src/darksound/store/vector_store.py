"""Vectors of ROIs, computed by an embedding model in several threads and cached on disk."""

import logging
import threading
from collections.abc import Sequence

import numpy as np

from darksound.audio.embedding_models import open_embedding_model
from darksound.audio.embedding_models.base import (
    CPU_PROVIDER,
    EmbeddingBatch,
    EmbeddingModel,
    EmbedFunction,
    WaveformBatch,
)
from darksound.audio.names import recording_path
from darksound.audio.waveform import LONG_ROI_RATIO, split_into_windows
from darksound.errors import InputError, failure_cause
from darksound.progress import Progress, silent
from darksound.rois.roi_set import Reader, RoiSet
from darksound.settings import ComputeSettings, Settings
from darksound.settings.compute import Device
from darksound.store.cached_store import CachedStore
from darksound.store.rendering import RenderedRows, RoiAudio, load_waveform
from darksound.store.shards import Recipe

__all__ = ["VectorStore", "build_vectors", "model_device"]

logger = logging.getLogger(__name__)

# Increased whenever the same settings, sound and model give other vectors than before.
_CACHE_VERSION = 2
# Settings of the front end that change the waveforms that a model is given.
_WAVEFORM_KEYS = ("band_limits", "band_attenuation_db")
# Windows that are embedded at once, so that long ROIs do not fill the memory.
_MAX_WINDOWS = 64


class VectorStore(CachedStore):
    """Vectors `(dim,)` of a set of ROIs; row i belongs to row i of `rois.table`."""

    kind = "vectors"


def build_vectors(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> VectorStore:
    """Compute the vectors that the cache lacks, and return a store of all vectors.

    ROIs get the length of the model's window: shorter ones are padded with zeros on both sides;
    `embedding_model.long_rois` selects the windows of longer ones, by default the mean over all.
    The same ROIs and settings give the same bytes, whatever the number of workers.

    Args:
        rois: ROIs of the store.
        settings: `backbone.name` names the embedding model, `embedding_model` how long ROIs are
            embedded. `audio.channel` selects the channel, `front_end` limits bands, `augmentation`
            and `seed` define the altered sound, `compute` the cache and the workers.
        progress: called with the number of ROIs done, in the stage `vectors`, if any are computed.
        versions: number of versions of each ROI with altered sound, besides the unaltered one.

    Raises:
        InputError: no ROI can be read.
        SettingsError: a library that the model needs is not installed, or the cache folder cannot
            be written to.
        CheckpointError: the model cannot be used, or is not the one of the settings.
    """
    if len(rois) == 0:
        raise InputError("There are no ROIs to make vectors of.")
    model = open_embedding_model(settings.backbone, settings.embedding_model, settings.compute)
    settings = settings.replace(
        embedding_model={
            "name": model.name,
            "digest": model.digest,
            "embedding_dim": model.embedding_dim,
        },
        audio={"roi_s": _roi_length(settings, model)},
    )
    key: tuple[str | int, ...] = (
        _CACHE_VERSION,
        model.digest,
        _long_rois_key(rois, settings, model),
        *(str(getattr(settings.front_end, name)) for name in _WAVEFORM_KEYS),
        *_channel_key(settings),
    )
    provider = model.provider(model_device(settings.compute))
    if provider != CPU_PROVIDER:
        key = (*key, provider)
    recipe = Recipe("vectors", key, _EmbeddingRenderer(model, provider), "threads")
    return VectorStore.build(rois, settings, recipe, progress, versions)


def model_device(compute: ComputeSettings) -> Device:
    """Return the device that runs the embedding model; workers of a Dask cluster use their CPUs."""
    return compute.device if compute.dask is None else "cpu"


def _roi_length(settings: Settings, model: EmbeddingModel) -> float:
    """Return the ROI length in seconds, which matters only where files are cut into ROIs."""
    if settings.audio.roi_s == "auto":
        return model.window_s
    if settings.audio.roi_s != model.window_s:
        logger.info(
            "%s embeds windows of %g s, whatever the ROI length (%g s): shorter ROIs are padded "
            "with zeros, and embedding_model.long_rois selects the windows of longer ones.",
            model.name,
            model.window_s,
            settings.audio.roi_s,
        )
    return settings.audio.roi_s


def _channel_key(settings: Settings) -> tuple[str, ...]:
    """Return the channel, but nothing for the default: it was not part of the key at first."""
    return () if settings.audio.channel == "mean" else (settings.audio.channel,)


def _long_rois_key(rois: RoiSet, settings: Settings, model: EmbeddingModel) -> str:
    """Return how long ROIs are embedded; without any, `mean` and `loudest` are the same."""
    long_rois = settings.embedding_model.long_rois
    any_long = bool((rois.durations > LONG_ROI_RATIO * model.window_s).any())
    return "loudest" if long_rois == "mean" and not any_long else long_rois


class _EmbeddingRenderer:
    """Compute vectors of ROIs; each thread that calls it loads the model once."""

    def __init__(self, model: EmbeddingModel, provider: str) -> None:
        self._model, self._provider = model, provider
        self._thread = threading.local()

    def __reduce__(self) -> tuple[type["_EmbeddingRenderer"], tuple[EmbeddingModel, str]]:
        # Loaded models cannot be pickled.
        return type(self), (self._model, self._provider)

    def __call__(
        self, rois: Sequence[RoiAudio], reader: Reader, settings: Settings, version: int
    ) -> RenderedRows:
        causes: dict[int, str] = {}
        length, long_rois = self._model.window_samples, settings.embedding_model.long_rois
        sums = np.zeros((len(rois), self._model.embedding_dim), np.float32)
        counts = np.zeros(len(rois), np.int64)
        pending: list[tuple[int, WaveformBatch]] = []
        for row, roi in enumerate(rois):
            try:
                wave, _ = load_waveform(roi, reader, settings, version, self._model.sample_rate)
                windows = split_into_windows(wave, length, long_rois)
            except Exception as error:
                name = recording_path(roi.span.root, roi.span.recording)
                causes[row] = failure_cause(f"{name} from {roi.span.start_s:.3f} s", error)
                continue
            counts[row] = len(windows)
            pending.extend((row, window) for window in windows)
            while len(pending) >= _MAX_WINDOWS:
                self._add_embeddings(pending[:_MAX_WINDOWS], sums)
                del pending[:_MAX_WINDOWS]
        self._add_embeddings(pending, sums)
        if not counts.any():
            return RenderedRows(len(rois), None, causes)
        divisors = np.maximum(counts, 1).astype(np.float32)[:, None]
        vectors = np.asarray(sums / divisors, dtype=np.float32)
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
            vectors[row] = 0
            causes[row] = f"{self._model.name} gives values that are not finite."
        return RenderedRows(len(rois), vectors, causes)

    def _add_embeddings(
        self, windows: Sequence[tuple[int, WaveformBatch]], sums: EmbeddingBatch
    ) -> None:
        """Add the embedding of each window to the sum of its row."""
        if windows:
            rows, waves = zip(*windows, strict=True)
            np.add.at(sums, list(rows), self._embed_function()(np.stack(waves)))

    def _embed_function(self) -> EmbedFunction:
        if not hasattr(self._thread, "embed"):
            self._thread.embed = self._model.start(self._provider)
        embed: EmbedFunction = self._thread.embed
        return embed
