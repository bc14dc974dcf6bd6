"""Detection histories as CSV, in the forms that R's `unmarked` and `spOccupancy` take.

`detections.csv` has all of them, one row a name, site and occasion. `wide` and `counts` have a file
for each name as `unmarked::csvToUMF` reads it, one row a site; `long` one with a row a site and
occasion. Missing cells are `NA`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from darksound.report.detections import Detections, detection_histories
from darksound.report.exports.base import ExportContent, ExportCounts
from darksound.report.exports.targets import distinct, safe_name
from darksound.rois.effort import SITE_SCHEMA
from darksound.rois.spreadsheets import csv_text

__all__ = ["Occupancy"]

_WIDE, _COUNTS, _LONG = "wide", "counts", "long"
# Covariates of an occasion at a site.
_EFFORT = ("effort_hours", "rain_share", "wind_share")
# Columns of the table of sites that are no covariates.
_NOT_COVARIATES = {"site", "start", "end", "time_zone", "effort_hours"}
# `name.1` is the first occasion of an observation covariate.
_OCCASION = re.compile(r"\.(\d+)$")
_EPOCH = pd.Timestamp(0)


@dataclass(frozen=True)
class Occupancy:
    """Detection histories (see `darksound.report.exports.base.Exporter`)."""

    has_detections: ClassVar[bool] = True
    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = (
        "R reads them: unmarked's csvToUMF the files in wide and long, spOccupancy detections.csv; "
        "docs/occupancy.md has the lines."
    )

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write `detections.csv`, `occasions.csv`, `sites.csv`, `effort.csv`, `names.csv`.

        Besides, a file for each name in `wide` (0 and 1), `counts` and `long`.

        Raises:
            InputError: effort, sites or times are not known; there is no cluster; an option is
                wrong; or verified ROIs are asked for, and the review has none.
        """
        result = content.result
        found = detection_histories(
            content.detected_rois, result.effort, result.sites, content.detections
        )
        files: dict[str, pd.DataFrame] = {
            "detections.csv": found.table,
            "occasions.csv": _occasion_table(found),
            "sites.csv": found.sites,
            "effort.csv": found.effort,
        }
        names = _file_names(found.names)
        files["names.csv"] = _name_table(found, names)
        covariates = _covariates(found)
        for name in found.names:
            rows = found.table[found.table["name"] == name]
            files[f"{_WIDE}/{names[name]}"] = _wide(rows, "detected", covariates)
            files[f"{_COUNTS}/{names[name]}"] = _wide(rows, "count", covariates)
            files[f"{_LONG}/{names[name]}"] = _long(rows, covariates)
        content.progress("occupancy", 0, len(files))
        for done, (path, table) in enumerate(files.items(), start=1):
            (target / path).parent.mkdir(exist_ok=True)
            text = csv_text(_with_na(table), raw=content.raw_csv)
            (target / path).write_text(text, encoding="utf-8", newline="")
            content.progress("occupancy", done, len(files))
        return ExportCounts(len(files), found.rois, found.problems)


def _occasion_table(found: Detections) -> pd.DataFrame:
    occasions = found.occasions
    return pd.DataFrame(
        {
            "occasion": range(1, len(occasions) + 1),
            "start": list(occasions.starts),
            "end": list(occasions.ends),
        }
    )


def _file_names(names: Sequence[str]) -> dict[str, str]:
    files = distinct(safe_name(name) for name in names)
    return {name: f"{file}.csv" for name, file in zip(names, files, strict=True)}


def _name_table(found: Detections, names: dict[str, str]) -> pd.DataFrame:
    """Return one row a name: its file, numbers of ROIs and cells, and of sites where it was."""
    by_name = found.table.groupby("name", sort=False)
    at_site = found.table.groupby(["name", "site"])["detected"].max()
    return pd.DataFrame(
        {
            "name": list(found.names),
            "file": [names[name] for name in found.names],
            "count": by_name["count"].sum().reindex(list(found.names)).to_numpy(),
            "detected": by_name["detected"].sum().reindex(list(found.names)).to_numpy(),
            "cells": by_name["detected"].count().reindex(list(found.names)).to_numpy(),
            "sites_detected": at_site.groupby("name").sum().reindex(list(found.names)).to_numpy(),
            "sites": len(found.sites),
        }
    )


def _covariates(found: Detections) -> pd.DataFrame:
    """Return the covariates of sites, by site, with names that do not end like occasions."""
    known = {name for name in SITE_SCHEMA.names if found.sites.get(name) is not None}
    kept = [
        name
        for name in found.sites.columns
        if name not in _NOT_COVARIATES and not (name in known and found.sites[name].isna().all())
    ]
    table = found.sites.set_index("site")[kept]
    names = distinct(_OCCASION.sub(r"_\1", str(name)) for name in kept)
    return table.set_axis(names, axis="columns")


def _wide(rows: pd.DataFrame, value: str, covariates: pd.DataFrame) -> pd.DataFrame:
    """Return one row a site: `y.1`, `y.2`, ..., covariates of sites, then of occasions.

    Covariates of occasions that are not known anywhere are left out.
    """
    kept = [name for name in _EFFORT if rows[name].notna().any()]
    y = _by_occasion(rows, value, "y")
    parts = [y, covariates.reindex(y.index), *(_by_occasion(rows, name, name) for name in kept)]
    return pd.concat(parts, axis=1).reset_index()


def _by_occasion(rows: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """Return `name.1`, `name.2` and so on of a column, one row a site."""
    table = rows.pivot(index="site", columns="occasion", values=column)
    return table.set_axis([f"{name}.{number}" for number in table.columns], axis="columns")


def _long(rows: pd.DataFrame, covariates: pd.DataFrame) -> pd.DataFrame:
    """Return one row a site and occasion: `site`, `day`, `y`, then covariates.

    `day` is the first date in days since 1970-01-01, as R counts them.
    """
    kept = [name for name in _EFFORT if rows[name].notna().any()]
    table = pd.DataFrame(
        {
            "site": rows["site"],
            "day": (pd.to_datetime(rows["start"]) - _EPOCH).dt.days,
            "y": rows["detected"],
        }
    )
    table = pd.concat([table, rows[kept]], axis=1)
    return table.join(covariates, on="site")


def _with_na(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with `NA` for missing values, which R reads as such in any column."""
    cells = {}
    for name in table.columns:
        column = table[name]
        if isinstance(column.dtype, pd.Int64Dtype) or column.isna().any():
            column = column.astype(object).where(column.notna(), "NA")
        cells[name] = column
    return pd.DataFrame(cells)
