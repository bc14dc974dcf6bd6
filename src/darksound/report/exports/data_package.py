"""A Frictionless data package: tables of a run as CSV, and `datapackage.json` with their schema.

Data Package and Table Schema, https://specs.frictionlessdata.io. Tables have no path of this
machine: recordings are named as in `archive_recordings`.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from darksound.errors import InputError
from darksound.report.exports.archive_rows import archive_recordings, names_of_recordings
from darksound.report.exports.base import ExportContent, ExportCounts, in_chunks, provenance
from darksound.report.exports.package_fields import (
    ITERATION_FIELDS,
    RECORDING_FIELDS,
    ROI_FIELDS,
    SITE_FIELDS,
    PackageField,
)
from darksound.rois.spreadsheets import csv_text

__all__ = ["DataPackage"]

_FILE = "datapackage.json"
_STAGE = "data-package"
# Names of packages have lower-case letters, digits and `-_.` only.
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True)
class _Resource:
    """A table of the package.

    Attributes:
        name: of the table, and of its file without the suffix.
        description: one sentence.
        table: the rows.
        fields: of its columns, in order.
        key: columns of the primary key.
        references: `(column, table, column there)` of foreign keys.
    """

    name: str
    description: str
    table: pd.DataFrame
    fields: Sequence[PackageField]
    key: tuple[str, ...]
    references: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class DataPackage:
    """Tables with their schema (see `darksound.report.exports.base.Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = (
        f"Frictionless tools read and validate {_FILE} (frictionless validate {_FILE})."
    )

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write `rois.csv`, `recordings.csv`, `iterations.csv`, `sites.csv` where it is known.

        Raises:
            InputError: there is no ROI.
        """
        if content.table.empty:
            raise InputError("There is no ROI to export.")
        resources = _resources(content)
        content.progress(_STAGE, 0, len(resources) + 1)
        described = []
        for done, resource in enumerate(resources, start=1):
            described.append(_write(resource, target, raw=content.raw_csv))
            content.progress(_STAGE, done, len(resources) + 1)
        text = json.dumps(_package(content, described), ensure_ascii=False, indent=2)
        (target / _FILE).write_text(text + "\n", encoding="utf-8", newline="\n")
        content.progress(_STAGE, len(resources) + 1, len(resources) + 1)
        return ExportCounts(len(resources) + 1, len(content.table))


def _resources(content: ExportContent) -> list[_Resource]:
    recordings = archive_recordings(content)
    names = names_of_recordings(content.table, recordings)
    rois = content.table.assign(recording=names, verdict=content.verdicts)
    recordings = recordings.assign(recording=recordings["name"])
    tables = [
        _Resource(
            "rois", "Sounds that were found, with their cluster.", rois, ROI_FIELDS, ("roi_id",),
            (("recording", "recordings", "recording"),),
        ),
        _Resource(
            "recordings", "Recordings that were looked at, also those without a ROI.", recordings,
            RECORDING_FIELDS, ("recording",), _site_reference(recordings, content.result.sites),
        ),
        _Resource(
            "iterations", "Figures of the iterations of clustering.",
            content.result.iterations, ITERATION_FIELDS, ("iteration",),
        ),
    ]  # fmt: skip
    sites = content.result.sites
    if sites is not None:
        sites = sites.drop_duplicates("site")
        tables.append(_Resource("sites", "Places of the recorders.", sites, SITE_FIELDS, ("site",)))
    return tables


def _site_reference(
    recordings: pd.DataFrame, sites: pd.DataFrame | None
) -> tuple[tuple[str, str, str], ...]:
    """Return the foreign key of sites, where the table of sites has all of them."""
    if sites is None or not recordings["site"].dropna().isin(sites["site"]).all():
        return ()
    # A missing key would have to be in the other table too.
    return () if recordings["site"].isna().any() else (("site", "sites", "site"),)


def _write(resource: _Resource, target: Path, *, raw: bool) -> dict[str, Any]:
    """Write a table, and return its description."""
    fields = _fields(resource)
    path = target / f"{resource.name}.csv"
    columns = [each.name for each in fields]
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(in_chunks(resource.table[columns])):
            file.write(csv_text(part, header=number == 0, raw=raw))
    keys = [
        {"fields": column, "reference": {"resource": table, "fields": there}}
        for column, table, there in resource.references
    ]
    schema = {
        "fields": [each.as_json() for each in fields],
        "primaryKey": list(resource.key),
        "missingValues": [""],
        **({"foreignKeys": keys} if keys else {}),
    }
    content = path.read_bytes()
    return {
        "name": resource.name,
        "description": resource.description,
        "path": path.name,
        "profile": "tabular-data-resource",
        "scheme": "file",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "schema": schema,
    }


def _fields(resource: _Resource) -> list[PackageField]:
    """Return the fields of the columns that are there; of ROIs and recordings, of known ones only.

    Tables of sites and iterations have columns that differ from run to run.
    """
    columns = list(resource.table.columns)
    known = [each for each in resource.fields if each.name in columns]
    if resource.fields in (ROI_FIELDS, RECORDING_FIELDS):
        return known
    names = {each.name for each in known}
    return known + [
        PackageField(str(name), _type_of(resource.table[name]), "")
        for name in columns
        if name not in names
    ]


def _type_of(column: "pd.Series[Any]") -> str:
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_integer_dtype(column):
        return "integer"
    return "number" if pd.api.types.is_numeric_dtype(column) else "string"


def _package(content: ExportContent, resources: list[dict[str, Any]]) -> dict[str, Any]:
    source = provenance(content.result)
    manifest = content.result.manifest
    created = {"created": manifest.ended} if manifest is not None and manifest.ended else {}
    return {
        "profile": "tabular-data-package",
        "name": _NOT_IN_NAMES.sub("-", source["run"].lower()).strip("-._") or "run",
        "title": f"Clusters of sounds: {source['run']}",
        "description": "Sounds that were found in recordings and grouped into clusters, and the "
        "recordings that were looked at.",
        **created,
        "darksound": dict(source),
        "resources": resources,
    }
