"""Which ROIs are trained on and which judge the training."""

import logging

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings

__all__ = ["part_rois", "recording_names"]

_Rows = npt.NDArray[np.int64]
logger = logging.getLogger(__name__)
# Below this many classes, validating on two of them would tell little and cost much.
_FEWEST_CLASSES = 8


def recording_names(rois: RoiSet) -> npt.NDArray[np.object_]:
    """`(n,)` names that tell recordings of different roots apart."""
    names = rois.table["root"].astype(str) + "\0" + rois.table["recording"].astype(str)
    return names.to_numpy(dtype=object)


def part_rois(
    rois: RoiSet, settings: Settings, validation: RoiSet | None
) -> tuple[RoiSet, RoiSet | None]:
    """The labelled ROIs to train on, and those to validate on.

    The table's `split` decides where it names training ROIs. Else `training.validation_share` of
    the classes are held out, or of each class's recordings where classes are few.

    Raises:
        InputError: no ROI has a label.
    """
    labels = rois.labels
    if labels is None:
        raise InputError(
            "None of these ROIs has a label, and training needs classes; name a folder with one "
            "sub-folder a class, or a table with a column `label`."
        )
    labelled = np.array([label is not None for label in labels])
    if not labelled.all():
        logger.info("%d ROIs without a label are not trained on", int((~labelled).sum()))
    split = rois.table["split"].to_numpy(dtype=object)
    is_train, is_val = split == "train", split == "val"
    if (is_train & labelled).any():
        train = np.flatnonzero(is_train & labelled)
        held = np.flatnonzero(is_val & labelled)
        others = int((labelled & ~is_train & ~is_val).sum())
        if others:
            logger.info("%d ROIs of splits other than train and val are not trained on", others)
    else:
        train, held = np.flatnonzero(labelled), np.zeros(0, dtype=np.int64)
    if validation is not None:
        return rois.take(train), validation
    if not len(held):
        train, held = _hold_out(rois, train, settings)
    return rois.take(train), rois.take(held) if len(held) else None


def _hold_out(rois: RoiSet, rows: _Rows, settings: Settings) -> tuple[_Rows, _Rows]:
    share = settings.training.validation_share
    if share == 0:
        return rows, rows[:0]
    rng = numpy_generator(settings.seed, Purpose.HOLD_OUT)
    labels = rois.take(rows).labels
    assert labels is not None  # rows are labelled
    classes = sorted(set(labels))
    if len(classes) >= _FEWEST_CLASSES:
        n_held = min(max(round(share * len(classes)), 2), len(classes) // 2)
        chosen = {classes[i] for i in rng.choice(len(classes), n_held, replace=False)}
        held = np.array([label in chosen for label in labels])
        logger.info("%d of %d classes are held out to validate", n_held, len(classes))
    else:
        recordings = recording_names(rois.take(rows))
        held = np.zeros(len(rows), dtype=bool)
        for name in classes:
            held |= _some_recordings(labels == name, recordings, settings, rng)
        logger.info("%d ROIs of %d classes are held out to validate", int(held.sum()), len(classes))
    return rows[~held], rows[held]


def _some_recordings(
    member: npt.NDArray[np.bool_],
    recordings: npt.NDArray[np.object_],
    settings: Settings,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Recordings of one class, or ROIs where it has but one, that leave both sides an episode."""
    needed = settings.episodes.n_shot + settings.episodes.n_query
    size = int(member.sum())
    wanted = max(round(settings.training.validation_share * size), needed)
    units = recordings if len(set(recordings[member])) > 1 else np.arange(len(member))
    held = np.zeros(len(member), dtype=bool)
    for unit in rng.permutation(sorted(set(units[member]))):
        if held.sum() >= wanted:
            break
        held |= member & (units == unit)
    enough = needed <= held.sum() <= size - needed
    return held if enough else np.zeros(len(member), dtype=bool)
