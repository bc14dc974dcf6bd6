"""What an annotation file says, whatever its format."""

from dataclasses import dataclass

__all__ = ["Mark"]


@dataclass(frozen=True)
class Mark:
    """One annotation.

    Attributes:
        line: in the file, from 1.
        start_s: start in seconds.
        end_s: end in seconds.
        low_hz: lower frequency bound; None where there is none.
        high_hz: upper frequency bound; None where there is none.
        label: what it was called; None where it was not.
        recording: name or path of the recording; None for the one that the file belongs to.
    """

    line: int
    start_s: float
    end_s: float
    low_hz: float | None = None
    high_hz: float | None = None
    label: str | None = None
    recording: str | None = None
