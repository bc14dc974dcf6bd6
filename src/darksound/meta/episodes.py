"""Few-shot episodes drawn from labelled ROIs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.settings import EpisodeSettings

__all__ = ["Episode", "EpisodeSampler"]

_Rows = npt.NDArray[np.int64]
logger = logging.getLogger(__name__)
# Number of classes that a log line lists.
_MAX_LISTED = 5


@dataclass(frozen=True)
class Episode:
    """Rows of one episode, grouped by class: support row i is of class `i // n_shot`.

    Attributes:
        support: `(n_way * n_shot,)` rows.
        query: `(n_way * n_query,)` rows, none of which is a support row.
        classes: the label of each of the `n_way` classes, in their order.
    """

    support: npt.NDArray[np.int64]
    query: npt.NDArray[np.int64]
    classes: tuple[object, ...]

    @property
    def n_way(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Return the support rows, followed by the query rows."""
        return np.concatenate([self.support, self.query])

    @property
    def support_labels(self) -> npt.NDArray[np.int64]:
        """Return the classes `0..n_way - 1` of the support rows."""
        return np.repeat(np.arange(self.n_way), len(self.support) // self.n_way)

    @property
    def query_labels(self) -> npt.NDArray[np.int64]:
        """Return the classes `0..n_way - 1` of the query rows."""
        return np.repeat(np.arange(self.n_way), len(self.query) // self.n_way)


class EpisodeSampler:
    """Draws episodes; the generator that `sample` takes is the only source of random numbers.

    Classes with fewer than `n_shot + n_query` ROIs are skipped, with a log line that names them.
    `n_way` is at most the number of classes that remain.

    Args:
        labels: `(n,)`; rows with the label None are skipped.
        recordings: `(n,)` names, or None. Support and query of a class share no recording, if
            the recordings of the class can be divided so.
        settings: size of an episode.
        rows: `(n,)` numbers of the ROIs in episodes; by default their positions.

    Raises:
        InputError: fewer than two classes are large enough.
    """

    def __init__(
        self,
        labels: npt.ArrayLike | Sequence[object],
        recordings: npt.ArrayLike | Sequence[str] | None,
        settings: EpisodeSettings,
        rows: _Rows | None = None,
    ) -> None:
        names = np.asarray(labels, dtype=object)
        recordings_or_labels = names if recordings is None else recordings
        groups = np.asarray(recordings_or_labels, dtype=object)
        self._settings = settings
        self._separate = settings.separate_recordings and recordings is not None
        rows = np.arange(len(names)) if rows is None else np.asarray(rows, dtype=np.int64)
        # Rows of each class, recording by recording.
        self._classes: dict[object, list[_Rows]] = {}
        for name, members in _positions_by_value(names).items():
            sample = self._subsample(members)
            positions = _positions_by_value(groups[sample]).values()
            self._classes[name] = [rows[sample[part]] for part in positions]
        self._skip_small_classes()

    def _subsample(self, members: _Rows) -> _Rows:
        max_per_class = self._settings.max_per_class
        if max_per_class == "all" or len(members) <= max_per_class:
            return members
        # Evenly spaced, so that the choice needs no random numbers.
        return members[np.linspace(0, len(members) - 1, max_per_class).round().astype(np.int64)]

    def _skip_small_classes(self) -> None:
        n_needed = self._settings.n_shot + self._settings.n_query
        sizes = {name: sum(map(len, parts)) for name, parts in self._classes.items()}
        small = {name: size for name, size in sizes.items() if size < n_needed}
        if small:
            listed = ", ".join(
                f"{name} ({size})" for name, size in list(small.items())[:_MAX_LISTED]
            )
            more = f" and {len(small) - _MAX_LISTED} more" if len(small) > _MAX_LISTED else ""
            logger.warning(
                "%d of %d classes have fewer than the %d ROIs of an episode and are skipped: %s%s",
                len(small),
                len(sizes),
                n_needed,
                listed,
                more,
            )
        for name in small:
            del self._classes[name]
        if len(self._classes) < 2:
            raise InputError(
                f"Only {len(self._classes)} of {len(sizes)} classes have the {n_needed} ROIs "
                f"that an episode needs, and at least 2 must; lower episodes.n_shot or "
                f"episodes.n_query, raise episodes.max_per_class if it is set, or add labelled "
                f"ROIs."
            )

    @property
    def classes(self) -> tuple[object, ...]:
        """Return the classes that episodes are drawn from, sorted."""
        return tuple(self._classes)

    @property
    def rows_by_class(self) -> list[_Rows]:
        """Return the rows of each of `classes`."""
        return [np.concatenate(parts) for parts in self._classes.values()]

    @property
    def n_way(self) -> int:
        """Return the number of classes in each episode."""
        return min(self._settings.n_way, len(self._classes))

    def sample(self, rng: np.random.Generator) -> Episode:
        """Return one random episode."""
        names = list(self._classes)
        chosen = [names[i] for i in rng.choice(len(names), self.n_way, replace=False)]
        drawn = [self._draw(self._classes[name], rng) for name in chosen]
        support, query = (np.concatenate(part) for part in zip(*drawn, strict=True))
        return Episode(support, query, tuple(chosen))

    def _draw(self, recordings: list[_Rows], rng: np.random.Generator) -> tuple[_Rows, _Rows]:
        """Return support and query rows of one class, whose rows are grouped by recording."""
        n_shot, n_query = self._settings.n_shot, self._settings.n_query
        recordings = [recordings[i] for i in rng.permutation(len(recordings))]
        support_recordings = None
        if self._separate:
            sizes = [len(rows) for rows in recordings]
            support_recordings = _choose_support_recordings(sizes, n_shot, n_query, rng)
        if support_recordings is None:
            rows = rng.permutation(np.concatenate(recordings))
            return rows[:n_shot], rows[n_shot : n_shot + n_query]
        support = np.concatenate([recordings[i] for i in support_recordings])
        query = np.concatenate(
            [rows for i, rows in enumerate(recordings) if i not in support_recordings]
        )
        return rng.permutation(support)[:n_shot], rng.permutation(query)[:n_query]


def _positions_by_value(values: npt.NDArray[np.object_]) -> dict[object, _Rows]:
    """Return the positions of each value except None, sorted by the value as text."""
    codes, names = pd.factorize(values)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    parts = {name: order[starts[i] : starts[i + 1]] for i, name in enumerate(names)}
    return dict(sorted(parts.items(), key=lambda item: str(item[0])))


def _choose_support_recordings(
    sizes: list[int], n_shot: int, n_query: int, rng: np.random.Generator
) -> frozenset[int] | None:
    """Return recordings for the support that leave enough for the query; None if impossible."""
    # More ROIs than this change nothing, and the limit bounds the search below.
    sizes = [min(size, max(n_shot, n_query)) for size in sizes]
    sums = np.cumsum(sizes)
    cuts = np.flatnonzero((sums >= n_shot) & (sums[-1] - sums >= n_query))
    if len(cuts):
        return frozenset(range(int(rng.choice(cuts)) + 1))
    # No cut of this order is possible: search all subsets by their sums.
    subsets: dict[int, frozenset[int]] = {0: frozenset()}
    for i, size in enumerate(sizes):
        for total, subset in list(subsets.items()):
            subsets.setdefault(total + size, subset | {i})
    fits = (s for total, s in subsets.items() if n_shot <= total <= sums[-1] - n_query)
    return next(fits, None)
