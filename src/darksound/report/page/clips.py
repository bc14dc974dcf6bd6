"""Clips of the page: the sound of a ROI as MP3 and its thumbnail as WebP.

All current browsers play MP3, while Safari does not play Ogg everywhere. libsndfile writes MP3, and
its patents have expired.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile as sf
from PIL import Image

from darksound.audio.names import recording_path
from darksound.errors import InputError, failure_cause
from darksound.rois.roi_set import Reader
from darksound.segmentation.power import power_spectrum

__all__ = [
    "MARGIN_S",
    "RATE",
    "ClipRequest",
    "RenderedClip",
    "ThumbnailScale",
    "encode_webp",
    "render_clips",
    "spectrogram",
]

#: Sampling rate of clips in Hz; frequencies up to 15 kHz pass, enough for most birds.
RATE = 32_000
#: Seconds added before and after a ROI, at most a quarter of the ROI.
MARGIN_S = 0.1

# Variable bit rate, about 45 kbit/s; a higher compression removes frequencies above 8 kHz.
_COMPRESSION = 0.8
_PEAK = 0.8
_FADE_S = 0.01
_WINDOW_S = 0.016
# Percentiles of the levels of a clip that are drawn white and black.
_WHITE, _BLACK = 60.0, 99.7
_MIN_RANGE_DB = 20.0
_WEBP_QUALITY = 45

Levels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ThumbnailScale:
    """The scale that all thumbnails of a page share.

    Attributes:
        span_s: duration of the whole width in seconds; shorter clips are centred.
        low_hz, high_hz: lower and upper edge.
        width, height: size in pixels.
    """

    span_s: float
    low_hz: float
    high_hz: float
    width: int = 192
    height: int = 80


@dataclass(frozen=True)
class ClipRequest:
    """The sound of a ROI to render; `row` is its row of the ROI table."""

    row: int
    root: str
    recording: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class RenderedClip:
    """Sound and thumbnail of a ROI.

    Attributes:
        row: row of the ROI.
        sound: an MP3 file.
        image: a WebP file.
        levels: `(height, width)`, low frequencies in the last row, 255 is the loudest.
        cause: the error where the ROI cannot be read; then the others are empty.
    """

    row: int
    sound: bytes
    image: bytes
    levels: Levels
    cause: str | None = None


def render_clips(
    requests: Sequence[ClipRequest], reader: Reader, scale: ThumbnailScale
) -> list[RenderedClip]:
    """Return the clip of each request; those that cannot be read have a cause."""
    return [_render(request, reader, scale) for request in requests]


def _render(request: ClipRequest, reader: Reader, scale: ThumbnailScale) -> RenderedClip:
    try:
        wave = _read(request, reader)
        levels = spectrogram(wave, scale)
        return RenderedClip(request.row, _mp3(wave), encode_webp(levels), levels)
    except Exception as error:
        path = recording_path(request.root, request.recording)
        cause = failure_cause(f"{path} from {request.start_s:.3f} s", error)
        return RenderedClip(request.row, b"", b"", np.zeros((0, 0), np.uint8), cause)


def _read(request: ClipRequest, reader: Reader) -> npt.NDArray[np.float32]:
    """Return samples at `RATE`, scaled to the same peak and faded at the ends."""
    margin = min(MARGIN_S, (request.end_s - request.start_s) / 4)
    try:
        times = (max(0.0, request.start_s - margin), request.end_s + margin)
        wave, _ = reader.read(request.root, request.recording, *times, RATE)
    except InputError:
        # Near the end of a short file, most of the requested time may lie beyond its end.
        times = (request.start_s, request.end_s)
        wave, _ = reader.read(request.root, request.recording, *times, RATE)
    peak = float(np.abs(wave).max())
    fade = min(round(_FADE_S * RATE), len(wave) // 2)
    ramp = np.ones(len(wave), np.float32)
    ramp[:fade] = np.linspace(0, 1, fade, dtype=np.float32)
    ramp[len(wave) - fade :] = ramp[:fade][::-1]
    scaled: npt.NDArray[np.float32] = wave * ramp * np.float32(_PEAK / peak if peak else 1)
    return scaled


def _mp3(wave: npt.NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    sf.write(
        buffer,
        wave,
        RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=_COMPRESSION,
        bitrate_mode="VARIABLE",
    )
    return buffer.getvalue()


def spectrogram(wave: npt.NDArray[np.float32], scale: ThumbnailScale) -> Levels:
    """Return levels `(height, width)` of samples at `RATE`: 0 is the background, 255 the peak.

    Time and frequency are linear; pixels outside the clip are 0.
    """
    n_fft = 2 * round(_WINDOW_S * RATE / 2)
    columns = max(1, min(scale.width, round(scale.width * len(wave) / RATE / scale.span_s)))
    hop = max(1, len(wave) // (2 * columns))
    power = power_spectrum(np.pad(wave, n_fft // 2), n_fft, hop)
    hertz = np.linspace(scale.low_hz, scale.high_hz, scale.height + 1)
    edges = hertz / (RATE / 2) * (power.shape[1] - 1)
    image = _mean_between(power, np.linspace(0, len(power), columns + 1), axis=0)
    image = _mean_between(image, edges, axis=1)
    decibels = 10 * np.log10(image + np.float32(1e-10))
    white, black = np.percentile(decibels, (_WHITE, _BLACK))
    range_db = max(float(black - white), _MIN_RANGE_DB)
    grey = np.clip((decibels - black) / range_db + 1, 0, 1)
    out = np.zeros((scale.height, scale.width), np.uint8)
    left = (scale.width - columns) // 2
    out[:, left : left + columns] = np.round(255 * grey).astype(np.uint8).T[::-1]
    return out


def _mean_between(
    values: npt.NDArray[np.float32], edges: npt.NDArray[np.float64], axis: int
) -> npt.NDArray[np.float32]:
    """Return means between fractional edges, each of at least one sample."""
    last = values.shape[axis] - 1
    first = np.clip(np.floor(edges[:-1]).astype(int), 0, last)
    stop = np.clip(np.ceil(edges[1:]).astype(int), first + 1, last + 1)
    sums = np.insert(np.cumsum(values, axis=axis, dtype=np.float64), 0, 0, axis=axis)
    shape = (-1, 1) if axis == 0 else (1, -1)
    total = np.take(sums, stop, axis=axis) - np.take(sums, first, axis=axis)
    means: npt.NDArray[np.float32] = (total / (stop - first).reshape(shape)).astype(np.float32)
    return means


def encode_webp(levels: Levels) -> bytes:
    """Return levels as a grey WebP file."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="WEBP", quality=_WEBP_QUALITY, method=4)
    return buffer.getvalue()
