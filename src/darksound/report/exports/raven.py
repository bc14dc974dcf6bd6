"""Raven selection tables: one for each recording, and one for all of them.

The first columns are those of Raven Pro 1.6 and Raven Lite 2; the last ones are darksound's, which
Raven shows as annotations. Times are in seconds. In the table of a recording they count from its
start. In the table of all recordings they count from the start of the first one, as Raven counts
for files that are opened as a sequence; `File Offset (s)` counts from the start of `Begin File`.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from darksound.errors import InputError
from darksound.report.exports.base import ExportContent, ExportCounts
from darksound.report.exports.targets import (
    NAMES,
    RecordingRows,
    annotation_names,
    duration_and_rate,
    recordings,
    write_names,
)

__all__ = ["Raven"]

logger = logging.getLogger(__name__)

_ENDING = ".Table.1.selections.txt"
_ALL = f"all{_ENDING}"
_FOLDER = "recordings"
# Raven supports no quotes: it shows the text between two tabs unchanged.
_HEADER = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
    "Begin File\tBegin Path\tFile Offset (s)\tAnnotation\tCluster\tSupercluster\tProbability\t"
    "Label\tSite\tROI\n"
)
# Upper bound where the sampling rate is unknown; most birds stay below it.
_DEFAULT_TOP_HZ = 24_000.0
# Characters that would end a cell or a row.
_SEPARATORS = {ord(sign): " " for sign in "\t\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"}


@dataclass(frozen=True)
class Raven:
    """Raven selection tables (see `darksound.report.exports.base.Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = (
        f"Raven opens {_ALL} with all recordings, and each table in {_FOLDER} with its recording."
    )

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write `all.Table.1.selections.txt`, and in `recordings` a table for each recording.

        Where names of recordings are not valid on all systems, `names.csv` lists the files.
        A ROI without frequency bounds gets those from 0 Hz to half the sampling rate.

        Raises:
            InputError: there is no ROI.
        """
        if content.table.empty:
            raise InputError("There is no ROI to export.")
        names = annotation_names(content, _ENDING)
        n_missing = 0
        with (target / _ALL).open("w", encoding="utf-8", newline="") as file:
            file.write(_HEADER)
            offset_s, number = 0.0, 1
            for recording in recordings(content, "raven"):
                sound = duration_and_rate(content, recording)
                n_missing += sound is None
                length_s, top_hz = _extent(recording, sound)
                selections = _selections(recording, top_hz)
                path = target / _FOLDER / names[recording.root, recording.path]
                path.parent.mkdir(parents=True, exist_ok=True)
                text = _HEADER + "".join(_lines(selections, 1, 0.0))
                path.write_text(text, encoding="utf-8", newline="")
                file.writelines(_lines(selections, number, offset_s))
                offset_s, number = offset_s + length_s, number + len(selections)
        write_names(names, _ENDING, target / NAMES, raw_csv=content.raw_csv)
        if n_missing:
            logger.warning(
                "%d recordings are missing, so their length and sampling rate are unknown; begin "
                "times after them in %s are estimates. Give their folder with --root.",
                n_missing,
                _ALL,
            )
        return ExportCounts(len(names) + 1, len(content.table))


def _extent(recording: RecordingRows, sound: tuple[float, int] | None) -> tuple[float, float]:
    """Return the duration of a recording in seconds and its highest frequency in Hz."""
    if sound is not None:
        return sound[0], sound[1] / 2
    highest = float(recording.rows["high_hz"].max())
    return float(recording.rows["end_s"].max()), max(_DEFAULT_TOP_HZ, np.nan_to_num(highest))


def _selections(recording: RecordingRows, top_hz: float) -> list[tuple[float, float, str]]:
    """Return start and end in seconds and the text of the other cells of each selection."""
    rows = recording.rows
    bounds = rows[["start_s", "end_s", "low_hz", "high_hz", "probability"]].to_numpy(np.float64)
    bounds[:, 2] = np.clip(np.nan_to_num(bounds[:, 2], nan=0.0), 0, top_hz)
    bounds[:, 3] = np.clip(np.nan_to_num(bounds[:, 3], nan=top_hz), 0, top_hz)
    name = _cell(recording.path.rsplit("/", 1)[-1])
    path = _cell(os.path.join(recording.root, *recording.path.split("/")))
    texts = zip(
        rows["name"].tolist(),
        rows["group"].tolist(),
        rows["supercluster"].tolist(),
        rows["label"].fillna("").tolist(),
        rows["site"].fillna("").tolist(),
        rows["roi_id"].tolist(),
        strict=True,
    )
    return [
        (
            start,
            end,
            f"{low:.3f}\t{high:.3f}\t{name}\t{path}\t{start:.6f}\t{_cell(title)}\t{group}\t"
            f"{above}\t{probability:.4f}\t{_cell(label)}\t{_cell(site)}\t{roi_id}\n",
        )
        for (start, end, low, high, probability), (
            title,
            group,
            above,
            label,
            site,
            roi_id,
        ) in zip(bounds.tolist(), texts, strict=True)
    ]


def _lines(
    selections: Sequence[tuple[float, float, str]], first: int, offset_s: float
) -> Iterator[str]:
    """Yield the lines of a table, numbered from `first`, with `offset_s` added to the times."""
    for number, (start, end, other_cells) in enumerate(selections, start=first):
        times = f"{offset_s + start:.6f}\t{offset_s + end:.6f}"
        yield f"{number}\tSpectrogram 1\t1\t{times}\t{other_cells}"


def _cell(text: str) -> str:
    return text.translate(_SEPARATORS).strip()
