"""What becomes of a file without times: one ROI, or windows where something sounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf

from darksound.audio.files import AudioInfo
from darksound.data.rois import Problem
from darksound.data.source import Request
from darksound.data.survey import in_threads, survey
from darksound.errors import InputError

__all__ = ["Stretches", "all_left_out", "loud_windows", "stretches", "untimed_rows"]

# In `auto`, a file of up to this many ROI lengths is one ROI.
_WHOLE_UP_TO = 2.0
# Codecs add a few milliseconds that nobody sang in.
_CODEC_S = 0.1
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


def untimed_rows(
    root: Path, files: pd.DataFrame, request: Request
) -> tuple[pd.DataFrame, list[Problem]]:
    """Rows for files without times.

    Args:
        root: what `files.recording` is relative to.
        files: one row a file with `recording` and any more columns, which its ROIs inherit.
        request: the mode, the window length and the floor.

    Returns:
        `files` with each row repeated for each of its ROIs, with `root`, `start_s` and `end_s`;
        and files that were left out.
    """
    recordings: list[str] = files["recording"].tolist()
    known = survey(root, recordings, request.settings)

    def cut(recording: str) -> Stretches:
        return stretches(root / recording, known[recording], request)

    found = in_threads(cut, recordings, request.settings)
    problems = [
        Problem(recording, part.cause)
        for recording, part in zip(recordings, found, strict=True)
        if part.cause is not None
    ]
    counts = [len(part.times) for part in found]
    rows = files.iloc[np.repeat(np.arange(len(files)), counts)].reset_index(drop=True)
    times = np.concatenate([part.times for part in found]) if found else np.zeros((0, 2))
    return rows.assign(root=str(root), start_s=times[:, 0], end_s=times[:, 1]), problems


def stretches(path: Path, info: AudioInfo | InputError, request: Request) -> Stretches:
    """ROIs of one file by the mode of the request."""
    if isinstance(info, InputError):
        return Stretches(np.zeros((0, 2)), str(info))
    window = request.window_s
    whole = request.mode == "whole" or (
        request.mode == "auto" and info.duration_s <= _WHOLE_UP_TO * window + _CODEC_S
    )
    if whole:
        return Stretches(np.array([[0.0, info.duration_s]]))
    return loud_windows(path, info, window, request.settings.rois.window_floor_db)


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
        with sf.SoundFile(path) as sound:
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


def all_left_out(where: str, problems: Sequence[Problem]) -> InputError:
    """The error that says that nothing of a source is usable, and why."""
    causes: Mapping[str, None] = dict.fromkeys(problem.cause for problem in problems[:3])
    return InputError(
        f"None of the {len(problems)} inputs of {where} can be used:\n  " + "\n  ".join(causes)
    )
