"""Darwin Core tables of sampling events and occurrences, as GBIF and other archives take them.

`event.csv` has a row for each recording that was looked at, also those without a ROI, with the
effort; `occurrence.csv` a row for each ROI. `meta.xml` makes the folder a Darwin Core Archive with
events as its core (TDWG, Darwin Core text guide).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from darksound.report.exports.archive_rows import (
    archive_recordings,
    iso_times,
    names_of_recordings,
)
from darksound.report.exports.base import ExportContent, ExportCounts, provenance
from darksound.rois.spreadsheets import csv_text

__all__ = ["DarwinCore"]

_TERMS = "http://rs.tdwg.org/dwc/terms/"
_PROTOCOL = "passive acoustic monitoring"
# What GBIF asks for where a name is not known.
_NO_NAME = "incertae sedis"
_IDENTIFIED = {"yes": "verified by human", "no": "rejected by human", "unsure": "uncertain"}


@dataclass(frozen=True)
class DarwinCore:
    """Event and occurrence tables (see `darksound.report.exports.base.Exporter`)."""

    has_detections: ClassVar[bool] = True
    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = (
        "GBIF's tools take the folder as a Darwin Core Archive; add metadata (EML) and a licence."
    )

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write `event.csv`, `occurrence.csv` and `meta.xml`.

        Raises:
            InputError: there is no cluster, or verified ROIs are asked for and there are none.
        """
        recordings = archive_recordings(content)
        rois = _occurring(content)
        tables = {
            "event.csv": _events(recordings, content.result.sites),
            "occurrence.csv": _occurrences(rois, names_of_recordings(rois, recordings), content),
        }
        content.progress("darwin-core", 0, len(tables) + 1)
        for done, (name, table) in enumerate(tables.items(), start=1):
            text = csv_text(table, raw=content.raw_csv)
            (target / name).write_text(text, encoding="utf-8", newline="")
            content.progress("darwin-core", done, len(tables) + 1)
        text = _meta(*(list(table.columns) for table in tables.values()))
        (target / "meta.xml").write_text(text, encoding="utf-8", newline="\n")
        content.progress("darwin-core", len(tables) + 1, len(tables) + 1)
        return ExportCounts(len(tables) + 1, len(rois))


def _occurring(content: ExportContent) -> pd.DataFrame:
    """Return the ROIs of clusters, of named ones if there are any, above the thresholds."""
    rois = content.detected_rois
    kept = rois["probability"] >= content.detections.min_probability
    if content.detections.verified:
        kept &= rois["verdict"] == "yes"
    return rois[kept & (rois["verdict"] != "no")].reset_index(drop=True)


def _events(recordings: pd.DataFrame, sites: pd.DataFrame | None) -> pd.DataFrame:
    places = pd.DataFrame({"site": recordings["site"], "latitude": np.nan, "longitude": np.nan})
    if sites is not None:
        known = sites.drop_duplicates("site").set_index("site")[["latitude", "longitude"]]
        places[["latitude", "longitude"]] = known.reindex(recordings["site"]).to_numpy(np.float64)
    has_place = places["latitude"].notna() & places["longitude"].notna()
    used = recordings["used_s"]
    flags = recordings["quality_flags"].fillna("")
    table = pd.DataFrame(
        {
            "eventID": recordings["name"],
            "eventDate": _intervals(recordings),
            "samplingProtocol": _PROTOCOL,
            "sampleSizeValue": used.round(3),
            "sampleSizeUnit": np.where(used.notna(), "second", ""),
            "samplingEffort": [_effort_text(seconds) for seconds in used],
            "locationID": recordings["site"],
            "decimalLatitude": places["latitude"],
            "decimalLongitude": places["longitude"],
            "geodeticDatum": np.where(has_place, "EPSG:4326", ""),
            "eventRemarks": ("quality flags: " + flags).where(flags != "", ""),
        }
    )
    return table


def _intervals(recordings: pd.DataFrame) -> list[str]:
    """Return `start/end` of each recording; its start where the length is not known."""
    starts = iso_times(recordings["recorded_at"], np.zeros(len(recordings)))
    ends = iso_times(recordings["recorded_at"], recordings["duration_s"].to_numpy(np.float64))
    return [f"{start}/{end}" if end else start for start, end in zip(starts, ends, strict=True)]


def _effort_text(seconds: float) -> str:
    return "" if np.isnan(seconds) else f"{seconds:.0f} seconds of sound by one recorder"


def _occurrences(
    rois: pd.DataFrame, events: "pd.Series[str]", content: ExportContent
) -> pd.DataFrame:
    source = provenance(content.result)
    made_by = f"darksound {source['darksound_version']}, run {source['run']}"
    is_named = rois["group"].isin(content.named) & (content.detections.level == "name")
    return pd.DataFrame(
        {
            "occurrenceID": "darksound:" + rois["roi_id"],
            "eventID": events,
            "basisOfRecord": "MachineObservation",
            "occurrenceStatus": "present",
            "scientificName": rois["name"].where(is_named, _NO_NAME),
            "verbatimIdentification": rois["name"],
            "eventDate": iso_times(rois["recorded_at"], rois["start_s"].to_numpy(np.float64)),
            "identificationVerificationStatus": rois["verdict"]
            .map(_IDENTIFIED)
            .fillna("unverified"),
            "identificationRemarks": [
                f"cluster {cluster}, membership probability {probability:.3f} ({made_by})"
                for cluster, probability in zip(rois["cluster"], rois["probability"], strict=True)
            ],
            "occurrenceRemarks": [
                f"sound from {round(start, 3)} to {round(end, 3)} s of the recording"
                for start, end in zip(rois["start_s"], rois["end_s"], strict=True)
            ],
        }
    )


def _meta(events: Sequence[str], occurrences: Sequence[str]) -> str:
    """Return the description of the archive: events, and occurrences by their event."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<archive xmlns="http://rs.tdwg.org/dwc/text/">',
        *_described("core", "Event", "event.csv", "id", events),
        *_described("extension", "Occurrence", "occurrence.csv", "coreid", occurrences),
        "</archive>",
    ]
    return "\n".join(parts) + "\n"


def _described(
    element: str, row_type: str, file: str, key: str, columns: Sequence[str]
) -> list[str]:
    attributes: Mapping[str, str] = {
        "rowType": f"{_TERMS}{row_type}",
        "encoding": "UTF-8",
        "fieldsTerminatedBy": ",",
        "linesTerminatedBy": "\\n",
        "fieldsEnclosedBy": "&quot;",
        "ignoreHeaderLines": "1",
    }
    text = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    fields = [
        f'    <field index="{number}" term="{_TERMS}{column}"/>'
        for number, column in enumerate(columns)
    ]
    return [
        f"  <{element} {text}>",
        f"    <files><location>{file}</location></files>",
        f'    <{key} index="{columns.index("eventID")}"/>',
        *fields,
        f"  </{element}>",
    ]
