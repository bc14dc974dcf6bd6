"""What is wrong with a chunk: rain, wind, clipping, insects. Chunks are flagged, never cut out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import scipy.ndimage

__all__ = ["FLAGS", "Heard", "flags_of", "flat_share"]

Power = npt.NDArray[np.float32]

# Clipping: flat tops, at least half as high as full scale, in more than this share of samples.
_LOUD = 0.5
_ROUNDING = 2.0**-15
_CLIPPED_SHARE = 1e-4
# Wind: gusts at low frequencies, far above what lies higher.
_WIND_HZ = (90.0, 300.0)
_ABOVE_WIND_HZ = (1000.0, 4000.0)
_GUST_S = 0.25
_WIND_DB = 25.0
_GUSTY_DB = 10.0
# Rain: brief clicks that lift most bands at once.
_RAIN_HZ = (600.0, 8000.0)
_DROP_DB = 8.0
_DROP_SHARE = 0.7
_LONGEST_DROP = 4
_DROPS_A_SECOND = 5.0
# Insects: a band that never falls silent, above its neighbours.
_INSECT_HZ = (2000.0, 12_000.0)
_INSECT_AROUND_HZ = 2500.0
_INSECT_WIDTH_HZ = 150.0
_INSECT_DB = 8.0
# Below this no band stands out: lossy codecs leave empty ones.
_INSECT_RANGE_DB = 40.0


@dataclass(frozen=True)
class Heard:
    """A chunk as flags are judged on.

    Attributes:
        flat: share of samples that are clipped; see `flat_share`.
        power: of all bins, `(frames, bins)`, unsmoothed, in squared sample units.
        floor: what each bin's power seldom falls below, `(bins,)`.
        band_hz: from bin to bin.
        frame_s: from frame to frame.
    """

    flat: float
    power: Power
    floor: Power
    band_hz: float
    frame_s: float

    def bins(self, low_hz: float, high_hz: float) -> slice:
        """Bins between two frequencies, at least one."""
        first = max(round(low_hz / self.band_hz), 1)
        return slice(first, max(min(round(high_hz / self.band_hz), self.power.shape[1]), first + 1))


def _clipping(heard: Heard) -> bool:
    return heard.flat > _CLIPPED_SHARE


def _wind(heard: Heard) -> bool:
    low = heard.power[:, heard.bins(*_WIND_HZ)].mean(axis=1)
    above = float(np.median(heard.power[:, heard.bins(*_ABOVE_WIND_HZ)].mean(axis=1)))
    gusts = _decibels(scipy.ndimage.uniform_filter1d(low, max(round(_GUST_S / heard.frame_s), 1)))
    return bool(
        np.percentile(gusts, 90) - _decibels(np.array(above)) > _WIND_DB
        and np.percentile(gusts, 90) - np.percentile(gusts, 10) > _GUSTY_DB
    )


def _rain(heard: Heard) -> bool:
    bins = heard.bins(*_RAIN_HZ)
    over = heard.power[:, bins] > heard.floor[bins] * 10 ** (_DROP_DB / 10)
    drops = over.mean(axis=1) > _DROP_SHARE
    starts = np.count_nonzero(drops[1:] & ~drops[:-1])
    # Drops are shorter than syllables, and there are many of them.
    brief = np.count_nonzero(drops) <= _LONGEST_DROP * max(int(starts), 1)
    return bool(brief and starts > _DROPS_A_SECOND * len(drops) * heard.frame_s)


def _insects(heard: Heard) -> bool:
    bins = heard.bins(*_INSECT_HZ)
    floor = _decibels(heard.floor[bins])
    width = 2 * round(_INSECT_AROUND_HZ / heard.band_hz / 2) + 1
    around = scipy.ndimage.median_filter(floor, width, mode="nearest")
    stands_out = (floor - around > _INSECT_DB) & (around > around.max() - _INSECT_RANGE_DB)
    lasting = scipy.ndimage.minimum_filter1d(
        stands_out.astype(np.uint8), max(round(_INSECT_WIDTH_HZ / heard.band_hz), 2)
    )
    return bool(lasting.any())


#: What a chunk may be flagged with, and how it is told. The figures were set on synthesised rain,
#: wind and insects and looked at on a few real recordings; they are hints.
FLAGS: Mapping[str, Callable[[Heard], bool]] = MappingProxyType(
    {"clipping": _clipping, "insects": _insects, "rain": _rain, "wind": _wind}
)


def flags_of(heard: Heard) -> tuple[str, ...]:
    """The flags of a chunk, in alphabetical order."""
    return tuple(name for name, tells in FLAGS.items() if tells(heard))


def flat_share(channels: npt.NDArray[np.float32]) -> float:
    """Share of samples that are clipped, in the channel where most are.

    Clipped are samples at full scale, and those in runs of several at the chunk's extreme where
    that is loud.

    Args:
        channels: `(n, channels)` in [-1, 1].
    """
    size = np.abs(channels)
    peak = float(size.max(initial=0))
    if peak < _LOUD:
        return 0.0
    flat = size >= min(peak, 1.0) - _ROUNDING
    run = flat[:-3] & flat[1:-2] & flat[2:-1] & flat[3:]
    return float(run.sum(axis=0).max(initial=0)) / max(len(channels), 1)


def _decibels(power: Power) -> Power:
    out: Power = 10 * np.log10(np.maximum(power, np.finfo(np.float32).tiny))
    return out
