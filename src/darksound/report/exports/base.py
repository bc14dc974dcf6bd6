"""What a format of export is, and what it is given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import pandas as pd

from darksound.progress import Progress, silent
from darksound.rois.review import Review, reviewed
from darksound.rois.roi_set import Problem
from darksound.run.reading import RunResult

__all__ = ["AudioFormat", "Exporter", "Found", "Written", "in_chunks", "provenance"]

#: Formats that clips are written in.
AudioFormat = Literal["wav", "flac"]
_CHUNK = 50_000


@dataclass(frozen=True)
class Found:
    """What is exported.

    Attributes:
        result: the run.
        table: its ROIs with `group` and `name` beside `RunResult.table`'s columns, rejected ones
            gone, by recording and time.
        review: what a person said of it; None for nothing.
        audio: format of clips.
        progress: told of what was written.
    """

    result: RunResult
    table: pd.DataFrame
    review: Review | None = None
    audio: AudioFormat = "wav"
    progress: Progress = silent

    @classmethod
    def of(
        cls,
        result: RunResult,
        review: Review | None = None,
        audio: AudioFormat = "wav",
        progress: Progress = silent,
    ) -> "Found":
        """All that a run found, in order.

        Raises:
            InputError: the review is of another run.
        """
        table = reviewed(result.table, review)
        order = ["root", "recording", "start_s", "end_s"]
        table = table.sort_values(order, kind="stable", ignore_index=True)
        return cls(result, table, review, audio, progress)


@dataclass(frozen=True)
class Written:
    """What an export left.

    Attributes:
        files: how many files.
        rois: how many ROIs they tell of.
        problems: ROIs or recordings that were left out.
    """

    files: int
    rois: int
    problems: tuple[Problem, ...] = ()


class Exporter(Protocol):
    """One format, written to a place that is empty and takes its own only when all is there."""

    @property
    def suffix(self) -> str | None:
        """Suffix of its one file; None where it is a folder of files."""

    @property
    def hint(self) -> str:
        """A sentence on what opens it."""

    def write(self, found: Found, target: Path) -> Written:
        """Write it.

        Args:
            found: what to write.
            target: a file, or a folder that is there and empty.

        Raises:
            InputError: there is nothing to write.
        """


def provenance(result: RunResult) -> Mapping[str, str]:
    """Where an export comes from, so that its run can be found again."""
    return {
        "run": result.name,
        "settings_hash": result.settings_hash,
        "darksound_version": result.version,
    }


def in_chunks(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The table in parts that are small beside it, one that is empty where it is."""
    for start in range(0, max(len(table), 1), _CHUNK):
        yield table.iloc[start : start + _CHUNK]
