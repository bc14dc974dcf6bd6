"""The interface of an exporter, and its input and output."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import pandas as pd

from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.report.detections import DetectionOptions, candidates
from darksound.report.result import MecResult
from darksound.rois.review import Review, apply_review
from darksound.rois.roi_set import Problem

__all__ = [
    "AudioFormat",
    "ExportContent",
    "ExportCounts",
    "Exporter",
    "in_chunks",
    "provenance",
]

#: Formats of clips.
AudioFormat = Literal["wav", "flac"]
_CHUNK = 50_000


@dataclass(frozen=True)
class ExportContent:
    """The input of an exporter.

    Attributes:
        result: the result of MEC.
        table: its table with the columns `group` and `name`, without rejected ROIs, sorted by
            recording and time.
        review: the review that was applied; None without.
        audio: format of clips.
        progress: called after each part.
        raw_csv: write text in CSV files as it is, also text that a spreadsheet takes for a formula.
        detections: which ROIs are detections, and the occasions of detection histories.
    """

    result: MecResult
    table: pd.DataFrame
    review: Review | None = None
    audio: AudioFormat = "wav"
    progress: Progress = silent
    raw_csv: bool = False
    detections: DetectionOptions = field(default_factory=DetectionOptions)

    @property
    def named(self) -> set[int]:
        """Return the groups that have a name of the review."""
        return set() if self.review is None else set(self.review.names)

    @property
    def verdicts(self) -> "pd.Series[str]":
        """Return the verdict of the review on each ROI of the table, empty without one."""
        ids = self.table["roi_id"]
        if self.review is None or "verdict" not in self.review.table.columns:
            return pd.Series("", index=ids.index, dtype=object)
        of_roi = self.review.table.set_index("roi_id")["verdict"]
        return ids.map(of_roi).fillna("").astype(object)

    @property
    def detected_rois(self) -> pd.DataFrame:
        """Return the ROIs that may be detections, see `candidates`, with the column `verdict`.

        Raises:
            InputError: there is no cluster, or verified ROIs are asked for and there are none.
        """
        verdicts = self.verdicts
        if self.detections.verified and not (verdicts == "yes").any():
            raise InputError(
                "No ROI has the verdict yes, so none is verified; give a review with verdicts "
                "(--review), or leave out --verified."
            )
        return candidates(self.table.assign(verdict=verdicts), self.detections, self.named)

    @classmethod
    def of(
        cls,
        result: MecResult,
        review: Review | None = None,
        audio: AudioFormat = "wav",
        progress: Progress = silent,
    ) -> "ExportContent":
        """Return the content to export, with the review applied.

        Raises:
            InputError: the review is of another run.
        """
        table = apply_review(result.table, review)
        order = ["root", "recording", "start_s", "end_s"]
        table = table.sort_values(order, kind="stable", ignore_index=True)
        return cls(result, table, review, audio, progress)


@dataclass(frozen=True)
class ExportCounts:
    """The output of an exporter.

    Attributes:
        files: number of files.
        rois: number of ROIs in them.
        problems: ROIs or recordings that were skipped.
    """

    files: int
    rois: int
    problems: tuple[Problem, ...] = ()


class Exporter(Protocol):
    """One export format; a class without constructor arguments.

    It writes to a temporary path, which replaces the target only when `write` has returned.
    """

    @property
    def suffix(self) -> str | None:
        """Return the suffix of a format of one file; None for a folder of files."""

    @property
    def hint(self) -> str:
        """Return a sentence that names programs that open the export."""

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write the export.

        Args:
            content: the ROIs to write.
            target: path of a file that does not exist, or of an empty folder.

        Raises:
            InputError: there is nothing to write.
        """


def provenance(result: MecResult) -> Mapping[str, str]:
    """Return the run, settings hash and version that identify the source of an export."""
    return {
        "run": result.name,
        "settings_hash": result.settings_hash,
        "darksound_version": result.version,
    }


def in_chunks(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield consecutive parts of the table; an empty part for an empty table."""
    for start in range(0, max(len(table), 1), _CHUNK):
        yield table.iloc[start : start + _CHUNK]
