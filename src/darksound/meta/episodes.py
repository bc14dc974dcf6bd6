"""Episodes: few-shot tasks drawn from labelled ROIs."""

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
_NAMED = 5


@dataclass(frozen=True)
class Episode:
    """Rows of one task, grouped by class: support row i is of class `i // n_shot`.

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
        """Number of classes."""
        return len(self.classes)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Support rows, then query rows."""
        return np.concatenate([self.support, self.query])

    @property
    def support_labels(self) -> npt.NDArray[np.int64]:
        """Classes `0..n_way - 1` of the support rows."""
        return np.repeat(np.arange(self.n_way), len(self.support) // self.n_way)

    @property
    def query_labels(self) -> npt.NDArray[np.int64]:
        """Classes `0..n_way - 1` of the query rows."""
        return np.repeat(np.arange(self.n_way), len(self.query) // self.n_way)


class EpisodeSampler:
    """Draws episodes; all randomness comes from the generator that `sample` is given.

    Classes with fewer than `n_shot + n_query` ROIs are left out, with a log line that names them.
    `n_way` is capped at the number of classes that remain.

    Args:
        labels: `(n,)`; rows whose label is None are left out.
        recordings: `(n,)` names, or None where they are not known. Where a class has several
            recordings and they can be parted, its support and query share none.
        settings: sizes of an episode.
        rows: `(n,)` what episodes name ROIs by; by default their position.

    Raises:
        InputError: fewer than two classes are big enough.
    """

    def __init__(
        self,
        labels: npt.ArrayLike | Sequence[object],
        recordings: npt.ArrayLike | Sequence[str] | None,
        settings: EpisodeSettings,
        rows: _Rows | None = None,
    ) -> None:
        names = np.asarray(labels, dtype=object)
        takes = np.asarray(names if recordings is None else recordings, dtype=object)
        self._settings = settings
        self._apart = settings.separate_recordings and recordings is not None
        rows = np.arange(len(names)) if rows is None else np.asarray(rows, dtype=np.int64)
        # Rows of each class, recording by recording.
        self._classes: dict[object, list[_Rows]] = {}
        for name, members in _groups(names).items():
            used = self._at_most(members)
            self._classes[name] = [rows[used[part]] for part in _groups(takes[used]).values()]
        self._leave_out_small()

    def _at_most(self, members: _Rows) -> _Rows:
        most = self._settings.max_per_class
        if most == "all" or len(members) <= most:
            return members
        # Spread evenly over the class, so that the choice needs no randomness.
        return members[np.linspace(0, len(members) - 1, most).round().astype(np.int64)]

    def _leave_out_small(self) -> None:
        needed = self._settings.n_shot + self._settings.n_query
        sizes = {name: sum(map(len, takes)) for name, takes in self._classes.items()}
        small = {name: size for name, size in sizes.items() if size < needed}
        if small:
            shown = ", ".join(f"{name} ({size})" for name, size in list(small.items())[:_NAMED])
            more = f" and {len(small) - _NAMED} more" if len(small) > _NAMED else ""
            logger.warning(
                "%d of %d classes have fewer than the %d ROIs of an episode and are left out: %s%s",
                len(small),
                len(sizes),
                needed,
                shown,
                more,
            )
        for name in small:
            del self._classes[name]
        if len(self._classes) < 2:
            raise InputError(
                f"Only {len(self._classes)} of {len(sizes)} classes have the {needed} ROIs that an "
                f"episode needs, and at least 2 must; lower episodes.n_shot or episodes.n_query, "
                f"raise episodes.max_per_class if it is set, or add labelled ROIs."
            )

    @property
    def classes(self) -> tuple[object, ...]:
        """The classes that episodes are drawn from, sorted."""
        return tuple(self._classes)

    @property
    def rows_by_class(self) -> list[_Rows]:
        """The rows of each of `classes`."""
        return [np.concatenate(takes) for takes in self._classes.values()]

    @property
    def n_way(self) -> int:
        """Classes in every episode."""
        return min(self._settings.n_way, len(self._classes))

    def sample(self, rng: np.random.Generator) -> Episode:
        """One episode."""
        names = list(self._classes)
        chosen = [names[i] for i in rng.choice(len(names), self.n_way, replace=False)]
        drawn = [self._draw(self._classes[name], rng) for name in chosen]
        support, query = (np.concatenate(part) for part in zip(*drawn, strict=True))
        return Episode(support, query, tuple(chosen))

    def _draw(self, takes: list[_Rows], rng: np.random.Generator) -> tuple[_Rows, _Rows]:
        n_shot, n_query = self._settings.n_shot, self._settings.n_query
        takes = [takes[i] for i in rng.permutation(len(takes))]
        first = _part([len(rows) for rows in takes], n_shot, n_query, rng) if self._apart else None
        if first is None:
            rows = rng.permutation(np.concatenate(takes))
            return rows[:n_shot], rows[n_shot : n_shot + n_query]
        support = np.concatenate([takes[i] for i in first])
        query = np.concatenate([rows for i, rows in enumerate(takes) if i not in first])
        return rng.permutation(support)[:n_shot], rng.permutation(query)[:n_query]


def _groups(values: npt.NDArray[np.object_]) -> dict[object, _Rows]:
    """Positions of each value, values in order of their text; those of None are left out."""
    codes, names = pd.factorize(values)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    parts = {name: order[starts[i] : starts[i + 1]] for i, name in enumerate(names)}
    return dict(sorted(parts.items(), key=lambda item: str(item[0])))


def _part(
    sizes: list[int], n_shot: int, n_query: int, rng: np.random.Generator
) -> frozenset[int] | None:
    """Which recordings go to the support, so that both sides have enough; None if none can."""
    # More than this never matters for a side, and it bounds the search below.
    sizes = [min(size, max(n_shot, n_query)) for size in sizes]
    sums = np.cumsum(sizes)
    cuts = np.flatnonzero((sums >= n_shot) & (sums[-1] - sums >= n_query))
    if len(cuts):
        return frozenset(range(int(rng.choice(cuts)) + 1))
    # No cut of this order does: look for any subset whose sum does.
    subsets: dict[int, frozenset[int]] = {0: frozenset()}
    for i, size in enumerate(sizes):
        for total, subset in list(subsets.items()):
            subsets.setdefault(total + size, subset | {i})
    fits = (s for total, s in subsets.items() if n_shot <= total <= sums[-1] - n_query)
    return next(fits, None)
