"""Score ROI finders on made soundscapes, whose every event is known.

An event is a call's song or phrase, with its units. A ROI matches an event or a unit if their
intersection over union in time is at least 0.3 and they share at least 0.3 of the narrower band.
ROIs are assigned to events and units one to one, in as many pairs as possible.

- Precision: share of the ROIs that have a pair.
- Recall: share of the events that are found: half of the units are in ROIs that match the event, a
  unit, or the consecutive units that they overlap.
- Calls: share of the ROIs that match a call of any SNR in one of these ways, or half of whose
  time, in their band, is that of calls. Unlike precision it does not count pieces of a call, and
  several calls in one, as wrong.

For a smallest SNR only events of at least that SNR count; ROIs of other calls are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

__all__ = [
    "END",
    "MIN_IOU",
    "START",
    "Scores",
    "SoundscapeTruth",
    "overlap",
    "print_scores",
    "score_rois",
]

Array = npt.NDArray[np.float64]
#: Columns of ROIs and units: start and end in seconds, lowest and highest frequency in Hz.
START, END, LOW, HIGH = range(4)
MIN_IOU = 0.3
_MIN_BAND = 0.3
_SNR_DB = (-np.inf, 0.0, 6.0, 12.0, 20.0)
_LOW_HZ = 600.0
_CHURR_S = 60.0


@dataclass(frozen=True)
class SoundscapeTruth:
    """The calls of one recording.

    Attributes:
        events: rows of `events.csv` of kind `call`, `(n,)`.
        targets: start, end, low and high of each event and each unit of events of several,
            `(m, 4)`.
        event: number of the event of each target `(m,)`.
        is_unit: whether a target is a unit of an event of several `(m,)`.
        steps: start, end, low and high of all units `(k, 4)`; those of events of one, too.
        event_of_step: number of the event of each of these `(k,)`.
    """

    events: pd.DataFrame
    targets: Array
    event: npt.NDArray[np.int64]
    is_unit: npt.NDArray[np.bool_]
    steps: Array
    event_of_step: npt.NDArray[np.int64]

    @classmethod
    def of(cls, events: pd.DataFrame) -> "SoundscapeTruth":
        """Return the calls among the events of one recording."""
        calls = events[events["kind"] == "call"].reset_index(drop=True)
        rows, steps, numbers, is_unit, numbers_of_steps = [], [], [], [], []
        wholes = calls[["start_s", "end_s", "low_hz", "high_hz"]].to_numpy(dtype=float)
        for number, (whole, text) in enumerate(zip(wholes, calls["units"], strict=True)):
            texts = text.split() if isinstance(text, str) else []
            units = [[*map(float, unit.split("-")), *whole[LOW:]] for unit in texts]
            rows += [list(whole), *units]
            steps += units or [list(whole)]
            numbers_of_steps += [number] * max(1, len(units))
            numbers += [number] * (1 + len(units))
            is_unit += [False] + [True] * len(units)
        return cls(
            calls, np.array(rows, dtype=float).reshape(-1, 4), np.array(numbers, dtype=np.int64),
            np.array(is_unit, dtype=bool), np.array(steps, dtype=float).reshape(-1, 4),
            np.array(numbers_of_steps, dtype=np.int64),
        )  # fmt: skip


@dataclass
class Scores:
    """Counts over recordings; those by SNR have one number for each of `_SNR_DB`."""

    n_rois: int = 0
    n_calls: int = 0
    counted: Array = field(default_factory=lambda: np.zeros(len(_SNR_DB)))
    paired: Array = field(default_factory=lambda: np.zeros(len(_SNR_DB)))
    events: Array = field(default_factory=lambda: np.zeros(len(_SNR_DB)))
    found: Array = field(default_factory=lambda: np.zeros(len(_SNR_DB)))
    low: Array = field(default_factory=lambda: np.zeros(2))
    churrs: Array = field(default_factory=lambda: np.zeros(2))

    def __add__(self, other: "Scores") -> "Scores":
        """Return the counts of both."""
        return Scores(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    @property
    def precision(self) -> Array:
        """Return the precision for each smallest SNR."""
        return self.paired / np.maximum(self.counted, 1)

    @property
    def recall(self) -> Array:
        """Return the recall for each smallest SNR."""
        return self.found / np.maximum(self.events, 1)

    @property
    def f1(self) -> Array:
        """Return the harmonic mean of both."""
        return 2 * self.precision * self.recall / np.maximum(self.precision + self.recall, 1e-9)


def score_rois(rois: Array, truth: SoundscapeTruth) -> Scores:
    """Return the scores of the ROIs `(n, 4)` of one recording."""
    matches = _matches(rois, truth.targets)
    in_runs, n_found = _runs(rois, truth)
    is_call = matches.any(axis=1) | in_runs | (_covered(rois, truth.steps) >= 0.5)
    scores = Scores(n_rois=len(rois), n_calls=int(is_call.sum()))
    snr = truth.events["snr_db"].to_numpy(dtype=float)
    for index, least in enumerate(_SNR_DB):
        counts = snr >= least
        of_targets = counts[truth.event] if len(truth.event) else np.empty(0, dtype=bool)
        found, paired = _found(matches[:, of_targets], truth, of_targets)
        found |= n_found
        # ROIs of calls that are fainter are neither right nor wrong.
        fainter = (
            ~paired & (is_call | matches[:, ~of_targets].any(axis=1)) if least > -np.inf else 0
        )
        scores.counted[index] = len(rois) - np.sum(fainter)
        scores.paired[index] = paired.sum()
        scores.events[index] = counts.sum()
        scores.found[index] = (found & counts).sum()
        if least == 6.0:
            events = truth.events
            low = counts & (np.sqrt(events["low_hz"] * events["high_hz"]) < _LOW_HZ)
            scores.low += [(found & low).sum(), low.sum()]
            length = events["end_s"] - events["start_s"]
            churr = counts & events["label"].str.startswith("nightjar") & (length >= _CHURR_S)
            scores.churrs += [(found & churr).sum(), churr.sum()]
    return scores


def _found(
    matches: npt.NDArray[np.bool_], truth: SoundscapeTruth, of_targets: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return whether each event is found, and whether each ROI has a pair."""
    n_events = len(truth.events)
    pairs = maximum_bipartite_matching(csr_array(matches), perm_type="row")
    # For each target the number of its ROI, or -1.
    has_pair = pairs >= 0
    paired = np.zeros(len(matches), dtype=bool)
    paired[pairs[has_pair]] = True
    event, unit = truth.event[of_targets], truth.is_unit[of_targets]
    # That the event as a whole has a match suffices, also where its units have the ROI.
    whole = np.bincount(event[~unit & matches.any(axis=0)], minlength=n_events) > 0
    n_units = np.bincount(event[unit], minlength=n_events)
    n_paired = np.bincount(event[unit & has_pair], minlength=n_events)
    found = whole | ((n_units > 0) & (n_paired >= 0.5 * n_units))
    return found, paired


def _runs(
    rois: Array, truth: SoundscapeTruth
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which ROIs match consecutive units, and which events are found by such ROIs."""
    matched = np.zeros(len(rois), dtype=bool)
    found = np.zeros(len(truth.events), dtype=bool)
    for event in np.unique(truth.event[truth.is_unit]):
        units = truth.targets[(truth.event == event) & truth.is_unit]
        shared, in_band = overlap(rois, units)
        overlaps = in_band & (shared > 0)
        inside = np.zeros(len(units), dtype=bool)
        for roi in np.flatnonzero(overlaps.any(axis=1)):
            run = units[overlaps[roi]]
            start, end = run[0, START], run[-1, END]
            both = min(end, rois[roi, END]) - max(start, rois[roi, START])
            either = max(end, rois[roi, END]) - min(start, rois[roi, START])
            if both >= MIN_IOU * either:
                matched[roi] = True
                inside |= overlaps[roi]
        found[event] = inside.mean() >= 0.5
    return matched, found


def overlap(a: Array, b: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the shared time in seconds, and whether the bands overlap, `(len(a), len(b))`."""
    shared = np.minimum(a[:, None, END], b[None, :, END])
    shared = np.maximum(shared - np.maximum(a[:, None, START], b[None, :, START]), 0)
    band = np.minimum(a[:, None, HIGH], b[None, :, HIGH])
    band = band - np.maximum(a[:, None, LOW], b[None, :, LOW])
    narrower = np.minimum((a[:, HIGH] - a[:, LOW])[:, None], (b[:, HIGH] - b[:, LOW])[None, :])
    return shared, band >= _MIN_BAND * narrower


def _matches(rois: Array, targets: Array) -> npt.NDArray[np.bool_]:
    """Return which ROI matches which target, `(n, m)`."""
    shared, in_band = overlap(rois, targets)
    lengths = (rois[:, END] - rois[:, START])[:, None] + (targets[:, END] - targets[:, START])
    matches: npt.NDArray[np.bool_] = in_band & (shared >= MIN_IOU * (lengths - shared))
    return matches


def _covered(rois: Array, steps: Array) -> Array:
    """Return the share of each ROI's time that is that of calls in its band, `(n,)`."""
    shares = np.zeros(len(rois))
    for number, roi in enumerate(rois):
        shared, in_band = overlap(roi[None], steps)
        inside = steps[(in_band & (shared > 0))[0]]
        now, total = roi[START], 0.0
        for start, end in sorted(map(tuple, inside[:, :2])):
            start, end = max(start, now), min(end, roi[END])
            total += max(0.0, end - start)
            now = max(now, end)
        shares[number] = total / max(roi[END] - roi[START], 1e-9)
    return shares


def print_scores(scene: str, rows: Sequence[tuple[str, Scores]]) -> None:
    """Print two tables of a scene, with a row for each ROI finder."""
    print(f"\nScene `{scene}`: {int(rows[0][1].events[0])} events\n")
    print("| ROI finder | ROIs | calls | P, R, F1 | events >= 6 dB | of these below 600 Hz "
          "| churrs of a minute and more |\n|---|---|---|---|---|---|---|")  # fmt: skip
    six = _SNR_DB.index(6.0)
    for name, s in rows:
        f1 = f"{s.precision[0]:.2f}, {s.recall[0]:.2f}, {s.f1[0]:.2f}"
        calls = s.n_calls / max(s.n_rois, 1)
        print(
            f"| {name} | {s.n_rois} | {calls:.2f} | {f1} | {s.recall[six]:.2f} "
            f"| {_share(s.low)} | {_share(s.churrs)} |"
        )
    heads = " | ".join("all" if np.isinf(db) else f">= {db:g} dB" for db in _SNR_DB)
    print(f"\n| P, R, F1 of events | {heads} |\n|---|{'---|' * len(_SNR_DB)}")
    for name, s in rows:
        cells = (
            f"{p:.2f}, {r:.2f}, {f:.2f}"
            for p, r, f in zip(s.precision, s.recall, s.f1, strict=True)
        )
        print(f"| {name} | {' | '.join(cells)} |")


def _share(counts: Array) -> str:
    return f"{counts[0] / counts[1]:.2f} of {int(counts[1])}" if counts[1] else "-"
