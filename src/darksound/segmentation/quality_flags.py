"""Quality flags of a chunk: cancelling channels, clipping, insects, rain, wind.

Flagged chunks are not removed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

__all__ = ["CANCELLING", "QUALITY_FLAGS", "ChunkFeatures", "clipped_share", "detect_quality_flags"]

Power = npt.NDArray[np.float32]

#: Flag of a chunk whose channels cancel in their mean.
CANCELLING = "cancelling"

# Clipping: runs of samples at the chunk's maximum, which is at least half of full scale, in more
# than this share of samples.
_MIN_CLIPPED_PEAK = 0.5
_ROUNDING = 2.0**-15
_MAX_CLIPPED_SHARE = 1e-4
# Wind: gusts at low frequencies, far above the level at higher ones.
_WIND_HZ = (90.0, 300.0)
_ABOVE_WIND_HZ = (1000.0, 4000.0)
_GUST_S = 0.25
_MIN_WIND_DB = 25.0
_MIN_GUST_RANGE_DB = 10.0
# Rain: short clicks that raise most bands at once.
_RAIN_HZ = (600.0, 8000.0)
_MIN_DROP_DB = 8.0
_MIN_DROP_SHARE = 0.7
_MAX_DROP_FRAMES = 4
_MIN_DROPS_PER_S = 5.0
# Insects: a band that is never silent, above its neighbours.
_INSECT_HZ = (2000.0, 12_000.0)
_INSECT_NEIGHBOURS_HZ = 2500.0
_MIN_INSECT_WIDTH_HZ = 150.0
_MIN_INSECT_DB = 8.0
# Neighbours farther than this below the loudest do not count: lossy codecs leave empty bands.
_MAX_INSECT_RANGE_DB = 40.0


@dataclass(frozen=True)
class ChunkFeatures:
    """The features of a chunk that quality flags depend on.

    Attributes:
        clipped_share: share of samples that are clipped; see `clipped_share`.
        power: of all bins, `(frames, bins)`, not smoothed, in squared sample units.
        floor: low percentile of each bin's power, `(bins,)`.
        band_hz: Hz from bin to bin.
        frame_s: seconds from frame to frame.
        cancelled: whether the channels cancel in their mean; see `darksound.audio.mixing`.
    """

    clipped_share: float
    power: Power
    floor: Power
    band_hz: float
    frame_s: float
    cancelled: bool = False

    def bins(self, low_hz: float, high_hz: float) -> slice:
        """Return the bins between two frequencies, at least one.

        There are none if the recording has less than an octave above the lower frequency, which
        is too few bands to compare.
        """
        first, n_bins = max(round(low_hz / self.band_hz), 1), self.power.shape[1]
        if (n_bins - 0.5) * self.band_hz < 2 * low_hz:
            return slice(n_bins, n_bins)
        return slice(first, max(min(round(high_hz / self.band_hz), n_bins), first + 1))


def _has_clipping(chunk: ChunkFeatures) -> bool:
    return chunk.clipped_share > _MAX_CLIPPED_SHARE


def _has_wind(chunk: ChunkFeatures) -> bool:
    bands = [chunk.power[:, chunk.bins(*hz)] for hz in (_WIND_HZ, _ABOVE_WIND_HZ)]
    if not all(band.size for band in bands):
        return False
    low, high = (band.mean(axis=1) for band in bands)
    above = float(np.median(high))
    gusts = _decibels(scipy.ndimage.uniform_filter1d(low, max(round(_GUST_S / chunk.frame_s), 1)))
    return bool(
        np.percentile(gusts, 90) - _decibels(np.array(above)) > _MIN_WIND_DB
        and np.percentile(gusts, 90) - np.percentile(gusts, 10) > _MIN_GUST_RANGE_DB
    )


def _has_rain(chunk: ChunkFeatures) -> bool:
    bins = chunk.bins(*_RAIN_HZ)
    raised = chunk.power[:, bins] > chunk.floor[bins] * 10 ** (_MIN_DROP_DB / 10)
    if not raised.size:
        return False
    drops = raised.mean(axis=1) > _MIN_DROP_SHARE
    n_starts = np.count_nonzero(drops[1:] & ~drops[:-1])
    # Drops are shorter than syllables, and there are many of them.
    are_short = np.count_nonzero(drops) <= _MAX_DROP_FRAMES * max(int(n_starts), 1)
    return bool(are_short and n_starts > _MIN_DROPS_PER_S * len(drops) * chunk.frame_s)


def _has_insects(chunk: ChunkFeatures) -> bool:
    bins = chunk.bins(*_INSECT_HZ)
    floor = _decibels(chunk.floor[bins])
    if not floor.size:
        return False
    width = 2 * round(_INSECT_NEIGHBOURS_HZ / chunk.band_hz / 2) + 1
    neighbours = scipy.ndimage.median_filter(floor, width, mode="nearest")
    is_loud = (floor - neighbours > _MIN_INSECT_DB) & (
        neighbours > neighbours.max() - _MAX_INSECT_RANGE_DB
    )
    wide_enough = scipy.ndimage.minimum_filter1d(
        is_loud.astype(np.uint8), max(round(_MIN_INSECT_WIDTH_HZ / chunk.band_hz), 2)
    )
    return bool(wide_enough.any())


#: Detectors of the quality flags of a chunk, by flag. The thresholds were set on synthetic rain,
#: wind and insects and inspected on a few real recordings; the flags are hints.
QUALITY_FLAGS: dict[str, Callable[[ChunkFeatures], bool]] = {
    CANCELLING: lambda chunk: chunk.cancelled,
    "clipping": _has_clipping,
    "insects": _has_insects,
    "rain": _has_rain,
    "wind": _has_wind,
}


def detect_quality_flags(chunk: ChunkFeatures) -> tuple[str, ...]:
    """Return the quality flags of a chunk, in alphabetical order.

    A recording at a low rate lacks the frequencies of some flags, and has none of these.
    """
    return tuple(name for name, detect in QUALITY_FLAGS.items() if detect(chunk))


def clipped_share(channels: npt.NDArray[np.float32]) -> float:
    """Return the share of samples that are clipped, in the channel with most of them.

    Samples are clipped if four or more in a row are at full scale, or at the chunk's maximum if
    that is at least half of full scale.

    Args:
        channels: `(n, channels)` in [-1, 1].
    """
    size = np.abs(channels)
    peak = float(size.max(initial=0))
    if peak < _MIN_CLIPPED_PEAK:
        return 0.0
    at_peak = size >= min(peak, 1.0) - _ROUNDING
    run = at_peak[:-3] & at_peak[1:-2] & at_peak[2:-1] & at_peak[3:]
    return float(run.sum(axis=0).max(initial=0)) / max(len(channels), 1)


def _decibels(power: Power) -> Power:
    decibels: Power = 10 * np.log10(np.maximum(power, np.finfo(np.float32).tiny))
    return decibels
