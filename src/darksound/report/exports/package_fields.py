"""Columns of the tables in a data package: type and description of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ITERATION_FIELDS", "RECORDING_FIELDS", "ROI_FIELDS", "SITE_FIELDS", "PackageField"]


@dataclass(frozen=True)
class PackageField:
    """A column, as a Table Schema describes it.

    Attributes:
        name: of the column.
        type: `string`, `number`, `integer` or `boolean`.
        description: one sentence; empty for none.
        constraints: such as `required` and `minimum`.
    """

    name: str
    type: str
    description: str
    constraints: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the field as in a Table Schema."""
        about: dict[str, Any] = {"name": self.name, "type": self.type}
        more = {"description": self.description, "constraints": self.constraints}
        return about | {name: value for name, value in more.items() if value}


_REQUIRED: dict[str, Any] = {"required": True}
_SHARE: dict[str, Any] = {"minimum": 0, "maximum": 1}
_START_TEXT = "Start of the recording, ISO 8601, with an offset from UTC if the recorder wrote one."
_PATH_TEXT = "Path of the recording, below the name of its folder if there are several folders."

#: One row a ROI.
ROI_FIELDS: Sequence[PackageField] = (
    PackageField("roi_id", "string", "Identifier of the ROI.", {"required": True, "unique": True}),
    PackageField("recording", "string", _PATH_TEXT, _REQUIRED),
    PackageField(
        "start_s", "number", "Start in seconds of the recording.", {"required": True, "minimum": 0}
    ),
    PackageField(
        "end_s", "number", "End in seconds of the recording.", {"required": True, "minimum": 0}
    ),
    PackageField("low_hz", "number", "Lowest frequency in Hz."),
    PackageField("high_hz", "number", "Highest frequency in Hz."),
    PackageField("label", "string", "Label of the ROI before clustering."),
    PackageField("split", "string", "Part of a data set: train, val or test."),
    PackageField("snr_db", "number", "Level of the loudest part above the background in dB."),
    PackageField("site", "string", "Place where the recording was made."),
    PackageField("recorded_at", "string", _START_TEXT),
    PackageField("recorder", "string", "Device, or the prefix of the file name."),
    PackageField("gain", "string", "Gain as the recorder writes it."),
    PackageField(
        "quality_flags", "string", "Flags of the chunk around the ROI, separated by blanks."
    ),
    PackageField("peak_hz", "number", "Loudest frequency in Hz."),
    PackageField("chorus", "boolean", "Whether the ROI is part of a chorus."),
    PackageField("call_score", "number", "Probability that the ROI is an animal's call.", _SHARE),
    PackageField(
        "units", "string", "Start-end of each unit in seconds of the recording, of several units."
    ),
    PackageField("cluster", "integer", "Cluster; -1 is noise.", {"required": True, "minimum": -1}),
    PackageField(
        "supercluster", "integer", "Coarser level that the cluster belongs to; -1 is noise."
    ),
    PackageField("group", "integer", "Cluster after the review; -1 is noise.", {"required": True}),
    PackageField("name", "string", "Name of the group.", _REQUIRED),
    PackageField("probability", "number", "Membership probability of the ROI.", _SHARE),
    PackageField("stability", "number", "Stability of the cluster in resampled ROIs.", _SHARE),
    PackageField("outlier_score", "number", "Outlier score of the ROI.", _SHARE),
    PackageField("assigned_cluster", "integer", "Of noise: the cluster that the learner assigns."),
    PackageField(
        "assigned_probability", "number", "Of noise: probability of the assigned cluster.", _SHARE
    ),
    PackageField("verdict", "string", "Verdict of the review: yes, no, unsure or none."),
)

#: One row a recording that was looked at.
RECORDING_FIELDS: Sequence[PackageField] = (
    PackageField("recording", "string", _PATH_TEXT, {"required": True, "unique": True}),
    PackageField("site", "string", "Place where the recording was made."),
    PackageField("recorder", "string", "Device, or the prefix of the file name."),
    PackageField("recorded_at", "string", _START_TEXT),
    PackageField("duration_s", "number", "Length in seconds by its header.", {"minimum": 0}),
    PackageField(
        "used_s",
        "number",
        "Seconds in which ROIs were searched for; missing if not known.",
        {"minimum": 0},
    ),
    PackageField("lost_s", "number", "Seconds that could not be read or searched.", {"minimum": 0}),
    PackageField("quality_flags", "string", "Flags of any chunk, separated by blanks."),
    PackageField("rain_share", "number", "Share of its seconds in chunks with rain.", _SHARE),
    PackageField("wind_share", "number", "Share of its seconds in chunks with wind.", _SHARE),
    PackageField("n_rois", "integer", "Number of its ROIs in the run.", {"minimum": 0}),
)

#: One row a site; covariates are described by their type alone.
SITE_FIELDS: Sequence[PackageField] = (
    PackageField("site", "string", "Name of the place.", {"required": True, "unique": True}),
    PackageField("latitude", "number", "Degrees north, WGS 84.", {"minimum": -90, "maximum": 90}),
    PackageField("longitude", "number", "Degrees east, WGS 84.", {"minimum": -180, "maximum": 180}),
    PackageField("start", "string", "Start of the deployment, ISO 8601."),
    PackageField("end", "string", "End of the deployment, ISO 8601."),
    PackageField("time_zone", "string", "Name of the time zone."),
)

#: One row an iteration; figures that have no description here are those of the run's docs.
ITERATION_FIELDS: Sequence[PackageField] = (
    PackageField("iteration", "integer", "Number; 0 is before fine-tuning.", _REQUIRED),
    PackageField("n_clusters", "integer", "Number of clusters, without noise."),
    PackageField("coverage", "number", "Share of the ROIs that are in a cluster."),
    PackageField("dbcv", "number", "Density-based cluster validity."),
    PackageField("kept", "boolean", "Whether the clusters are those of this iteration."),
)  # fmt: skip
