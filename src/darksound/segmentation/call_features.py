"""What distinguishes animals' calls from other sounds, measured in the spectrogram of a block."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from darksound.segmentation.boxes import Boxes
from darksound.segmentation.call_context import CONTEXT_FEATURES, context_features
from darksound.segmentation.grid import Grid
from darksound.segmentation.regions import RegionPoints

__all__ = ["CALL_FEATURES", "call_features"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ratio = npt.NDArray[np.float32]

# Seconds around the middle of a ROI, on either side, in which it is compared with what its band
# has else. Blocks have more context than that.
_CONTEXT_S = 5.0
# Seconds directly before and after a ROI.
_MARGIN_S = 0.3
# Bands on either side of the loudest one whose level is followed over the context.
_PEAK_BANDS = 2
# Bands beyond a ROI that belong to it still, because the window spreads a tone.
_SPREAD_BANDS = 3
# Hz below and above a ROI in which it has neighbours.
_NEAR_HZ = 500.0
# Wind and engines are found below this frequency.
_LOW_HZ = 500.0
# Frames of the envelope whose spectrum is taken.
_ENVELOPE_FRAMES = 384
# Modulation in Hz, and periods of a rhythm in seconds.
_MODULATION_HZ = (4.0, 46.0)
_PERIOD_S = (0.12, 2.5)
# A sound of the same band begins where its level rises above that of the ROI less this.
_CROSSING_DB = 6.0
# Distances between overtones in Hz.
_COMB_HZ = (90.0, 2000.0)
# Power over background that counts as sound, and the lowest that logarithms are taken of.
_SOUND_RATIO, _MIN_RATIO = 6.0, 0.1

#: Names of the features, in the order of their columns.
CALL_FEATURES = (
    # Size and place.
    "log_duration", "log_low", "log_high", "log_peak", "octaves", "log_bands", "fill", "occupied",
    "overtones",
    # Level.
    "snr", "peak_snr",
    # Within each frame: width of the spectrum, and share of its loudest point.
    "spread", "bands_per_frame", "tonality", "entropy",
    # From frame to frame: slope and curvature of the pitch contour, and its range.
    "slope", "curvature", "contour_bands", "contour_octaves",
    # Envelope.
    "envelope_std", "attack", "attack_place", "rise", "fall", "modulation", "modulation_hz",
    # Margins in time, and neighbours in frequency.
    "before", "after", "below", "above", "rival", "low_level", "broadband", "broadband_peak",
    "comb", "comb_hz",
    # The same band over the context.
    "context_20", "context_50", "context_80", "context_occupied", "crossings", "rhythm",
    "rhythm_s",
    *CONTEXT_FEATURES,
)  # fmt: skip


def call_features(boxes: Boxes, points: RegionPoints, ratio: Ratio, grid: Grid) -> Floats:
    """Return the features of each ROI of a block.

    Levels are in decibels over the background, frequencies and durations are logarithms to base 2
    of Hz and seconds. All of them are finite.

    Args:
        boxes: an array of `BOX`, `(n,)`.
        points: of each box; its regions are the positions in `boxes`, its frames rows of `ratio`.
        ratio: power over background of the block, `(frames, bands)`.
        grid: frames and bands.

    Returns:
        `(n, len(CALL_FEATURES))`.
    """
    if len(boxes) == 0:
        return np.empty((0, len(CALL_FEATURES)))
    shape = _Shape.of(points, boxes, grid)
    columns = (
        _size(boxes, points, shape, grid)
        | _level(boxes, points, shape)
        | _spectrum_of_frames(points, shape)
        | _contour(shape, grid)
        | _envelope(shape, grid)
        | _surroundings(shape, ratio, grid)
        | _context(shape, ratio, grid)
        | context_features(shape.first, shape.last, shape.peak, ratio, grid)
    )
    features: Floats = np.stack([columns[name] for name in CALL_FEATURES], axis=1)
    return np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0)


@dataclass(frozen=True)
class _Shape:
    """Frames and bands of the points of each ROI.

    Attributes:
        first: first frame of each ROI, `(n,)`.
        last: its last frame.
        low: its lowest band.
        high: its highest band.
        peak: its loudest band.
        offset: position of the first frame of each ROI among the frames of all ROIs, `(n,)`.
        roi: number of the ROI of each of these frames, `(m,)`.
        cell: frame of each point, among these frames.
        energy: sum of the power over background in each of these frames, `(m,)`.
        centre: mean band in each of these frames, weighted by the power over background, `(m,)`.
    """

    first: Ints
    last: Ints
    low: Ints
    high: Ints
    peak: Ints
    offset: Ints
    roi: Ints
    cell: Ints
    energy: Floats
    centre: Floats

    @classmethod
    def of(cls, points: RegionPoints, boxes: Boxes, grid: Grid) -> "_Shape":
        starts = points.starts
        lasts = np.append(starts[1:], len(points.region)) - 1
        first, last = points.frame[starts], points.frame[lasts]
        width = last - first + 1
        offset = np.cumsum(width) - width
        cell = offset[points.region] + points.frame - first[points.region]
        n_frames = int(width.sum())
        energy = np.bincount(cell, weights=points.ratio, minlength=n_frames).astype(np.float64)
        return cls(
            first,
            last,
            np.minimum.reduceat(points.band, starts),
            np.maximum.reduceat(points.band, starts),
            np.round(boxes["peak_hz"] / grid.band_hz).astype(np.int64) - grid.first_bin,
            offset,
            np.repeat(np.arange(len(starts)), width),
            cell,
            energy,
            np.bincount(cell, points.ratio * points.band, n_frames) / np.maximum(energy, 1e-30),
        )

    @property
    def width(self) -> Ints:
        """Return the number of frames of each ROI."""
        return self.last - self.first + 1

    @cached_property
    def loudest(self) -> Ints:
        """Return the place of the loudest frame within each ROI, the first of several."""
        loudest = np.maximum.reduceat(self.energy, self.offset)
        at_loudest = self.energy == loudest[self.roi]
        place: Ints = np.where(at_loudest, self.place, len(self.energy))
        return np.minimum.reduceat(place, self.offset)

    @cached_property
    def place(self) -> Ints:
        """Return the number of each frame within its ROI, `(m,)`."""
        place: Ints = np.arange(len(self.energy)) - self.offset[self.roi]
        return place

    def mean(self, values: Floats, weights: Floats) -> Floats:
        """Return the weighted mean over the frames of each ROI, of values `(m,)`."""
        total = np.add.reduceat(weights, self.offset)
        mean: Floats = np.add.reduceat(values * weights, self.offset) / np.maximum(total, 1e-30)
        return mean


def _decibels(ratio: npt.NDArray[np.floating]) -> Floats:
    level: Floats = 10 * np.log10(np.maximum(ratio, _MIN_RATIO)).astype(np.float64)
    return level


def _size(boxes: Boxes, points: RegionPoints, shape: _Shape, grid: Grid) -> dict[str, Floats]:
    n_points = np.bincount(points.region, minlength=len(boxes))
    height = shape.high - shape.low + 1
    low, high = grid.edges_hz(shape.low), grid.edges_hz(shape.high + 1)
    occupied = np.add.reduceat((shape.energy > 0).astype(np.float64), shape.offset)
    return {
        "log_duration": np.log2(shape.width * grid.frame_s),
        "log_low": np.log2(np.maximum(low, 1.0)),
        "log_high": np.log2(high),
        "log_peak": np.log2(boxes["peak_hz"]),
        "octaves": np.log2(high / np.maximum(low, 1.0)),
        "log_bands": np.log2(height),
        "fill": n_points / (height * shape.width),
        "occupied": occupied / shape.width,
        "overtones": (boxes["high_hz"] - boxes["low_hz"]) / (high - low),
    }


def _level(boxes: Boxes, points: RegionPoints, shape: _Shape) -> dict[str, Floats]:
    loudest = np.maximum.reduceat(points.ratio, points.starts)
    mean = np.add.reduceat(shape.energy, shape.offset) / np.bincount(points.region)
    return {"snr": _decibels(mean), "peak_snr": _decibels(loudest)}


def _spectrum_of_frames(points: RegionPoints, shape: _Shape) -> dict[str, Floats]:
    n_frames = len(shape.energy)
    occupied = np.maximum(shape.energy, 1e-30)
    count = np.bincount(shape.cell, minlength=n_frames)
    runs = np.flatnonzero(np.diff(shape.cell, prepend=-1))
    loudest = np.zeros(n_frames)
    loudest[shape.cell[runs]] = np.maximum.reduceat(points.ratio, runs)
    distance = np.square(points.band - shape.centre[shape.cell])
    spread = np.sqrt(np.bincount(shape.cell, points.ratio * distance, n_frames) / occupied)
    # Weighted by amplitude, so that a single loud frame does not decide.
    weight = np.sqrt(shape.energy)
    total = np.add.reduceat(shape.energy, shape.offset)
    share = points.ratio / total[points.region]
    bands = int(shape.high.max()) + 1
    spectrum = np.bincount(points.region * bands + points.band, share, len(total) * bands)
    spectrum = np.maximum(spectrum.reshape(-1, bands), 1e-30)
    return {
        "spread": shape.mean(spread, weight),
        "bands_per_frame": shape.mean(count.astype(np.float64), weight),
        "tonality": shape.mean(loudest / occupied, weight),
        "entropy": -np.sum(spectrum * np.log2(spectrum), axis=1),
    }


def _contour(shape: _Shape, grid: Grid) -> dict[str, Floats]:
    weight = np.sqrt(shape.energy)
    # Steps between frames of one ROI that both have points.
    step = np.diff(shape.centre, prepend=0)
    pair = np.minimum(weight, np.append(0, weight[:-1]))
    pair[shape.offset] = 0
    bend = np.diff(step, prepend=0)
    triple = np.minimum(pair, np.append(0, pair[:-1]))
    triple[shape.offset] = 0
    pitch = np.log2(np.maximum((grid.first_bin + shape.centre) * grid.band_hz, 1.0))

    def deviation(values: Floats) -> Floats:
        distance = values - shape.mean(values, weight)[shape.roi]
        return np.sqrt(shape.mean(np.square(distance), weight))

    return {
        "slope": shape.mean(np.abs(step), pair),
        "curvature": shape.mean(np.abs(bend), triple),
        "contour_bands": deviation(shape.centre),
        "contour_octaves": deviation(pitch),
    }


def _envelope(shape: _Shape, grid: Grid) -> dict[str, Floats]:
    level = _decibels(shape.energy)
    ones = np.ones(len(level))
    mean = shape.mean(level, ones)
    place, loudest = shape.place, shape.loudest
    step = np.diff(level, prepend=0)
    step[shape.offset] = 0
    # One row a ROI, of the same length in every block; longer ROIs are as good as their first part.
    envelope = np.zeros((len(mean), _ENVELOPE_FRAMES))
    inside = place < _ENVELOPE_FRAMES
    centred = (level - mean[shape.roi])[inside]
    window = np.sin(np.pi * (place + 0.5) / shape.width[shape.roi])[inside]
    envelope[shape.roi[inside], place[inside]] = centred * window
    n_fft = 2 * _ENVELOPE_FRAMES
    power = np.square(np.abs(scipy.fft.rfft(envelope, n_fft, axis=1)))
    hertz = scipy.fft.rfftfreq(n_fft, grid.frame_s)
    low, high = np.searchsorted(hertz, _MODULATION_HZ)
    fast = power[:, low:high]
    best = fast.argmax(axis=1)
    line = n_fft / np.minimum(shape.width, _ENVELOPE_FRAMES)
    near = np.abs(np.arange(fast.shape[1]) - best[:, None]) <= line[:, None]
    share = np.where(near, fast, 0).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-30)
    return {
        "envelope_std": np.sqrt(shape.mean(np.square(level - mean[shape.roi]), ones)),
        "attack": loudest / shape.width,
        "attack_place": np.log2(1 + loudest),
        "rise": np.maximum.reduceat(step, shape.offset),
        "fall": np.minimum.reduceat(step, shape.offset),
        "modulation": share,
        "modulation_hz": hertz[low + best],
    }


def _surroundings(shape: _Shape, ratio: Ratio, grid: Grid) -> dict[str, Floats]:
    """Return levels directly around each ROI, in time and in frequency."""
    n, (n_frames, bands) = len(shape.first), ratio.shape
    margin = max(round(_MARGIN_S / grid.frame_s), 1)
    spectra = np.empty((n, bands), np.float32)
    margins = np.ones((n, 2))
    rows = np.stack([shape.first, shape.last, shape.low, shape.high], axis=1).tolist()
    for i, (first, last, low, high) in enumerate(rows):
        spectra[i] = ratio[first : last + 1].mean(axis=0)
        sides = (max(first - margin, 0), first), (last + 1, min(last + 1 + margin, n_frames))
        for side, (start, stop) in enumerate(sides):
            if stop > start:
                margins[i, side] = ratio[start:stop, low : high + 1].mean()
    band = np.arange(bands)
    low, high = shape.low[:, None], shape.high[:, None]
    inside = (band >= low) & (band <= high)
    outside = (band < low - _SPREAD_BANDS) | (band > high + _SPREAD_BANDS)
    near = round(_NEAR_HZ / grid.band_hz) + _SPREAD_BANDS
    level = _decibels(spectra)
    own = _decibels(_row_mean(spectra, inside))
    loudest = ratio[shape.first + shape.loudest]
    peak = np.where(inside, level, -np.inf).max(axis=1)
    rival = np.where(outside, level, -np.inf).max(axis=1)
    hertz = (grid.first_bin + band) * grid.band_hz
    heights = np.maximum(_decibels(loudest), 0)
    heights -= heights.mean(axis=1, keepdims=True)
    spacings = (round(each / grid.band_hz) for each in _COMB_HZ)
    comb, spacing = _repetition(heights, *spacings)
    return {
        "before": own - _decibels(margins[:, 0]),
        "after": own - _decibels(margins[:, 1]),
        "below": _row_mean(level, outside & (band < low) & (band >= low - near)),
        "above": _row_mean(level, outside & (band > high) & (band <= high + near)),
        "rival": np.where(outside.any(axis=1), rival - peak, 0.0),
        "low_level": _row_mean(level, outside & (hertz < _LOW_HZ)),
        "broadband": _row_mean(spectra > _SOUND_RATIO / 2, outside),
        "broadband_peak": _row_mean(loudest > _SOUND_RATIO, outside),
        "comb": comb,
        "comb_hz": spacing * grid.band_hz,
    }


def _repetition(values: Floats, shortest: int, longest: int) -> tuple[Floats, Ints]:
    """Return the largest autocorrelation of each row, from its first zero on, and its lag.

    Args:
        values: rows with a mean of 0, `(n, m)`.
        shortest: smallest lag.
        longest: largest lag.

    Returns:
        Two arrays `(n,)`: the autocorrelation at most 1, and 0 if there is none above 0.
    """
    longest = min(longest, values.shape[1] - 1)
    n_fft = scipy.fft.next_fast_len(values.shape[1] + longest, real=True)
    power = np.square(np.abs(scipy.fft.rfft(values, n_fft, axis=1)))
    correlation = scipy.fft.irfft(power, n_fft, axis=1)[:, : longest + 1]
    after_zero = np.maximum.accumulate(correlation <= 0, axis=1)
    after_zero[:, :shortest] = False
    correlation = np.where(after_zero, correlation, 0) / np.maximum(correlation[:, :1], 1e-9)
    return correlation.max(axis=1, initial=0), correlation.argmax(axis=1)


def _row_mean(values: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> Floats:
    """Return the mean of each row where a mask is set; 0 where it is set nowhere."""
    total = np.where(mask, values, 0).sum(axis=1, dtype=np.float64)
    mean: Floats = total / np.maximum(mask.sum(axis=1), 1)
    return mean


def _context(shape: _Shape, ratio: Ratio, grid: Grid) -> dict[str, Floats]:
    """Return what the loudest bands of each ROI have in the seconds around it."""
    n, (n_frames, bands) = len(shape.first), ratio.shape
    reach = round(_CONTEXT_S / grid.frame_s)
    # Two frames are averaged; what lies outside the recording is missing.
    envelope = np.full((n, 2 * reach), np.nan, np.float32)
    own = np.empty(n, np.float32)
    for i, (middle, peak) in enumerate(
        zip(((shape.first + shape.last) // 2).tolist(), shape.peak.tolist(), strict=True)
    ):
        start, stop = max(middle - reach, 0), min(middle + reach, n_frames)
        core = slice(max(peak - _PEAK_BANDS, 0), min(peak + _PEAK_BANDS + 1, bands))
        values = ratio[start:stop, core].mean(axis=1)
        envelope[i, start - middle + reach : stop - middle + reach] = values
        first, last = shape.first[i] - start, shape.last[i] - start
        own[i] = values[max(first, 0) : last + 1].max()
    envelope = envelope.reshape(n, reach, 2).mean(axis=2)
    seen = np.isfinite(envelope)
    count = np.maximum(seen.sum(axis=1), 1)
    level = np.where(seen, 10 * np.log10(np.maximum(envelope, _MIN_RATIO)), np.inf)
    own_level = _decibels(own)
    ranked = np.sort(level, axis=1)
    quantiles = [
        ranked[np.arange(n), (share * (count - 1)).astype(np.int64)] - own_level
        for share in (0.2, 0.5, 0.8)
    ]
    loud = seen & (level > np.maximum(own_level - _CROSSING_DB, 0)[:, None])
    onsets = (loud[:, 1:] & ~loud[:, :-1]).sum(axis=1)
    heights = np.where(seen, np.maximum(level, 0), 0.0)
    centred = np.where(seen, heights - (heights.sum(axis=1) / count)[:, None], 0.0)
    period = 2 * grid.frame_s
    shortest, longest = (round(each / period) for each in _PERIOD_S)
    rhythm, lag = _repetition(centred, shortest, longest)
    return {
        "context_20": quantiles[0],
        "context_50": quantiles[1],
        "context_80": quantiles[2],
        "context_occupied": (seen & (envelope > _SOUND_RATIO)).sum(axis=1) / count,
        "crossings": onsets / (count * period),
        "rhythm": rhythm,
        "rhythm_s": lag * period,
    }
