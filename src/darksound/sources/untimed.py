"""What becomes of a file without times: one ROI, windows, or the sound units found in it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf

from darksound.audio.files import AudioInfo, open_sound
from darksound.audio.origin import Origin
from darksound.errors import InputError
from darksound.parallel.workers import in_threads, survey
from darksound.rois.roi_set import Problem
from darksound.segmentation.recordings import Tolerance
from darksound.sources.contract import Request
from darksound.sources.recordings import origins_of, told_by

__all__ = ["Stretches", "Untimed", "all_left_out", "loud_windows", "untimed_rows"]

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


logger = logging.getLogger(__name__)

# In `auto`, a file of up to this many ROI lengths is one ROI.
_WHOLE_UP_TO = 2.0
# Codecs add a few milliseconds that nobody sang in.
_CODEC_S = 0.1


_NO_ROWS = pd.DataFrame({"start_s": np.empty(0), "end_s": np.empty(0)})


@dataclass(frozen=True)
class Untimed:
    """What became of files without times.

    Attributes:
        rows: a row a ROI.
        problems: files of which part or all was left out.
        usable: whether any file could be used, though nothing may sound in it.
    """

    rows: pd.DataFrame
    problems: list[Problem]
    usable: bool


@dataclass(frozen=True)
class _Cut:
    """ROIs of one file, a row each with `start_s`, `end_s` and maybe more; why some are not."""

    rows: pd.DataFrame
    cause: str | None = None


def untimed_rows(root: Path, files: pd.DataFrame, request: Request) -> Untimed:
    """Rows for files without times.

    Args:
        root: what `files.recording` is relative to.
        files: one row a file with `recording` and any more columns, which its ROIs inherit.
        request: the mode, the window length and the floor.

    Returns:
        `files` with each row repeated for each of its ROIs, with `root`, `start_s`, `end_s`, what
        segmentation tells more, and what recordings tell of their origin.

    Raises:
        InputError: too many recordings cannot be used, or annotations are asked for.
    """
    if request.mode == "annotations":
        raise InputError(
            f"{root}: annotations are looked for in folders; name the folder, or the annotation "
            "file itself."
        )
    recordings: list[str] = files["recording"].tolist()
    tolerance = Tolerance(len(recordings), request.settings.segmentation.max_bad)
    asked = survey(root, recordings, request.settings)
    known = {name: info for name, info in asked.items() if isinstance(info, AudioInfo)}
    cuts = {
        name: _Cut(_NO_ROWS, tolerance.note(str(error)))
        for name, error in asked.items()
        if isinstance(error, InputError)
    }
    origins = origins_of(root, list(known), request.settings)
    cuts |= _segmented(root, known, origins, request, tolerance)
    others = [name for name in recordings if name not in cuts]

    def cut(name: str) -> _Cut:
        return _cut(root / name, known[name], request)

    cuts |= zip(others, in_threads(cut, others, request.settings), strict=True)
    causes = {name: one.cause for name, one in cuts.items()}
    for name, info in known.items():
        causes[name] = causes[name] or _cut_short(root / name, info, origins[name])
    problems = [Problem(name, cause) for name in recordings if (cause := causes[name]) is not None]
    usable = any(len(one.rows) or one.cause is None for one in cuts.values())
    return Untimed(_table(root, files, cuts, origins), problems, usable)


def all_left_out(where: str, problems: Sequence[Problem]) -> InputError:
    """The error that says that nothing of a source is usable, and why."""
    causes: Mapping[str, None] = dict.fromkeys(problem.cause for problem in problems[:3])
    return InputError(
        f"None of the {len(problems)} inputs of {where} can be used:\n  " + "\n  ".join(causes)
    )


def _segmented(
    root: Path,
    known: Mapping[str, AudioInfo],
    origins: Mapping[str, Origin],
    request: Request,
    tolerance: Tolerance,
) -> dict[str, _Cut]:
    """The files that are to be segmented, with their units."""
    wanted = {
        name: info
        for name, info in known.items()
        if request.mode == "segment"
        or (
            request.mode == "auto"
            and origins[name].from_recorder
            and not _is_short(info, request.window_s)
        )
    }
    if not wanted:
        return {}
    if request.mode == "auto":
        logger.info(
            "%d recordings that tell when a recorder made them are segmented; --rois windows takes "
            "windows of %g s instead.",
            len(wanted),
            request.window_s,
        )
    # SciPy takes a while to import, and only segmentation needs it.
    from darksound.segmentation.recordings import segment_files

    found = segment_files(
        root,
        wanted,
        request.settings,
        tolerance,
        progress=request.progress,
        on_chunks=request.on_chunks,
    )
    return {name: _Cut(segments.rows, segments.cause) for name, segments in found.items()}


def _cut(path: Path, info: AudioInfo, request: Request) -> _Cut:
    """ROIs of a file that is not segmented."""
    window = request.window_s
    if request.mode == "whole" or (request.mode == "auto" and _is_short(info, window)):
        return _Cut(pd.DataFrame({"start_s": [0.0], "end_s": [info.duration_s]}))
    found = loud_windows(path, info, window, request.settings.rois.window_floor_db)
    rows = pd.DataFrame({"start_s": found.times[:, 0], "end_s": found.times[:, 1]})
    return _Cut(rows, found.cause)


def _is_short(info: AudioInfo, window_s: float) -> bool:
    return info.duration_s <= _WHOLE_UP_TO * window_s + _CODEC_S


def _cut_short(path: Path, info: AudioInfo, origin: Origin) -> str | None:
    if origin.missing == 0:
        return None
    announced = info.duration_s / (1 - origin.missing)
    return (
        f"{path}: cut short: its header announces {announced:.1f} s, {info.duration_s:.1f} s are "
        "there; those are used. Copy it again if it is whole elsewhere."
    )


def _table(
    root: Path, files: pd.DataFrame, cuts: Mapping[str, _Cut], origins: Mapping[str, Origin]
) -> pd.DataFrame:
    """The files' rows, repeated for each of their ROIs, beside those."""
    recordings = files["recording"].tolist()
    counts = [len(cuts[name].rows) for name in recordings]
    told = pd.DataFrame([told_by(origins.get(name, Origin())) for name in recordings], files.index)
    rows = pd.concat([files.drop(columns=told.columns, errors="ignore"), told], axis=1)
    rows["root"] = str(root)
    repeated = rows.iloc[np.repeat(np.arange(len(rows)), counts)].reset_index(drop=True)
    kept = [cuts[name].rows for name in recordings if len(cuts[name].rows)]
    found = pd.concat(kept or [_NO_ROWS], ignore_index=True)
    inherited = repeated.drop(columns=found.columns, errors="ignore")
    return pd.concat([inherited, found], axis=1)
