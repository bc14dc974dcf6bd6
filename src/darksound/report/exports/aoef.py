"""Acoustic Objects Exchange Format (AOEF) of the `soundevent` package, which whombat imports.

The file is an annotation project: each recording that was looked at is a clip with a task, each ROI
a sound event with a box in time and frequency. Tags are `species` for clusters with a name in the
review, and `cluster` for all.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from darksound.errors import InputError, failure_cause
from darksound.report.exports.archive_rows import archive_recordings, stable_uuid
from darksound.report.exports.base import ExportContent, ExportCounts, provenance
from darksound.rois.roi_set import Problem
from darksound.run.manifest import Manifest
from darksound.text import path_text

__all__ = ["Aoef"]

_VERSION = "1.1.0"
_STAGE = "aoef"
# The clusters of a result that was not saved have no date.
_NO_DATE = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Aoef:
    """An annotation project as JSON (see `darksound.report.exports.base.Exporter`)."""

    suffix: ClassVar[str | None] = ".json"
    hint: ClassVar[str] = (
        "whombat imports it as an annotation project, and soundevent.io.load reads it; paths are "
        "relative to the folder of the recordings."
    )

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write the project; recordings that cannot be read are left out with their ROIs.

        Raises:
            InputError: there is no ROI, or no recording can be read.
        """
        if content.table.empty:
            raise InputError("There is no ROI to export.")
        project = _Project(content)
        recordings = archive_recordings(content)
        rois = dict(iter(content.table.groupby(["root", "recording"], sort=False)))
        # Paths of several roots cannot be relative to one folder.
        is_single = recordings["root"].nunique() == 1
        content.progress(_STAGE, 0, len(recordings))
        for done, row in enumerate(recordings.to_dict("records"), start=1):
            of_recording = rois.get((row["root"], row["recording"]), content.table.iloc[:0])
            project.add(row, of_recording, is_single=is_single)
            content.progress(_STAGE, done, len(recordings))
        if not project.data["recordings"]:
            raise InputError(
                f"None of the {len(recordings)} recordings can be read; if they were moved, give "
                f"their folder with --root. The first error: {project.problems[0].cause}"
            )
        text = json.dumps(project.document(), ensure_ascii=False, indent=1)
        target.write_text(text + "\n", encoding="utf-8", newline="\n")
        n_rois = len(project.data["sound_events"])
        return ExportCounts(1, n_rois, tuple(project.problems))


class _Project:
    """An annotation project that recordings are added to.

    Attributes:
        data: its lists of objects.
        problems: recordings that cannot be read.
    """

    def __init__(self, content: ExportContent) -> None:
        self._content = content
        self._named = content.named
        self._tags: dict[tuple[str, str], int] = {}
        self._created = _created_on(content.result.manifest)
        self.problems: list[Problem] = []
        names = ("recordings", "clips", "sound_events", "sound_event_annotations",
                 "clip_annotations", "tasks")  # fmt: skip
        self.data: dict[str, list[dict[str, Any]]] = {name: [] for name in names}

    def add(self, row: dict[Any, Any], rois: pd.DataFrame, *, is_single: bool) -> None:
        """Add a recording and its ROIs.

        Args:
            row: of `archive_recordings`.
            rois: its rows of the table of ROIs.
            is_single: whether there is one root, which its path is relative to.
        """
        root, recording = str(row["root"]), str(row["recording"])
        try:
            info = self._content.result.rois.reader.info(root, recording)
        except InputError as error:
            cause = failure_cause(path_text(Path(root, recording)), error)
            self.problems.append(Problem(recording, cause))
            return
        name = str(row["name"])
        sound, clip, task, clip_annotation = (
            stable_uuid(kind, name) for kind in ("recording", "clip", "task", "clip annotation")
        )
        recorded_at = "" if pd.isna(row["recorded_at"]) else str(row["recorded_at"])
        date, _, time = recorded_at.partition("T")
        place = self._place(row["site"])
        self.data["recordings"].append(
            {
                "uuid": sound,
                "path": recording if is_single else path_text(Path(root, recording)),
                "duration": info.duration_s,
                "channels": info.channels,
                "samplerate": info.rate,
                # The clock of the recorder, since the format has no offset from UTC.
                **({"date": date, "time": time[:8]} if date and time else {}),
                **place,
                "tags": self._tag_ids([("site", row["site"]), ("recorder", row["recorder"])]),
            }
        )
        self.data["clips"].append(
            {"uuid": clip, "recording": sound, "start_time": 0.0, "end_time": info.duration_s}
        )
        events = [self._event(roi, sound, info.rate / 2) for roi in rois.to_dict("records")]
        self.data["clip_annotations"].append(
            {
                "uuid": clip_annotation,
                "clip": clip,
                "sound_events": events,
                "created_on": self._created,
            }
        )
        self.data["tasks"].append({"uuid": task, "clip": clip, "created_on": self._created})

    def _event(self, roi: dict[Any, Any], sound: str, top_hz: float) -> str:
        """Add a ROI, and return the identifier of its annotation."""
        roi_id = str(roi["roi_id"])
        event, annotation = (stable_uuid(kind, roi_id) for kind in ("sound event", "annotation"))
        start, end = float(roi["start_s"]), float(roi["end_s"])
        bounds = np.array([roi["low_hz"], roi["high_hz"]], dtype=np.float64)
        geometry: dict[str, Any] = {"type": "TimeInterval", "coordinates": [start, end]}
        if not np.isnan(bounds).all():
            low, high = np.where(np.isnan(bounds), [0.0, top_hz], bounds).tolist()
            geometry = {"type": "BoundingBox", "coordinates": [start, low, end, high]}
        self.data["sound_events"].append(
            {
                "uuid": event,
                "recording": sound,
                "geometry": geometry,
                "features": {"membership_probability": round(float(roi["probability"]), 6)},
            }
        )
        group = int(roi["group"])
        tags = [("species", roi["name"])] if group in self._named else []
        number = str(group) if group >= 0 else roi["name"]
        self.data["sound_event_annotations"].append(
            {
                "uuid": annotation,
                "sound_event": event,
                "tags": self._tag_ids([*tags, ("cluster", number)]),
                "created_on": self._created,
            }
        )
        return annotation

    def _tag_ids(self, pairs: list[tuple[str, Any]]) -> list[int]:
        """Return the numbers of tags; missing values have none."""
        known = [(key, str(value)) for key, value in pairs if not pd.isna(value) and str(value)]
        return [self._tags.setdefault(pair, len(self._tags)) for pair in known]

    def _place(self, site: Any) -> dict[str, float]:
        sites = self._content.result.sites
        if sites is None or pd.isna(site):
            return {}
        rows = sites[sites["site"] == site][["latitude", "longitude"]].dropna()
        if rows.empty:
            return {}
        latitude, longitude = rows.iloc[0].astype(float)
        return {"latitude": float(latitude), "longitude": float(longitude)}

    def document(self) -> dict[str, Any]:
        """Return the content of the file."""
        source = provenance(self._content.result)
        tags = [
            {"id": number, "key": key, "value": value}
            for (key, value), number in self._tags.items()
        ]
        return {
            "version": _VERSION,
            "created_on": self._created,
            "data": {
                "uuid": stable_uuid("project", source["run"], source["settings_hash"]),
                "collection_type": "annotation_project",
                "name": source["run"],
                "description": f"Clusters of darksound {source['darksound_version']}, settings "
                f"{source['settings_hash']}.",
                "instructions": "Check and correct the cluster of each sound.",
                "created_on": self._created,
                "tags": tags,
                **self.data,
            },
        }


def _created_on(manifest: Manifest | None) -> str:
    """Return when the run ended, so that its export is the same at any time."""
    return (manifest.ended if manifest is not None else None) or _NO_DATE
