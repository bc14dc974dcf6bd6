"""Calls an hour by hour of day, date and site, and the hours that were recorded, as CSV."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from darksound.errors import InputError
from darksound.report.activity import NO_HOUR, Recorded, recorded_times
from darksound.report.activity_table import ACTIVITY_FILE, activity_table
from darksound.report.exports.base import ExportContent, ExportCounts
from darksound.rois.spreadsheets import csv_text

__all__ = ["Activity"]

_STAGE = "activity"
_EFFORT_FILE = "recorded-hours.csv"


@dataclass(frozen=True)
class Activity:
    """Tables of activity and of what was recorded (see `Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = "Any spreadsheet, R and pandas open the tables."

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write `activity.csv` and, where the effort is known, `recorded-hours.csv`.

        Raises:
            InputError: there is no ROI.
        """
        result, table = content.result, content.table
        if table.empty:
            raise InputError("There is no ROI to export.")
        recorded = recorded_times(table, result.effort, result.sites)
        files = {ACTIVITY_FILE: activity_table(table, recorded)}
        if recorded.is_complete:
            files[_EFFORT_FILE] = _recorded_hours(recorded)
        content.progress(_STAGE, 0, len(files))
        for done, (name, rows) in enumerate(files.items(), start=1):
            text = csv_text(rows, raw=content.raw_csv)
            (target / name).write_text(text, encoding="utf-8", newline="")
            content.progress(_STAGE, done, len(files))
        return ExportCounts(len(files), len(table))


def _recorded_hours(recorded: Recorded) -> pd.DataFrame:
    """Return a row for each hour of a recorder that was recorded, in part or whole."""
    rows = recorded.effort
    known = rows["hour"] != NO_HOUR
    return rows.assign(
        hour=rows["hour"].where(known).astype("Int64"), hours=(rows["seconds"] / 3600).round(6)
    ).drop(columns="seconds")
