"""The review that a run of MEC was given, kept in it, and carried on to its clusters."""

from pathlib import Path

import pandas as pd

from darksound.atomic import write_bytes
from darksound.data.review import Review, carried_on, read_review
from darksound.errors import InputError
from darksound.runs.contents import write_csv
from darksound.runs.directory import Run

__all__ = ["REVIEW", "carry_on", "given_review"]

#: The review of the run's own clusters, as far as it is known from the one that it was given.
REVIEW = "review.csv"
_GIVEN = "review-given.csv"


def given_review(run: Run) -> Review | None:
    """The review that the run was begun with, whatever became of the file since; None without.

    Raises:
        InputError: it cannot be read, or contradicts itself.
    """
    if run.inputs.review is None:
        return None
    kept = run.path / _GIVEN
    if not kept.exists():
        source = Path(run.inputs.review)
        read_review(source)  # refuses it by the name that it was given by
        try:
            write_bytes(kept, source.read_bytes())
        except OSError as error:
            raise InputError(f"{source}: cannot be read ({error.strerror}).") from None
    return read_review(kept)


def carry_on(run: Run, review: Review, table: pd.DataFrame) -> Path:
    """Write the review as one of the run's own clusters; its path.

    Args:
        run: the run.
        review: what its clusters were made with.
        table: its ROIs and their clusters.
    """
    path = run.path / REVIEW
    write_csv(path, carried_on(review, table))
    return path
