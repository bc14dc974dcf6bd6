"""The ROI length, and samples, window, hop and frames of the front end at a sampling rate."""

import logging
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError, SettingsError
from darksound.settings import AudioSettings, FrontEndSettings, Settings

__all__ = [
    "ROI_LENGTHS",
    "Geometry",
    "choose_roi_length",
    "make_geometry",
    "resolve_roi_length",
    "with_roi_length",
]

# At 48 kHz and 3 s the default has 192 frames, a hop of 750 and a window of 1024. A window shorter
# than 512 samples at 48 kHz does not resolve the pitch of birds.
_WINDOW_PER_HOP = 1024 / 750
_MIN_WINDOW_S = 512 / 48_000


@dataclass(frozen=True)
class Geometry:
    """How a ROI is divided into frames.

    Attributes:
        rate: sampling rate in Hz.
        length: samples of a ROI.
        hop: samples from frame to frame.
        window: samples of the window of a frame.
        frames: number of frames; frame i is centred on sample i * hop.
        low_hz: lower edge of the bands.
        high_hz: upper edge of the bands, at most half the rate.
    """

    rate: int
    length: int
    hop: int
    window: int
    frames: int
    low_hz: float
    high_hz: float

    def span(self, samples: int) -> tuple[int, int]:
        """Return the first frame, and the one after the last, of `samples` centred in a ROI."""
        padding = self.length - samples
        start = padding - padding // 2
        first = min(-(-start // self.hop), self.frames - 1)
        stop = min((start + samples - 1) // self.hop + 1, self.frames)
        return first, max(stop, first + 1)


def make_geometry(audio: AudioSettings, front_end: FrontEndSettings, rate: int) -> Geometry:
    """Return the geometry at a sampling rate.

    Args:
        audio: `roi_s` must be a number.
        front_end: frames, hop, window and frequency limits.
        rate: in Hz.

    Raises:
        SettingsError: the ROI length is still `auto`, is shorter than a window or has too few
            samples for its frames, or the bands are above half the rate.
    """
    roi_s = audio.roi_s
    if roi_s == "auto":
        raise SettingsError("audio.roi_s is still auto; choose it by resolve_roi_length first.")
    length = round(roi_s * rate)
    n_frames = front_end.frames(roi_s)
    hop = length // n_frames if front_end.hop == "auto" else front_end.hop
    if hop == 0:
        raise SettingsError(
            f"front_end.n_frames is {front_end.n_frames}, but a ROI of {roi_s:g} s at {rate} Hz "
            f"has only {length} samples; set fewer frames or a longer audio.roi_s."
        )
    window = _auto_window(hop, rate) if front_end.n_fft == "auto" else front_end.n_fft
    high_hz = rate / 2 if front_end.high_hz == "nyquist" else min(front_end.high_hz, rate / 2)
    if high_hz <= front_end.low_hz:
        raise SettingsError(
            f"front_end.low_hz is {front_end.low_hz:g}, but audio at {rate} Hz ends at "
            f"{rate / 2:g} Hz; lower it, or set audio.sample_rate."
        )
    if length <= window // 2:
        raise SettingsError(
            f"front_end.n_fft: a window of {window} samples is too long for a ROI of {roi_s:g} s "
            f"({length} samples); shorten it or raise audio.roi_s."
        )
    max_frames = 1 + length // hop
    frames = max_frames if front_end.hop != "auto" else min(max_frames, n_frames)
    return Geometry(rate, length, hop, window, frames, front_end.low_hz, high_hz)


def _auto_window(hop: int, rate: int) -> int:
    """Return the power of two with the default's ratio of window to hop, not below the minimum."""
    samples = max(hop * _WINDOW_PER_HOP, _MIN_WINDOW_S * rate)
    return int(2 ** math.ceil(math.log2(samples) - 1e-9))


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
        # A single ROI, such as a clip to search for, says nothing of the others.
        if front_end.hop == "auto" and np.size(durations) > 1:
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


def with_roi_length(settings: Settings, durations: npt.ArrayLike) -> Settings:
    """Return the settings with the ROI length that these durations `(n,)` in seconds choose.

    Further ROIs, of other durations, are then embedded alike.
    """
    if settings.audio.roi_s != "auto":
        return settings
    return settings.replace(audio={"roi_s": choose_roi_length(durations)})


def _log_hint(given: float, chosen: float) -> None:
    if max(given, chosen) >= _HINT_FACTOR * min(given, chosen):
        logger.info(
            "ROI length %g s; for these durations --roi-length auto would choose %g s.",
            given,
            chosen,
        )
