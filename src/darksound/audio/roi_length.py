"""The ROI length: one for all ROIs of a run, given or chosen from their durations."""

import logging

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.settings import AudioSettings, FrontEndSettings

__all__ = ["ROI_LENGTHS", "choose_roi_length", "resolve_roi_length"]

logger = logging.getLogger(__name__)

#: Lengths in seconds that `auto` chooses from.
ROI_LENGTHS = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0)

_PERCENTILE = 90
# The longest ROI length is chosen from this duration on, in seconds.
_MIN_FOR_LONGEST_S = 4.5
# A given length is questioned if it differs from the chosen one by this factor.
_HINT_FACTOR = 2


def choose_roi_length(durations: npt.ArrayLike) -> float:
    """Return the shortest of `ROI_LENGTHS` that holds nine ROIs in ten, else the longest.

    The longest costs twice as much as the one before it, so ROIs that are only a little longer
    than that one are cut.

    Args:
        durations: of the ROIs, in seconds, `(n,)`.

    Raises:
        InputError: there are no ROIs.
    """
    values = np.asarray(durations, dtype=np.float64)
    if values.size == 0:
        raise InputError("A ROI length cannot be chosen: there are no ROIs.")
    needed = float(np.percentile(values, _PERCENTILE))
    *shorter, longest = ROI_LENGTHS
    if shorter[-1] < needed < _MIN_FOR_LONGEST_S:
        return shorter[-1]
    # Times in seconds have rounding errors; a microsecond more is not a longer ROI.
    return next((length for length in shorter if length >= needed - 1e-6), longest)


def resolve_roi_length(
    durations: npt.ArrayLike, audio: AudioSettings, front_end: FrontEndSettings
) -> float:
    """Return the ROI length in seconds; if it is `auto`, choose and log it.

    If a given length is at most half of the chosen one, or at least twice, a hint is logged,
    unless the hop is fixed: then, as in the published front ends, the length is not free.

    Args:
        durations: of the ROIs, in seconds, `(n,)`.
        audio: `roi_s` is used.
        front_end: `hop` is used.

    Raises:
        InputError: the length is `auto` and there are no ROIs.
    """
    given = audio.roi_s
    if given != "auto":
        if front_end.hop == "auto" and np.size(durations):
            _log_hint(given, choose_roi_length(durations))
        return given
    chosen = choose_roi_length(durations)
    values = np.asarray(durations, dtype=np.float64)
    logger.info(
        "ROI length %g s: %.0f %% of %d ROIs are no longer.",
        chosen,
        100 * float(np.mean(values <= chosen + 1e-6)),
        values.size,
    )
    return chosen


def _log_hint(given: float, chosen: float) -> None:
    if max(given, chosen) >= _HINT_FACTOR * min(given, chosen):
        logger.info(
            "ROI length %g s; for these durations --roi-length auto would choose %g s, which holds "
            "nine ROIs in ten.",
            given,
            chosen,
        )
