"""Raven's selection tables: one a recording, and one over all of them.

Columns are those that Raven Pro 1.6 and Raven Lite 2 write themselves, and behind them ours, which
they show as annotations. Times are seconds; in the table of a recording they are from its start,
in the one over all from the start of the first, as Raven counts when it opens files as a sequence,
where `File Offset (s)` is from the start of `Begin File`.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from darksound.errors import InputError
from darksound.report.exports.base import Found, Written
from darksound.report.exports.targets import (
    Recording,
    annotation_names,
    duration_and_rate,
    recordings,
)

__all__ = ["Raven"]

logger = logging.getLogger(__name__)

_ENDING = ".Table.1.selections.txt"
_ALL = f"all{_ENDING}"
_EACH = "recordings"
# Raven knows no quotes: what stands between two tabs is what is shown.
_HEADER = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
    "Begin File\tBegin Path\tFile Offset (s)\tAnnotation\tCluster\tProbability\tLabel\tROI\n"
)
# Where nobody can tell how high a recording goes: what most birds stay below.
_USUAL_TOP_HZ = 24_000.0
# A table has no place for these within a cell.
_BREAKS = {ord(sign): " " for sign in "\t\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"}


@dataclass(frozen=True)
class Raven:
    """Raven selection tables (see `darksound.report.exports.base.Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = (
        f"Raven opens {_ALL} with all its recordings, and each table in {_EACH} with one."
    )

    def write(self, found: Found, target: Path) -> Written:
        """Write `all.Table.1.selections.txt`, and in `recordings` a table for each.

        Without frequency bounds a selection reaches from 0 Hz to half the recording's rate.

        Raises:
            InputError: there is no ROI.
        """
        if found.table.empty:
            raise InputError("There is no ROI to export.")
        names = annotation_names(found, _ENDING)
        unknown = 0
        with (target / _ALL).open("w", encoding="utf-8", newline="") as file:
            file.write(_HEADER)
            began_s, number = 0.0, 1
            for recording in recordings(found, "raven"):
                known = duration_and_rate(found, recording)
                unknown += known is None
                length_s, top_hz = _extent(recording, known)
                selections = _selections(recording, top_hz)
                path = target / _EACH / names[recording.root, recording.path]
                path.parent.mkdir(parents=True, exist_ok=True)
                own = _HEADER + "".join(_lines(selections, 1, 0.0))
                path.write_text(own, encoding="utf-8", newline="")
                file.writelines(_lines(selections, number, began_s))
                began_s, number = began_s + length_s, number + len(selections)
        if unknown:
            logger.warning(
                "%d recordings are not there to be asked how long they are and how high they go; "
                "begin times in %s are guesses from there on. Give their folder with --root.",
                unknown,
                _ALL,
            )
        return Written(len(names) + 1, len(found.table))


def _extent(recording: Recording, known: tuple[float, int] | None) -> tuple[float, float]:
    """Seconds that a recording lasts, and how high it goes in Hz."""
    if known is not None:
        return known[0], known[1] / 2
    highest = float(recording.rows["high_hz"].max())
    return float(recording.rows["end_s"].max()), max(_USUAL_TOP_HZ, np.nan_to_num(highest))


def _selections(recording: Recording, top_hz: float) -> list[tuple[float, float, str]]:
    """A recording's selections: start and end in it, and the cells behind those of time."""
    rows = recording.rows
    bounds = rows[["start_s", "end_s", "low_hz", "high_hz", "probability"]].to_numpy(np.float64)
    bounds[:, 2] = np.clip(np.nan_to_num(bounds[:, 2], nan=0.0), 0, top_hz)
    bounds[:, 3] = np.clip(np.nan_to_num(bounds[:, 3], nan=top_hz), 0, top_hz)
    name = _cell(recording.path.rsplit("/", 1)[-1])
    path = _cell(os.path.join(recording.root, *recording.path.split("/")))
    texts = zip(
        rows["name"].tolist(),
        rows["group"].tolist(),
        rows["label"].fillna("").tolist(),
        rows["roi_id"].tolist(),
        strict=True,
    )
    return [
        (
            start,
            end,
            f"{low:.3f}\t{high:.3f}\t{name}\t{path}\t{start:.6f}\t{_cell(called)}\t{group}\t"
            f"{sure:.4f}\t{_cell(label)}\t{roi_id}\n",
        )
        for (start, end, low, high, sure), (called, group, label, roi_id) in zip(
            bounds.tolist(), texts, strict=True
        )
    ]


def _lines(
    selections: Sequence[tuple[float, float, str]], first: int, began_s: float
) -> Iterator[str]:
    """Lines of a table, numbered from `first`, the recording's start being at `began_s`."""
    for number, (start, end, rest) in enumerate(selections, start=first):
        times = f"{began_s + start:.6f}\t{began_s + end:.6f}"
        yield f"{number}\tSpectrogram 1\t1\t{times}\t{rest}"


def _cell(text: str) -> str:
    return text.translate(_BREAKS).strip()
