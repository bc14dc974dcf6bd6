"""Windows of a file, where something sounds."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from darksound.audio.files import AudioInfo, open_sound

__all__ = ["Stretches", "loud_windows"]

# A remainder of at least this share of a window is a window.
_LEAST_WINDOW = 0.5


@dataclass(frozen=True)
class Stretches:
    """ROIs of one file.

    Attributes:
        times: starts and ends in seconds, `(n, 2)`.
        cause: why part or all of the file was left out; None where nothing was.
    """

    times: npt.NDArray[np.float64]
    cause: str | None = None


def loud_windows(path: Path, info: AudioInfo, window_s: float, floor_db: float) -> Stretches:
    """Consecutive windows of a file, those far below its loudest one left out.

    The file is read once, a window at a time. A file damaged somewhere keeps the windows before.

    Args:
        path: the file.
        info: what it says of itself.
        window_s: length of a window in seconds; what remains at the end becomes a shorter one
            if it is at least half as long.
        floor_db: windows whose RMS lies this many dB below the loudest window's are left out.
    """
    levels, spans, cause = _window_levels(path, info, window_s)
    power = np.asarray(levels)
    if not np.isfinite(power).all():
        bad = int(np.flatnonzero(~np.isfinite(power))[0])
        return Stretches(
            np.zeros((0, 2)),
            f"{path}: samples that are no numbers (NaN or infinity) from {spans[bad][0]:.1f} s on; "
            f"export the file again or leave it out.",
        )
    if cause is None and not spans:
        cause = (
            f"{path}: lasts {info.duration_s:.3f} s, less than half a window of {window_s:g} s; "
            f"take it whole."
        )
    elif cause is None and not power.any():
        cause = f"{path}: silent, every sample is zero; leave it out."
    keep = power > power.max(initial=0.0) * 10 ** (-floor_db / 10)
    return Stretches(np.asarray(spans, dtype=np.float64).reshape(-1, 2)[keep], cause)


def _window_levels(
    path: Path, info: AudioInfo, window_s: float
) -> tuple[list[float], list[tuple[float, float]], str | None]:
    """Mean power and span of each window, and what stopped the reading."""
    levels: list[float] = []
    spans: list[tuple[float, float]] = []
    # Counted in whole windows from the start, so that starts do not drift with rounding.
    edges = np.round(np.arange(0.0, info.duration_s + window_s, window_s) * info.rate).astype(int)
    try:
        with open_sound(path) as sound:
            for first, last in pairwise(edges.tolist()):
                block = sound.read(last - first, dtype="float32", always_2d=True)
                if len(block) < _LEAST_WINDOW * (last - first):
                    break
                mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
                levels.append(float(np.dot(mono, mono)) / len(mono))
                spans.append((first / info.rate, (first + len(block)) / info.rate))
    except (sf.SoundFileError, OSError) as error:
        after = f" after {spans[-1][1]:.1f} s" if spans else ""
        return levels, spans, f"{path}: damaged{after} ({error}); what follows is left out."
    return levels, spans, None
