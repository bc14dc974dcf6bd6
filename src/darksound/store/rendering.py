"""Waveforms of some ROIs, and images of them, as one worker computes them."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import torch

from darksound.audio.augmentation import augment_waveform
from darksound.audio.front_end import FrontEnd
from darksound.audio.names import recording_path
from darksound.audio.waveform import limit_band
from darksound.device import resolve_device
from darksound.errors import InputError, failure_cause
from darksound.rois.roi_set import Reader
from darksound.settings import ComputeSettings, Settings
from darksound.store.shard_file import ImageRows, Rows

__all__ = [
    "AudioSpan",
    "MixedShapesError",
    "RenderedRows",
    "RoiAudio",
    "image_device",
    "load_waveform",
    "random_stream",
    "render_images",
]

Wave = npt.NDArray[np.float32]

# ROIs that are read before the front end turns them into images together, on a CPU and on a GPU.
_CPU_BATCH_ROIS, _GPU_BATCH_ROIS = 8, 64
# Threads that make images on a GPU at the same time. More would fill its memory and not be faster.
_GPU_THREADS = threading.BoundedSemaphore(4)
# Purpose of the random numbers that alter a ROI; see `random_stream`.
_ALTER = 12


class MixedShapesError(InputError):
    """Recordings of several sampling rates give images of several shapes."""


@dataclass(frozen=True)
class AudioSpan:
    """A part of a recording.

    Attributes:
        root, recording, start_s, end_s: as in the ROI table.
        stamp: changes when the recording does.
        band_hz: lowest and highest frequency to keep; None for all.
    """

    root: str
    recording: str
    start_s: float
    end_s: float
    stamp: str
    band_hz: tuple[float, float] | None = None

    def middle(self, longest_s: float) -> "AudioSpan":
        """Return the middle of the part, of at most so many seconds."""
        excess = self.end_s - self.start_s - longest_s
        if excess <= 0:
            return self
        return replace(self, start_s=self.start_s + excess / 2, end_s=self.end_s - excess / 2)


@dataclass(frozen=True)
class RoiAudio:
    """The sound of a ROI, and the sound to mix into it when it is altered, if any."""

    roi_id: str
    span: AudioSpan
    neighbour: AudioSpan | None = None


@dataclass(frozen=True)
class RenderedRows:
    """Images or vectors of some ROIs.

    Attributes:
        count: number of ROIs.
        rows: `(count, 3, h, w)` or `(count, dim)`, zeros where a ROI cannot be read; None if none
            of them can.
        causes: why a ROI cannot be read, by its row.
    """

    count: int
    rows: Rows | None
    causes: dict[int, str]


def image_device(compute: ComputeSettings) -> torch.device:
    """Return the device that the front end makes images on.

    It is a GPU if the settings select one of NVIDIA's. Apple's lack the front end's precision, and
    workers of a Dask cluster use their CPUs.

    Raises:
        SettingsError: the device is not available.
    """
    device, _ = resolve_device(compute)
    is_usable = device.type == "cuda" and compute.dask is None
    return device if is_usable else torch.device("cpu")


def render_images(
    rois: Sequence[RoiAudio], reader: Reader, settings: Settings, version: int
) -> RenderedRows:
    """Return images of some ROIs, unaltered (version 0) or with altered sound.

    Args:
        rois: to make images of.
        reader: of the recordings.
        settings: `audio.roi_s` is a number; `compute` selects the device.
        version: 0, or the number of an altered version.

    Raises:
        MixedShapesError: recordings of several sampling rates give images of several shapes.
    """
    device = image_device(settings.compute)
    batch_rois = _CPU_BATCH_ROIS if device.type == "cpu" else _GPU_BATCH_ROIS
    front_end_at = cache(partial(FrontEnd, settings.audio, settings.front_end, device=device))
    causes: dict[int, str] = {}
    images: ImageRows | None = None
    for start in range(0, len(rois), batch_rois):
        rows = range(start, min(start + batch_rois, len(rois)))
        waves_by_rate, unreadable = _load_waveforms(rois, rows, reader, settings, version)
        causes |= unreadable
        for rate, all_waves in waves_by_rate.items():
            waves, batch, failed = _images(rois, all_waves, partial(front_end_at, rate), settings)
            causes |= failed
            if batch is None:
                continue
            if images is None:
                images = np.zeros((len(rois), *batch.shape[1:]), batch.dtype)
            if batch.shape[1:] != images.shape[1:]:
                raise MixedShapesError(
                    f"{rois[min(waves)].span.recording} at {rate} Hz gives an image of "
                    f"{batch.shape[1:]}, other recordings of {images.shape[1:]}; set "
                    "audio.sample_rate to one rate for all."
                )
            images[list(waves)] = batch
    return RenderedRows(len(rois), images, causes)


def _images(
    rois: Sequence[RoiAudio],
    waves: dict[int, Wave],
    front_end: Callable[[], FrontEnd],
    settings: Settings,
) -> tuple[dict[int, Wave], ImageRows | None, dict[int, str]]:
    """Return the waveforms that give images, their images, and why others give none, by row."""
    try:
        with _GPU_THREADS if image_device(settings.compute).type != "cpu" else nullcontext():
            return waves, _quantise(front_end()(list(waves.values())), settings), {}
    except Exception as error:
        if len(waves) == 1:
            (row,) = waves
            return {}, None, {row: failure_cause(_name(rois[row].span), error)}
    # One ROI must not take those that it is computed with.
    parts = [_images(rois, {row: wave}, front_end, settings) for row, wave in waves.items()]
    good = {row: wave for part, _, _ in parts for row, wave in part.items()}
    images = [image for _, image, _ in parts if image is not None]
    causes = {row: cause for _, _, failed in parts for row, cause in failed.items()}
    return good, np.concatenate(images) if images else None, causes


def _name(span: AudioSpan) -> str:
    return f"{recording_path(span.root, span.recording)} from {span.start_s:.3f} s"


def _load_waveforms(
    rois: Sequence[RoiAudio], rows: Sequence[int], reader: Reader, settings: Settings, version: int
) -> tuple[dict[int, dict[int, Wave]], dict[int, str]]:
    """Return the waveforms of some rows by rate and row, and why other rows cannot be read."""
    wanted = settings.audio.sample_rate
    waves_by_rate: dict[int, dict[int, Wave]] = {}
    causes: dict[int, str] = {}
    for row in rows:
        try:
            wave, rate = load_waveform(
                rois[row], reader, settings, version, None if wanted == "native" else wanted
            )
        except Exception as error:
            causes[row] = failure_cause(_name(rois[row].span), error)
        else:
            waves_by_rate.setdefault(rate, {})[row] = wave
    return waves_by_rate, causes


def random_stream(seed: int, purpose: int, roi_id: str, version: int) -> np.random.Generator:
    """Return a random generator that depends on its arguments alone, not on the order of calls."""
    digest = hashlib.blake2b(roi_id.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, purpose, version, int.from_bytes(digest)])


def load_waveform(
    roi: RoiAudio, reader: Reader, settings: Settings, version: int, rate: int | None
) -> tuple[Wave, int]:
    """Return the waveform of a ROI, unaltered (version 0) or altered.

    Args:
        roi: the ROI.
        reader: of its recording.
        settings: `audio.channel` and the band limits of `front_end` are used; `augmentation` and
            `seed` alter the sound.
        version: 0, or the number of an altered version.
        rate: in Hz to resample to; None keeps the recording's.

    Returns:
        Samples `(n,)` and their rate in Hz.

    Raises:
        InputError: the recording cannot be read, or has no usable samples there.
    """
    wave, actual_rate = _read(roi.span, reader, rate, settings)
    if version == 0:
        return wave, actual_rate
    neighbour = None
    if roi.neighbour is not None:
        try:
            neighbour, _ = _read(roi.neighbour, reader, rate, settings)
        except Exception:
            # The neighbour is a ROI of the same set, and reported as such.
            neighbour = None
    rng = random_stream(settings.seed, _ALTER, roi.roi_id, version)
    return augment_waveform(wave, actual_rate, rng, settings.augmentation, neighbour), actual_rate


def _read(
    span: AudioSpan, reader: Reader, rate: int | None, settings: Settings
) -> tuple[Wave, int]:
    channel = settings.audio.channel
    wave, actual_rate = reader.read(
        span.root, span.recording, span.start_s, span.end_s, rate, channel=channel
    )
    if span.band_hz is not None:
        wave = limit_band(wave, actual_rate, *span.band_hz, settings.front_end.band_attenuation_db)
    return wave, actual_rate


def _quantise(images: torch.Tensor, settings: Settings) -> ImageRows:
    if settings.compute.cache_dtype == "float16":
        return images.clamp(max=torch.finfo(torch.float16).max).to(torch.float16).cpu().numpy()
    return (images * 255).round().to(torch.uint8).cpu().numpy()
