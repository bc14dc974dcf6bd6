"""Which ROIs of segmented recordings are used: calls, but neither choruses nor other sounds."""

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.rois.roi_set import RoiSet
from darksound.settings import SegmentationSettings, Settings

__all__ = ["LeftOut", "find_left_out", "keep_all", "keep_calls"]

logger = logging.getLogger(__name__)

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LeftOut:
    """The ROIs of a table that the settings of segmentation leave out.

    Attributes:
        chorus: whether each ROI is left out because it is part of a chorus, `(n,)`.
        low_score: whether it is left out because of its call score, and is no chorus, `(n,)`.
        min_score: the lowest call score of those that are used.
    """

    chorus: Bools
    low_score: Bools
    min_score: float

    @property
    def rows(self) -> Bools:
        """Return whether each ROI is left out, `(n,)`."""
        return self.chorus | self.low_score

    def __str__(self) -> str:
        """Return how many are left out, why, and how to keep them."""
        n_chorus, n_low = int(self.chorus.sum()), int(self.low_score.sum())
        parts = [
            f"{n_chorus} of choruses (--keep-chorus keeps them)" if n_chorus else "",
            f"{n_low} with a call score below {self.min_score:g} (--min-call-score 0 keeps them)"
            if n_low
            else "",
        ]
        return " and ".join(filter(None, parts)) or "none"


def find_left_out(table: pd.DataFrame, settings: SegmentationSettings) -> LeftOut:
    """Return which ROIs of a table are left out of embedding and clustering.

    ROIs without a value in `chorus` or `call_score`, which were not found by segmentation, are
    used. Those of choruses that are kept are used whatever their call score is.

    Args:
        table: with the columns `chorus` and `call_score` of the ROI table.
        settings: `keep_chorus` and `min_call_score` are used.
    """
    chorus = table["chorus"].fillna(False).to_numpy(dtype=bool)
    score = table["call_score"].to_numpy(dtype=np.float32)
    # In the precision of the column, so that a score equal to the limit is used.
    low = (score < np.float32(settings.min_call_score)) & ~chorus
    no_chorus = np.zeros_like(chorus)
    return LeftOut(no_chorus if settings.keep_chorus else chorus, low, settings.min_call_score)


def keep_calls(rois: RoiSet, settings: SegmentationSettings) -> RoiSet:
    """Return the ROIs that are used, and log how many are left out.

    Args:
        rois: of any source.
        settings: `keep_chorus` and `min_call_score` are used.

    Raises:
        InputError: all ROIs are left out.
    """
    left_out = find_left_out(rois.table, settings)
    n_left_out = int(left_out.rows.sum())
    if not n_left_out:
        return rois
    if n_left_out == len(rois):
        raise InputError(f"All {len(rois)} ROIs are left out: {left_out}.")
    logger.info("Left out %d of %d ROIs: %s.", n_left_out, len(rois), left_out)
    return rois.take(np.flatnonzero(~left_out.rows))


def keep_all(settings: Settings) -> Settings:
    """Return settings that leave out no ROI."""
    return settings.replace(segmentation={"keep_chorus": True, "min_call_score": 0.0})
