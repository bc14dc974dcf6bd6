"""Annotation files of other programs, read into one form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Annotation", "Annotations"]


@dataclass(frozen=True)
class Annotation:
    """One annotated sound.

    Attributes:
        line: row of the file, counted from 1.
        start_s: start in seconds.
        end_s: end in seconds.
        low_hz: lower frequency bound; None without one.
        high_hz: upper frequency bound; None without one.
        label: species, call type or other name; None without one.
        recording: name or path of the recording; None for the one that
            the file is named after.
    """

    line: int
    start_s: float
    end_s: float
    low_hz: float | None = None
    high_hz: float | None = None
    label: str | None = None
    recording: str | None = None


@dataclass(frozen=True)
class Annotations:
    """What a file holds.

    Attributes:
        marks: its annotations, in order.
        broken: why each row that cannot be read is left out, by its number.
    """

    marks: Sequence[Annotation]
    broken: Mapping[int, str]
