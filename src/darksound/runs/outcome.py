"""What a job hands back to be shown."""

from dataclasses import dataclass

from darksound.report.tables import Table

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    Attributes:
        tables: its results.
        sentence: what came out, where it is, and what may be done next.
        problems: number of inputs that were left out; `errors.csv` in the run names them.
    """

    tables: tuple[Table, ...]
    sentence: str
    problems: int = 0
