"""A set of ROIs: the table, how to hear its rows, and what was left out while making it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.audio.files import AudioInfo

__all__ = ["Problem", "Reader", "RoiSet"]


class Reader(Protocol):
    """Sound by recording and time, whatever keeps it: files, or a synthesiser."""

    def read(
        self, root: str, recording: str, start_s: float, end_s: float, rate: int | None
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Mono samples `(n,)` of a stretch and their rate, resampled to `rate` unless None.

        Raises:
            InputError: the recording cannot be read, or holds no usable samples there.
        """

    def stamp(self, root: str, recording: str) -> str:
        """What changes when the recording does: for a file its size and time."""

    def info(self, root: str, recording: str) -> AudioInfo:
        """Length, rate and channels of the recording.

        Raises:
            InputError: the recording is missing or no sound.
        """


@dataclass(frozen=True)
class Problem:
    """An input that was left out, and why."""

    recording: str
    cause: str


@dataclass(frozen=True)
class RoiSet:
    """The one currency between rooms; arrays travel beside it, row i being row i of `table`.

    Attributes:
        table: rows as in `darksound.data.table.SCHEMA`, index 0..n-1.
        reader: how to hear them.
        problems: inputs that were left out on the way here.
    """

    table: pd.DataFrame
    reader: Reader
    problems: tuple[Problem, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.table)

    def take(
        self, rows: npt.NDArray[np.int64] | Sequence[int], problems: Sequence[Problem] = ()
    ) -> "RoiSet":
        """The set of these rows, in this order, with more problems noted."""
        table = self.table.iloc[np.asarray(rows, dtype=np.int64)].reset_index(drop=True)
        return RoiSet(table, self.reader, (*self.problems, *problems))

    @property
    def durations(self) -> npt.NDArray[np.float64]:
        """Seconds that each ROI lasts, `(n,)`."""
        start, end = (self.table[key].to_numpy(dtype=np.float64) for key in ("start_s", "end_s"))
        lasted: npt.NDArray[np.float64] = end - start
        return lasted

    @property
    def labels(self) -> npt.NDArray[np.object_] | None:
        """Labels `(n,)`, None where a ROI has none; None altogether when no ROI has one."""
        column = self.table["label"]
        if column.isna().all():
            return None
        return column.astype(object).where(column.notna(), None).to_numpy()
