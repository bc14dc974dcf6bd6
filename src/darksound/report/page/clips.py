"""What the page has of a ROI: its sound as MP3 and its spectrogram as WebP.

MP3 is played by every current browser, Safari's included, which does not play Ogg everywhere; and
libsndfile writes it. The patents on it have run out.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile as sf
from PIL import Image

from darksound.errors import InputError
from darksound.rois.roi_set import Reader
from darksound.segmentation.power import power_spectrum

__all__ = ["MARGIN_S", "RATE", "Glimpse", "Scale", "Stretch", "glimpses", "picture", "spectrogram"]

#: Samples a second of the sound: 15 kHz pass, which is more than most birds use.
RATE = 32_000
#: Seconds before and after a ROI that are heard and seen with it, or a quarter of the ROI.
MARGIN_S = 0.1

# Variable bit rate, about 45 kbit/s; the next step cuts everything above 8 kHz.
_COMPRESSION = 0.8
_PEAK = 0.8
_FADE_S = 0.01
_WINDOW_S = 0.016
# Of the levels of a clip: where white begins, and where black is reached.
_QUIET, _LOUD = 60.0, 99.7
_LEAST_RANGE_DB = 20.0
_WEBP_QUALITY = 45

Levels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scale:
    """What all pictures of a page have in common.

    Attributes:
        span_s: seconds that the whole width stands for; a shorter clip lies in the middle.
        low_hz, high_hz: lower and upper edge.
        width, height: in pixels.
    """

    span_s: float
    low_hz: float
    high_hz: float
    width: int = 192
    height: int = 80


@dataclass(frozen=True)
class Stretch:
    """Where a ROI is heard; `row` is its place in the table."""

    row: int
    root: str
    recording: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Glimpse:
    """Sound and picture of a ROI.

    Attributes:
        row: of the ROI.
        sound: an MP3 file.
        image: a WebP file.
        levels: `(height, width)`, low frequencies in the last row, 255 the loudest.
        cause: why there is neither sound nor picture; then the others are empty.
    """

    row: int
    sound: bytes
    image: bytes
    levels: Levels
    cause: str | None = None


def glimpses(stretches: Sequence[Stretch], reader: Reader, scale: Scale) -> list[Glimpse]:
    """A glimpse of each stretch; one that cannot be read says why."""
    return [_glimpse(stretch, reader, scale) for stretch in stretches]


def _glimpse(stretch: Stretch, reader: Reader, scale: Scale) -> Glimpse:
    try:
        wave = _heard(stretch, reader)
        sound = _mp3(wave)
    except (InputError, sf.SoundFileError) as error:
        return Glimpse(stretch.row, b"", b"", np.zeros((0, 0), np.uint8), str(error))
    levels = spectrogram(wave, scale)
    return Glimpse(stretch.row, sound, picture(levels), levels)


def _heard(stretch: Stretch, reader: Reader) -> npt.NDArray[np.float32]:
    """Samples at `RATE`, at one peak level, faded at the ends."""
    margin = min(MARGIN_S, (stretch.end_s - stretch.start_s) / 4)
    try:
        place = (max(0.0, stretch.start_s - margin), stretch.end_s + margin)
        wave, _ = reader.read(stretch.root, stretch.recording, *place, RATE)
    except InputError:
        # Near the end of a short file the margin may be most of what is asked for.
        place = (stretch.start_s, stretch.end_s)
        wave, _ = reader.read(stretch.root, stretch.recording, *place, RATE)
    peak = float(np.abs(wave).max())
    fade = min(round(_FADE_S * RATE), len(wave) // 2)
    ramp = np.ones(len(wave), np.float32)
    ramp[:fade] = np.linspace(0, 1, fade, dtype=np.float32)
    ramp[len(wave) - fade :] = ramp[:fade][::-1]
    heard: npt.NDArray[np.float32] = wave * ramp * np.float32(_PEAK / peak if peak else 1)
    return heard


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


def spectrogram(wave: npt.NDArray[np.float32], scale: Scale) -> Levels:
    """Levels `(height, width)` of samples at `RATE`, 0 at their background and 255 at their peak.

    Linear in time and frequency; what lies outside the clip is 0.
    """
    n_fft = 2 * round(_WINDOW_S * RATE / 2)
    columns = max(1, min(scale.width, round(scale.width * len(wave) / RATE / scale.span_s)))
    hop = max(1, len(wave) // (2 * columns))
    power = power_spectrum(np.pad(wave, n_fft // 2), n_fft, hop)
    hertz = np.linspace(scale.low_hz, scale.high_hz, scale.height + 1)
    edges = hertz / (RATE / 2) * (power.shape[1] - 1)
    image = _averaged(power, np.linspace(0, len(power), columns + 1), axis=0)
    image = _averaged(image, edges, axis=1)
    decibels = 10 * np.log10(image + np.float32(1e-10))
    quiet, loud = np.percentile(decibels, (_QUIET, _LOUD))
    range_db = max(float(loud - quiet), _LEAST_RANGE_DB)
    grey = np.clip((decibels - loud) / range_db + 1, 0, 1)
    out = np.zeros((scale.height, scale.width), np.uint8)
    left = (scale.width - columns) // 2
    out[:, left : left + columns] = np.round(255 * grey).astype(np.uint8).T[::-1]
    return out


def _averaged(
    values: npt.NDArray[np.float32], edges: npt.NDArray[np.float64], axis: int
) -> npt.NDArray[np.float32]:
    """Means between edges, which may lie between samples; at least one sample each."""
    last = values.shape[axis] - 1
    first = np.clip(np.floor(edges[:-1]).astype(int), 0, last)
    stop = np.clip(np.ceil(edges[1:]).astype(int), first + 1, last + 1)
    sums = np.insert(np.cumsum(values, axis=axis, dtype=np.float64), 0, 0, axis=axis)
    shape = (-1, 1) if axis == 0 else (1, -1)
    total = np.take(sums, stop, axis=axis) - np.take(sums, first, axis=axis)
    means: npt.NDArray[np.float32] = (total / (stop - first).reshape(shape)).astype(np.float32)
    return means


def picture(levels: Levels) -> bytes:
    """Levels as a WebP file in grey."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="WEBP", quality=_WEBP_QUALITY, method=4)
    return buffer.getvalue()
