"""Splitting labelled ROIs into training and validation ROIs."""

import logging

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings

__all__ = ["recording_names", "split_rois"]

_Rows = npt.NDArray[np.int64]
logger = logging.getLogger(__name__)
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
