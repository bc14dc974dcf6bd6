"""Which iteration to keep, chosen without labels."""

from collections.abc import Callable, Mapping
from math import isnan
from types import MappingProxyType

from darksound.cluster.iteration import Iteration

__all__ = ["CRITERIA", "better"]

#: What is highest for the iteration to keep, by its name in the settings; NaN where undefined.
CRITERIA: Mapping[str, Callable[[Iteration], float]] = MappingProxyType(
    {
        "information": lambda iteration: iteration.information,
        "dbcv": lambda iteration: iteration.dbcv,
        "coverage": lambda iteration: iteration.coverage,
        "persistence": lambda iteration: iteration.persistence,
        "last": lambda iteration: float(iteration.iteration),
    }
)

# A first clustering that found next to nothing may still come to something.
_MORE = 8


def better(candidate: Iteration, best: Iteration, first: Iteration, criterion: str) -> bool:
    """Whether a later iteration is to be kept instead of the best one so far.

    Whatever the criterion, an iteration that has not kept its structure is only kept where no
    other has: one with fewer than two clusters, which sorts nothing, with fewer than half as many
    as the learner found at `first`, which learnt to confuse them, or with more than twice as many
    (and eight more), which learnt to tear them. On a tie the earlier iteration stays.
    """
    stands, stood = _has_structure(candidate, first), _has_structure(best, first)
    if stands != stood:
        return stands
    ours, theirs = CRITERIA[criterion](candidate), CRITERIA[criterion](best)
    return ours > theirs or (isnan(theirs) and not isnan(ours))


def _has_structure(iteration: Iteration, first: Iteration) -> bool:
    fewest = max(2.0, first.n_clusters / 2)
    most = max(2 * first.n_clusters, first.n_clusters + _MORE)
    return fewest <= iteration.n_clusters <= most
