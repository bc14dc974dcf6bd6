"""Which ROIs train and which validate, and few-shot episodes drawn from labelled ROIs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.rois.roi_set import RoiSet
from darksound.settings import EpisodeSettings, Settings

__all__ = ["Episode", "EpisodeSampler", "recording_names", "split_rois"]

_Rows = npt.NDArray[np.int64]

# With fewer classes, recordings are held out: two classes would be a poor validation set.
_MIN_CLASSES = 8


def recording_names(rois: RoiSet) -> npt.NDArray[np.object_]:
    """Return names `(n,)` of the ROIs' recordings, unique over all roots."""
    names = rois.table["root"].astype(str) + "\0" + rois.table["recording"].astype(str)
    return names.to_numpy(dtype=object)


def split_rois(
    rois: RoiSet, settings: Settings, validation: RoiSet | None = None
) -> tuple[RoiSet, RoiSet | None]:
    """Return the labelled ROIs to train on, and those to validate on.

    If the column `split` names training ROIs, it decides. Otherwise `training.validation_share` of
    the classes are held out, or of the recordings of each class if there are few classes. A share
    of 0 means no validation, also where the column names validation ROIs.

    Args:
        rois: ROIs with labels.
        settings: `training.validation_share`, `episodes` and `seed` are used.
        validation: ROIs to validate on, in place of the ones above.

    Raises:
        InputError: no ROI has a label.
    """
    labels = rois.labels
    if labels is None:
        raise InputError(
            "None of these ROIs has a label, and training needs classes; name a folder with one "
            "sub-folder a class, or a table with a column `label`."
        )
    is_labelled = np.array([label is not None for label in labels])
    if not is_labelled.all():
        n_unlabelled = int((~is_labelled).sum())
        logger.info("%d ROIs without a label are not used for training.", n_unlabelled)
    split = rois.table["split"].to_numpy(dtype=object)
    is_train, is_val = split == "train", split == "val"
    if (is_train & is_labelled).any():
        train_rows = np.flatnonzero(is_train & is_labelled)
        val_rows = np.flatnonzero(is_val & is_labelled)
        n_other = int((is_labelled & ~is_train & ~is_val).sum())
        if n_other:
            logger.info("%d ROIs of other splits than train and val are not used.", n_other)
    else:
        train_rows, val_rows = np.flatnonzero(is_labelled), np.zeros(0, dtype=np.int64)
    if validation is not None:
        return rois.take(train_rows), validation
    if settings.training.validation_share == 0:
        return rois.take(train_rows), None
    if not len(val_rows):
        train_rows, val_rows = _hold_out(rois, train_rows, settings)
    return rois.take(train_rows), rois.take(val_rows) if len(val_rows) else None


def _hold_out(rois: RoiSet, rows: _Rows, settings: Settings) -> tuple[_Rows, _Rows]:
    """Return the rows to train on, and the rows that are held out for validation."""
    share = settings.training.validation_share
    rng = numpy_generator(settings.seed, Purpose.HOLD_OUT)
    labels = rois.take(rows).labels
    assert labels is not None  # the rows are labelled
    classes = sorted(set(labels))
    if len(classes) >= _MIN_CLASSES:
        n_held_out = min(max(round(share * len(classes)), 2), len(classes) // 2)
        chosen = {classes[i] for i in rng.choice(len(classes), n_held_out, replace=False)}
        held_out = np.array([label in chosen for label in labels])
        logger.info("%d of %d classes are held out for validation.", n_held_out, len(classes))
    else:
        recordings = recording_names(rois.take(rows))
        held_out = np.zeros(len(rows), dtype=bool)
        for name in classes:
            held_out |= _hold_out_recordings(labels == name, recordings, settings, rng)
        n_held_out = int(held_out.sum())
        logger.info("%d ROIs of %d classes are held out for validation.", n_held_out, len(classes))
    return rows[~held_out], rows[held_out]


def _hold_out_recordings(
    is_member: npt.NDArray[np.bool_],
    recordings: npt.NDArray[np.object_],
    settings: Settings,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Return a mask of held-out ROIs of one class.

    Whole recordings are held out, or single ROIs if the class has one recording. The mask is empty
    unless enough ROIs for an episode remain on both sides.
    """
    n_needed = settings.episodes.n_shot + settings.episodes.n_query
    size = int(is_member.sum())
    n_wanted = max(round(settings.training.validation_share * size), n_needed)
    has_recordings = len(set(recordings[is_member])) > 1
    groups = recordings if has_recordings else np.arange(len(is_member))
    held_out = np.zeros(len(is_member), dtype=bool)
    for group in rng.permutation(sorted(set(groups[is_member]))):
        if held_out.sum() >= n_wanted:
            break
        held_out |= is_member & (groups == group)
    is_enough = n_needed <= held_out.sum() <= size - n_needed
    return held_out if is_enough else np.zeros(len(is_member), dtype=bool)


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
