"""Hoots and soft whistles that lie in the region of another sound.

Low calls are merged with what sounds beside them: with a louder bird a little higher, or with
knocks and frogs as wide as the whole band. They are found by their width: a hoot is narrow, and its
neighbouring frequencies are fainter on both sides.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from darksound.segmentation.grid import Grid
from darksound.segmentation.regions import Ratio, RegionPoints, find_regions, remove_points
from darksound.settings import SegmentationSettings

__all__ = ["separate_hoots"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Hoots are below this frequency, and not wider than this.
_HIGHEST_HZ, _MAX_WIDTH_HZ = 1500.0, 300.0
# Their points are at most so many decibels below their loudest one: those farther below are echo.
_RANGE_DB = 20.0
# A hoot is surrounded by points that are this much fainter, apart from so many frames and bands,
# over which the window spreads it. Farther than the margin they are not compared.
_MIN_ISOLATION_DB = 10.0
_SPREAD, _MARGIN = 3, 6
# Hoots at about one pitch, in the region of one sound, are one voice.
_PITCH_HZ = 100.0
# If its frames are so similar to those of the rest of the sound (intersection over union), the two
# are fundamental and overtones. Frames of the rest count from this share of the power of a hoot on.
_MAX_TOGETHER = 0.5
_MIN_REST = 0.1
_SMALLEST_RATIO = 1e-3


def separate_hoots(
    ratio: Ratio, calls: RegionPoints, grid: Grid, settings: SegmentationSettings
) -> tuple[RegionPoints, RegionPoints | None]:
    """Separate hoots from the regions of other sounds.

    Args:
        ratio: power over background, `(frames, bands)`.
        calls: the regions found in it.
        grid: frames and bands.
        settings: thresholds and margins.

    Returns:
        The regions without the points of hoots, and the regions of hoots; None if there is none.
    """
    bands = min(round(_HIGHEST_HZ / grid.band_hz) - grid.first_bin, grid.bands)
    width = round(_MAX_WIDTH_HZ / grid.band_hz) + 1
    if bands <= width or len(calls.region) == 0:
        return calls, None
    narrow = _narrow(ratio[:, :bands], width)
    # Of what is narrow, neighbouring frequencies are different voices.
    apart = settings.model_copy(update={"merge_hz": 0.0, "range_db": _RANGE_DB})
    hoots = _Hoots(find_regions(narrow, replace(grid, bands=bands), apart), calls, ratio, grid)
    kept = hoots.are_narrow()
    kept &= ~hoots.are_parts(kept)
    kept[kept] = [hoots.is_isolated(hoot) for hoot in np.flatnonzero(kept).tolist()]
    if not kept.any():
        return calls, None
    points = hoots.points
    chosen = kept[points.region]
    number = (np.cumsum(kept) - 1)[points.region[chosen]]
    frame, band = points.frame[chosen], points.band[chosen]
    separate = RegionPoints(number, frame, band, ratio[frame, band])
    taken = _around(separate, ratio.shape)[calls.frame, calls.band]
    return remove_points(calls, taken, ratio.shape, grid, settings), separate


def _narrow(ratio: Ratio, width: int) -> Ratio:
    """Return by which factor points rise over wider structures in their frame, `(frames, bands)`.

    This is the white top-hat of decibels along frequency, which is 1 within structures of at least
    `width` bands. Where these are fainter than the background, that is what points rise over.
    """
    level = np.log(np.maximum(ratio, _SMALLEST_RATIO))
    wider = scipy.ndimage.grey_opening(level, (1, width), mode="nearest")
    narrow: Ratio = np.exp(level - np.maximum(wider, 0))
    return narrow


@dataclass(frozen=True)
class _Hoots:
    """Narrow regions, some of which are hoots.

    Attributes:
        points: of the narrow regions.
        calls: regions of all sounds, in which narrow regions may lie.
        ratio: power over background, `(frames, bands)`.
        grid: frames and bands.
    """

    points: RegionPoints
    calls: RegionPoints
    ratio: Ratio
    grid: Grid

    @cached_property
    def bounds(self) -> Ints:
        """Return the `bounds` of the points, computed once."""
        return self.points.bounds

    @cached_property
    def low(self) -> Ints:
        """Return the lowest band of each region."""
        return np.minimum.reduceat(self.points.band, self.points.starts)

    @cached_property
    def high(self) -> Ints:
        """Return the highest band of each region."""
        return np.maximum.reduceat(self.points.band, self.points.starts)

    def rows(self, hoot: int) -> slice:
        """Return the positions of the points of a region."""
        return slice(int(self.bounds[hoot]), int(self.bounds[hoot + 1]))

    def are_narrow(self) -> Bools:
        """Return which regions are as narrow as a hoot."""
        if len(self.points.region) == 0:
            return np.empty(0, bool)
        narrow: Bools = (self.high - self.low + 1) * self.grid.band_hz <= _MAX_WIDTH_HZ
        return narrow

    def is_isolated(self, hoot: int) -> bool:
        """Return whether what surrounds a region is fainter: pieces of a sweep continue."""
        rows = self.rows(hoot)
        frame, band = self.points.frame[rows], self.points.band[rows]
        loudest = int(self.ratio[frame, band].argmax())
        first, lowest = max(int(frame[0]) - _MARGIN, 0), max(int(self.low[hoot]) - _MARGIN, 0)
        near = self.ratio[
            first : int(frame[-1]) + _MARGIN + 1, lowest : int(self.high[hoot]) + _MARGIN + 1
        ]
        least = self.ratio[frame[loudest], band[loudest]] * 10 ** (-_MIN_ISOLATION_DB / 10)
        labels, _ = scipy.ndimage.label(near >= least, np.ones((3, 3)))
        own_frames, own_bands = np.nonzero(
            labels == labels[frame[loudest] - first, band[loudest] - lowest]
        )
        return bool(
            own_frames.min() + first >= frame[0] - _SPREAD
            and own_frames.max() + first <= frame[-1] + _SPREAD
            and own_bands.min() + lowest >= self.low[hoot] - _SPREAD
            and own_bands.max() + lowest <= self.high[hoot] + _SPREAD
        )

    def are_parts(self, candidates: Bools) -> Bools:
        """Return which candidates are all that there is of a sound, its fundamental or overtone."""
        parts = np.zeros(len(candidates), bool)
        regions = np.full(self.ratio.shape, -1, np.int32)
        regions[self.calls.frame, self.calls.band] = self.calls.region
        inside = regions[self.points.frame, self.points.band]
        hosts = np.full(len(candidates), -1)
        for hoot in np.flatnonzero(candidates).tolist():
            own = inside[self.rows(hoot)]
            if (own >= 0).any():
                hosts[hoot] = np.bincount(own[own >= 0]).argmax()
        pitch = (self.low + self.high) / 2 * self.grid.band_hz if len(parts) else np.empty(0)
        for host in np.unique(hosts[hosts >= 0]).tolist():
            voices = np.flatnonzero(hosts == host)
            voices = voices[np.argsort(pitch[voices], kind="stable")]
            for voice in np.split(voices, np.flatnonzero(np.diff(pitch[voices]) > _PITCH_HZ) + 1):
                parts[voice] = self._is_part(voice, host)
        return parts

    def _is_part(self, voice: Ints, host: int) -> bool:
        """Return whether hoots at one pitch are a part of the sound in whose region they lie."""
        first, stop = np.searchsorted(self.calls.region, [host, host + 1])
        frame, band = self.calls.frame[first:stop], self.calls.band[first:stop]
        spans = [self.rows(hoot) for hoot in np.sort(voice).tolist()]
        rows = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        own, place = np.unique(self.points.frame[rows], return_inverse=True)
        power = np.bincount(place, self.points.ratio[rows])
        is_rest = (band < self.low[voice].min() - _SPREAD) | (
            band > self.high[voice].max() + _SPREAD
        )
        rest_power = np.bincount(frame[is_rest] - frame[0], self.calls.ratio[first:stop][is_rest])
        rest = np.flatnonzero(rest_power >= _MIN_REST * np.median(power)) + frame[0]
        both = len(np.intersect1d(own, rest, assume_unique=True))
        return len(rest) == 0 or both >= _MAX_TOGETHER * (len(own) + len(rest) - both)


def _around(hoots: RegionPoints, shape: tuple[int, ...]) -> Bools:
    """Return where hoots are, with the points over which the window spreads them."""
    taken = np.zeros(shape, bool)
    for start, stop in pairwise(hoots.bounds.tolist()):
        frame, band = hoots.frame[start:stop], hoots.band[start:stop]
        frames = slice(max(frame[0] - _SPREAD, 0), frame[-1] + _SPREAD + 1)
        taken[frames, max(band.min() - _SPREAD, 0) : band.max() + _SPREAD + 1] = True
    return taken
