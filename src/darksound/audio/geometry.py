"""Samples, window, hop and frames of the front end at a sampling rate."""

import math
from dataclasses import dataclass

from darksound.errors import SettingsError
from darksound.settings import Settings

__all__ = ["Geometry", "geometry"]

# At 48 kHz and 3 s the default has 192 frames, a hop of 750 and a window of 1024; a window
# shorter than 512 at 48 kHz tells no bird's pitch any more.
_WINDOW_PER_HOP = 1024 / 750
_LEAST_WINDOW_S = 512 / 48_000


@dataclass(frozen=True)
class Geometry:
    """How a ROI is cut into frames.

    Attributes:
        rate: sampling rate in Hz.
        length: samples of a ROI.
        hop: samples from frame to frame.
        window: samples of a frame's window.
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
        """First frame, and the one after the last, of `samples` centred in a ROI."""
        padding = self.length - samples
        start = padding - padding // 2
        first = min(-(-start // self.hop), self.frames - 1)
        stop = min((start + samples - 1) // self.hop + 1, self.frames)
        return first, max(stop, first + 1)


def geometry(settings: Settings, rate: int) -> Geometry:
    """The geometry that the settings ask for at a rate.

    Args:
        settings: with `audio.roi_s` a number.
        rate: in Hz.

    Raises:
        SettingsError: the ROI length is still `auto`, shorter than a window, has too few samples
            for its frames, or the bands lie above half the rate.
    """
    front_end, roi_s = settings.front_end, settings.audio.roi_s
    if roi_s == "auto":
        raise SettingsError("audio.roi_s is still auto; choose it by resolve_roi_length first.")
    length = round(roi_s * rate)
    wanted = front_end.frames(roi_s)
    hop = length // wanted if front_end.hop == "auto" else front_end.hop
    if hop == 0:
        raise SettingsError(
            f"front_end.n_frames is {front_end.n_frames}, but a ROI of {roi_s:g} s at {rate} Hz "
            f"has only {length} samples; ask for fewer frames or a longer audio.roi_s."
        )
    window = _auto_window(hop, rate) if front_end.n_fft == "auto" else front_end.n_fft
    high_hz = rate / 2 if front_end.high_hz == "nyquist" else min(front_end.high_hz, rate / 2)
    if high_hz <= front_end.low_hz:
        raise SettingsError(
            f"front_end.low_hz is {front_end.low_hz:g}, but sound at {rate} Hz ends at "
            f"{rate / 2:g} Hz; lower it, or set audio.sample_rate."
        )
    if length <= window // 2:
        raise SettingsError(
            f"front_end.n_fft: a window of {window} samples is too long for a ROI of {roi_s:g} s "
            f"({length} samples); shorten it or raise audio.roi_s."
        )
    every = 1 + length // hop
    frames = every if front_end.hop != "auto" else min(every, wanted)
    return Geometry(rate, length, hop, window, frames, front_end.low_hz, high_hz)


def _auto_window(hop: int, rate: int) -> int:
    """The power of two that spans the hop as the default's does, and at least its shortest."""
    samples = max(hop * _WINDOW_PER_HOP, _LEAST_WINDOW_S * rate)
    return int(2 ** math.ceil(math.log2(samples) - 1e-9))
