"""The ROI length: one for all ROIs of a run, given or chosen from their durations."""

import logging

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.settings import Settings

__all__ = ["ROI_LENGTHS", "choose_roi_length", "resolve_roi_length"]

logger = logging.getLogger(__name__)

#: Lengths in seconds that `auto` chooses from.
ROI_LENGTHS = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0)

_PERCENTILE = 90
# Seconds that ROIs must last for the longest of the lengths.
_LONG_FROM = 4.5
# Lengths so many times apart show quite different things.
_FAR = 2


def choose_roi_length(durations: npt.ArrayLike) -> float:
    """The shortest of `ROI_LENGTHS` that holds nine ROIs in ten, else the longest.

    The longest costs twice as much as the one before, so ROIs that are but a little longer than
    that are cut to it.

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
    *shorter, longest = ROI_LENGTHS
    if shorter[-1] < needed < _LONG_FROM:
        return shorter[-1]
    return next((length for length in shorter if length >= needed - 1e-6), longest)


def resolve_roi_length(settings: Settings, durations: npt.ArrayLike) -> Settings:
    """The settings with `audio.roi_s` a number; where it was `auto`, chosen and logged.

    Of a number that is half of what would be chosen, or twice, a hint is logged, unless the hop is
    fixed, as in the published front ends, so that the length is not free.

    Args:
        settings: any settings.
        durations: of the ROIs, in seconds, `(n,)`.

    Raises:
        InputError: the length is `auto` and there are no ROIs.
    """
    given = settings.audio.roi_s
    if given != "auto":
        if settings.front_end.hop == "auto" and np.size(durations):
            _hint(given, choose_roi_length(durations))
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


def _hint(given: float, fitting: float) -> None:
    if max(given, fitting) >= _FAR * min(given, fitting):
        logger.info(
            "ROI length %g s; nine of these ROIs in ten ask for %g s, which --roi-length auto "
            "would take.",
            given,
            fitting,
        )
