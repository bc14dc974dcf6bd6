"""The ROI length: one for all ROIs of a run, given or chosen from their durations."""

import logging

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.settings import Settings

__all__ = ["ROI_LENGTHS", "choose_roi_length", "resolve_roi_length"]

logger = logging.getLogger(__name__)

#: Lengths in seconds that `auto` chooses from.
ROI_LENGTHS = (0.25, 0.5, 1.0, 2.0, 3.0)

_PERCENTILE = 90


def choose_roi_length(durations: npt.ArrayLike) -> float:
    """The shortest of `ROI_LENGTHS` that holds nine ROIs in ten, else the longest.

    Args:
        durations: of the ROIs, in seconds, `(n,)`.

    Raises:
        InputError: there are no ROIs.
    """
    values = np.asarray(durations, dtype=np.float64)
    if values.size == 0:
        raise InputError("A ROI length cannot be chosen: there are no ROIs.")
    needed = float(np.percentile(values, _PERCENTILE))
    # Times kept in seconds carry rounding errors; a microsecond more is not a longer ROI.
    return next((length for length in ROI_LENGTHS if length >= needed - 1e-6), ROI_LENGTHS[-1])


def resolve_roi_length(settings: Settings, durations: npt.ArrayLike) -> Settings:
    """The settings with `audio.roi_s` a number; where it was `auto`, chosen and logged.

    Args:
        settings: any settings.
        durations: of the ROIs, in seconds, `(n,)`.

    Raises:
        InputError: the length is `auto` and there are no ROIs.
    """
    if settings.audio.roi_s != "auto":
        return settings
    chosen = choose_roi_length(durations)
    values = np.asarray(durations, dtype=np.float64)
    logger.info(
        "ROI length %g s: %.0f %% of %d ROIs are no longer.",
        chosen,
        100 * float(np.mean(values <= chosen + 1e-6)),
        values.size,
    )
    return settings.replace(audio={"roi_s": chosen})
