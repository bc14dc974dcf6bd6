"""Audacity label tracks: one a recording, with frequency lines where bounds are known.

`start TAB end TAB label`, followed by `\\ TAB low TAB high` in which an unknown bound is -1
(Audacity manual, Importing and Exporting Labels).
"""

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
    recordings,
    write_names,
)

__all__ = ["Audacity"]

_ENDING = ".txt"


@dataclass(frozen=True)
class Audacity:
    """Audacity label tracks (see `darksound.report.exports.base.Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = "Audacity reads them with File > Import > Labels, beside their recording."

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write a `.txt` file for each recording, in the folders of the recordings.

        Where names of recordings are not valid on all systems, `names.csv` lists the files.

        Raises:
            InputError: there is no ROI.
        """
        if content.table.empty:
            raise InputError("There is no ROI to export.")
        names = annotation_names(content, _ENDING)
        for recording in recordings(content, "audacity"):
            path = target / names[recording.root, recording.path]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_lines(recording), encoding="utf-8", newline="\n")
        write_names(names, _ENDING, target / NAMES, raw_csv=content.raw_csv)
        return ExportCounts(len(names), len(content.table))


def _lines(recording: RecordingRows) -> str:
    rows = recording.rows
    columns = ["start_s", "end_s", "low_hz", "high_hz"]
    lines: list[str] = []
    for (start, end, low, high), name in zip(
        rows[columns].to_numpy(np.float64).tolist(), rows["name"], strict=True
    ):
        # A line break would end the label.
        lines.append(f"{start:.6f}\t{end:.6f}\t{' '.join(name.split())}\n")
        if not np.isnan(low) or not np.isnan(high):
            lines.append(f"\\\t{_bound(low)}\t{_bound(high)}\n")
    return "".join(lines)


def _bound(hertz: float) -> str:
    return f"{-1.0 if np.isnan(hertz) else hertz:.6f}"
