"""From boxes of a whole recording to its events: long sounds in one box, and phrases of units."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.segmentation.boxes import BOX, Boxes
from darksound.segmentation.grid import Grid
from darksound.settings import SegmentationSettings

__all__ = ["Events", "find_events", "join_pieces", "rhythmic_series"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Start, end, lowest, highest and peak frequency, SNR in decibels, and whether it continues a sound.
_Box = tuple[float, float, float, float, float, float, float]

# A piece continues a sound whose level is at most so many decibels higher or lower, and whose band
# in octaves shares so much of the smaller one.
_MAX_PIECE_SNR_DB = 10.0
_MIN_PIECE_BAND_SHARE = 0.5
# A churr, trill or tone has one voice, which is not wider than this; a chorus of frogs is.
_MAX_PIECE_OCTAVES = 1.6
# Narrow boxes of at least this length with peaks as near as this are one sound, too, if boxes with
# this pitch cover so much of the time between them: where another sound touches a churr, or its
# background changes from chunk to chunk, it is in several boxes.
_MAX_NARROW_OCTAVES, _MIN_LONG_S, _MAX_LONG_OCTAVES = 0.8, 2.0, 1 / 8
# Shorter boxes of one pitch are a long sound if there are some for this share of so many seconds.
_MIN_SHORT_S, _MIN_SOUND_S, _MIN_SOUND_SHARE, _MAX_SHORT_GAP_S = 0.15, 8.0, 0.5, 1.0
_MAX_BRIDGE_S, _MIN_BRIDGED_SHARE, _FAINT_S = 15.0, 0.6, 0.35
# The band of so many pieces is that of most of them, so that a raindrop or another bird that
# touched one of them does not widen it.
_MIN_PIECES, _LOW_QUANTILE, _HIGH_QUANTILE = 4, 0.25, 0.75
# Frames between two pieces beyond the margins by which regions are merged.
_GAP_FRAMES = 2
# Units of a series have peaks at most so many octaves apart, and bands that share so much of the
# smaller one.
_MAX_UNIT_OCTAVES = 1 / 4
_MIN_UNIT_BAND_SHARE = 0.5
# The longest gap between units of a series at a low voice; larger birds are slower, and the limit
# falls with the root of the frequency.
_MAX_GAP_S, _MAX_GAP_HZ = 2.0, 300.0
# A gap this many times the median gap of its series ends it.
_MAX_GAP_RATIO = 3.0
# Gaps below this are not compared with each other.
_MIN_GAP_S = 0.05


@dataclass(frozen=True)
class Events:
    """The events of a recording.

    Attributes:
        boxes: of the events, without margins; an array of `BOX`, sorted by time.
        units: starts and ends in seconds of the units of each event, `(n_units, 2)`, sorted.
    """

    boxes: Boxes
    units: tuple[Floats, ...]


def find_events(boxes: Boxes, grid: Grid, settings: SegmentationSettings) -> Events:
    """Return the events of a recording.

    Pieces of one long homogeneous sound become one unit. With `group = "phrase"`, units that
    follow each other in a rhythm become one event.

    Args:
        boxes: of the whole recording; an array of `BOX`, sorted by time.
        grid: its frames and bands.
        settings: `merge_s` and `group` are used.
    """
    units = join_pieces(boxes, grid, settings)
    series = rhythmic_series(units) if settings.group == "phrase" else np.arange(len(units))
    times = np.stack([units["start_s"], units["end_s"]], axis=1)
    order = np.argsort(series, kind="stable")
    starts = np.flatnonzero(np.diff(series[order], prepend=-1))
    of_events = np.split(times[order], starts[1:]) if len(starts) else []
    events = _merge(units, series)
    sorting = np.argsort(events, order=list(BOX.names or ()), kind="stable")
    return Events(events[sorting], tuple(of_events[i] for i in sorting))


def join_pieces(boxes: Boxes, grid: Grid, settings: SegmentationSettings) -> Boxes:
    """Join the pieces of long homogeneous sounds, such as churrs, trills and long tones.

    Two boxes are pieces of one sound if the sound around the cut between them is homogeneous, the
    second follows the first within the margins by which regions are merged, and their bands and
    levels are alike. A mixture of several sounds changes from piece to piece and stays cut, and so
    does what is wider than one voice. Long narrow boxes of one pitch are joined over gaps in which
    other boxes contain this pitch.

    Args:
        boxes: of the whole recording; an array of `BOX`, sorted by time.
        grid: its frames and bands.
        settings: `merge_s` is used.

    Returns:
        An array of `BOX`, sorted by time.
    """
    slack_s = _GAP_FRAMES * grid.frame_s
    max_gap_s = 2 * settings.merge_s + slack_s

    def follows(box: _Box, before: _Box) -> bool:
        return (
            box[6] > 0
            # One of the two may hold a raindrop or another bird, too.
            and min(_width(box), _width(before)) <= _MAX_PIECE_OCTAVES
            and -slack_s <= box[0] - before[1] <= max_gap_s
            and abs(box[5] - before[5]) <= _MAX_PIECE_SNR_DB
            and _shared_band(box, before) >= _MIN_PIECE_BAND_SHARE
        )

    names = list(BOX.names or ())
    joined = np.sort(_merge_pieces(boxes, _chains(boxes, follows, max_gap_s)), order=names)
    for min_s in (_MIN_LONG_S, _MIN_SHORT_S):
        joined = np.sort(_merge_pieces(joined, _bridged(joined, min_s)), order=names)
    return joined


def rhythmic_series(units: Boxes) -> Ints:
    """Return the number of the series of each unit, from 0 without gaps, `(n,)`.

    Units of similar peak and band follow each other if the gap between them is at most 2 s at
    300 Hz, 1 s at 1200 Hz, 0.5 s at 4800 Hz. A gap of more than three times the median gap of the
    series ends it. Chorus and other units are in separate series.

    Args:
        units: an array of `BOX`, sorted by time.
    """

    def follows(box: _Box, before: _Box) -> bool:
        return (
            0 <= box[0] - before[1] <= _max_gap_s(before[4])
            and _octaves(box, before) <= _MAX_UNIT_OCTAVES
            and _shared_band(box, before) >= _MIN_UNIT_BAND_SHARE
        )

    series = np.zeros(len(units), np.int64)
    n_series = 0
    for is_chorus in (False, True):
        rows = np.flatnonzero((units["chorus"] > 0) == is_chorus)
        chain = _chains(units[rows], follows, _MAX_GAP_S)
        for members in _groups(chain):
            starts, ends = units["start_s"][rows[members]], units["end_s"][rows[members]]
            part = _split_at_long_gaps(starts[1:] - ends[:-1])
            series[rows[members]] = n_series + part
            n_series += int(part[-1]) + 1
    return series


def _bridged(boxes: Boxes, min_s: float) -> Ints:
    """Return the number of the long sound of each box, from 0 without gaps, `(n,)`.

    Args:
        boxes: an array of `BOX`, sorted by time.
        min_s: shorter boxes begin no sound.
    """
    width = np.log2(boxes["high_hz"] / boxes["low_hz"])
    is_narrow = width <= _MAX_NARROW_OCTAVES
    long = np.flatnonzero(is_narrow & (boxes["end_s"] - boxes["start_s"] >= min_s))
    # No box that ends before these begins earlier in the table than so many seconds.
    longest_s = float(np.max(boxes["end_s"] - boxes["start_s"], initial=0))

    def follows(box: _Box, before: _Box) -> bool:
        gap_s = box[0] - before[1]
        is_alike = (
            _octaves(box, before) <= _MAX_LONG_OCTAVES
            and abs(box[5] - before[5]) <= _MAX_PIECE_SNR_DB
        )
        if not is_alike or not 0 <= gap_s <= _MAX_BRIDGE_S:
            return False
        if min_s < _MIN_LONG_S:
            return gap_s <= _MAX_SHORT_GAP_S
        if gap_s <= _FAINT_S:
            return True
        first, stop = np.searchsorted(boxes["start_s"], (before[1] - longest_s, box[0]))
        near = boxes[first:stop]
        near = near[(near["low_hz"] <= box[4]) & (box[4] <= near["high_hz"])]
        covered = np.clip(near["end_s"], before[1], box[0]) - np.maximum(near["start_s"], before[1])
        return bool(np.sum(np.maximum(covered, 0)) >= _MIN_BRIDGED_SHARE * gap_s)

    chain = _chains(boxes[long], follows, _MAX_BRIDGE_S)
    if min_s < _MIN_LONG_S:
        chain = _lasting(boxes[long], chain)
    sounds = _merge(boxes[long], chain)
    number = np.full(len(boxes), -1, np.int64)
    number[long] = chain
    # Short parts of a joined sound belong to it; wide boxes may hold another one.
    for index in np.flatnonzero(np.bincount(chain, minlength=len(sounds)) > 1):
        sound = sounds[index]
        first = np.searchsorted(boxes["start_s"], sound["start_s"], "left")
        stop = np.searchsorted(boxes["start_s"], sound["end_s"], "right")
        near = slice(first, stop)
        inside = is_narrow[near] & (boxes["end_s"][near] <= sound["end_s"]) & (number[near] < 0)
        octaves = np.abs(np.log2(boxes["peak_hz"][near] / sound["peak_hz"]))
        number[near][inside & (octaves <= _MAX_LONG_OCTAVES)] = index
    others = number < 0
    number[others] = len(sounds) + np.arange(np.count_nonzero(others))
    return number


def _lasting(boxes: Boxes, chain: Ints) -> Ints:
    """Return the chains, those divided into single boxes that are short or mostly silent."""
    sounds = _merge(boxes, chain)
    span = sounds["end_s"] - sounds["start_s"]
    filled = np.bincount(chain, boxes["end_s"] - boxes["start_s"], minlength=len(sounds))
    lasts = (span >= _MIN_SOUND_S) & (filled >= _MIN_SOUND_SHARE * span)
    parted = np.where(lasts[chain], chain, len(sounds) + np.arange(len(boxes)))
    return np.unique(parted, return_inverse=True)[1].astype(np.int64)


def _merge_pieces(boxes: Boxes, chain: Ints) -> Boxes:
    """Return one box for each chain; the band of many pieces is that of most of them."""
    joined = _merge(boxes, chain)
    n_pieces = np.bincount(chain, minlength=len(joined))
    in_long = np.flatnonzero(n_pieces[chain] >= _MIN_PIECES)
    for members in _groups(chain[in_long]):
        pieces = in_long[members]
        number = chain[pieces[0]]
        low, high = boxes["low_hz"][pieces], boxes["high_hz"][pieces]
        joined["low_hz"][number] = np.quantile(low, _LOW_QUANTILE, method="nearest")
        joined["high_hz"][number] = np.quantile(high, _HIGH_QUANTILE, method="nearest")
    return joined


def _width(box: _Box) -> float:
    return float(np.log2(box[3] / box[2]))


def _max_gap_s(peak_hz: float) -> float:
    return float(_MAX_GAP_S * min(_MAX_GAP_HZ / peak_hz, 1.0) ** 0.5)


def _octaves(box: _Box, before: _Box) -> float:
    return abs(float(np.log2(box[4] / before[4])))


def _shared_band(box: _Box, before: _Box) -> float:
    """Return the octaves that two bands share, relative to the smaller of them."""
    shared = np.log2(min(box[3], before[3]) / max(box[2], before[2]))
    return float(shared / min(np.log2(box[3] / box[2]), np.log2(before[3] / before[2])))


def _chains(boxes: Boxes, follows: Callable[[_Box, _Box], bool], max_gap_s: float) -> Ints:
    """Return the number of the chain of each box, from 0 without gaps, `(n,)`.

    A box continues the chain whose last box it follows; of several, that with the nearest peak.

    Args:
        boxes: an array of `BOX`, sorted by time.
        follows: whether a box may come after another one in a chain.
        max_gap_s: no box that starts later than this after another one follows it.
    """
    names = ["start_s", "end_s", "low_hz", "high_hz", "peak_hz", "snr_db", "continues"]
    columns = [boxes[name].tolist() for name in names]
    chain = np.zeros(len(boxes), np.int64)
    last: dict[int, _Box] = {}
    n_chains = 0
    for i, box in enumerate(zip(*columns, strict=True)):
        last = {
            number: before for number, before in last.items() if box[0] - before[1] <= max_gap_s
        }
        nearest = [(_octaves(box, b), number) for number, b in last.items() if follows(box, b)]
        number = min(nearest, default=(0.0, n_chains))[1]
        n_chains = max(n_chains, number + 1)
        chain[i], last[number] = number, box
    return chain


def _groups(numbers: Ints) -> Iterable[Ints]:
    """Yield the positions of each number, in order."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1) if len(order) else []


def _split_at_long_gaps(gaps: Floats) -> Ints:
    """Return the number of the part of each of the `len(gaps) + 1` units of a chain, from 0."""
    is_cut = np.zeros(len(gaps), bool)
    # Each part that was cut is compared with its own median.
    parts = [(0, len(gaps))]
    while parts:
        first, stop = parts.pop()
        if first == stop:
            continue
        limit = _MAX_GAP_RATIO * max(float(np.median(gaps[first:stop])), _MIN_GAP_S)
        cuts = first + np.flatnonzero(gaps[first:stop] > limit)
        if len(cuts):
            is_cut[cuts] = True
            parts += zip([first, *(cuts + 1).tolist()], [*cuts.tolist(), stop], strict=True)
    return np.append(0, np.cumsum(is_cut))


def _merge(boxes: Boxes, group: Ints) -> Boxes:
    """Return one box for each group of boxes.

    SNR is the mean of the power over the background, weighted by the area of the boxes, and the
    peak that of the box with the most energy over the background. An event is chorus only if all
    of it is, and as probable a call as its most probable part.
    """
    if len(boxes) == 0:
        return boxes
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    parts = boxes[order]
    area = (parts["end_s"] - parts["start_s"]) * (parts["high_hz"] - parts["low_hz"])
    energy = area * 10 ** (parts["snr_db"] / 10)
    merged = np.empty(len(starts), BOX)
    for name, reduce in (
        ("start_s", np.minimum),
        ("end_s", np.maximum),
        ("low_hz", np.minimum),
        ("high_hz", np.maximum),
        ("chorus", np.minimum),
        ("continues", np.minimum),
        # The maximum of what is scored.
        ("call_score", np.fmax),
    ):
        merged[name] = reduce.reduceat(parts[name], starts)
    ratio = np.add.reduceat(energy, starts) / np.add.reduceat(area, starts)
    loudest = np.lexsort((-energy, group[order]))[starts]
    merged["peak_hz"] = parts["peak_hz"][loudest]
    # A single box keeps its level to the bit.
    is_single = np.diff(np.append(starts, len(parts))) == 1
    merged["snr_db"] = np.where(is_single, parts["snr_db"][starts], 10 * np.log10(ratio))
    return merged
