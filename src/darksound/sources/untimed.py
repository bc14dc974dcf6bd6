"""Divide files without times into ROIs: the whole file, windows, or detected sound units."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf

from darksound.audio.files import AudioInfo, open_audio, problem_of
from darksound.audio.mixing import mix_channels
from darksound.audio.names import recording_path
from darksound.audio.recording_metadata import RecordingMetadata
from darksound.errors import InputError, failure_cause
from darksound.parallel.workers import map_in_threads
from darksound.rois.roi_set import Problem
from darksound.segmentation.recordings import RecordingRois, UnusableLimit
from darksound.sources.contract import LoadOptions
from darksound.sources.looked_at import LookedAt, ProbedFiles, effort_rows, probe_files
from darksound.sources.recordings import log_missing_times, origin_columns
from darksound.text import path_text

__all__ = [
    "FileRois",
    "UntimedRois",
    "divide_files",
    "is_short",
    "loud_windows",
    "no_usable_input",
]

logger = logging.getLogger(__name__)

# In `auto`, a file of up to this many ROI lengths is one ROI.
_MAX_WHOLE_WINDOWS = 2.0
# Codecs add a few milliseconds to a file, and may state them without decoding them.
_CODEC_S = 0.1
# The rest of a file is a window if it has at least this share of a window's length.
_MIN_WINDOW_SHARE = 0.5
_NO_ROWS = pd.DataFrame({"start_s": np.empty(0), "end_s": np.empty(0)})


@dataclass(frozen=True)
class FileRois:
    """ROIs of one file.

    Attributes:
        rows: a row a ROI: `start_s`, `end_s` in seconds, and more columns after segmentation.
        cause: why part or all of the file was left out; None if nothing was.
        searched: what of the file was searched for ROIs; None if nothing was.
    """

    rows: pd.DataFrame
    cause: str | None = None
    searched: LookedAt | None = None


@dataclass(frozen=True)
class UntimedRois:
    """ROIs of several files without times.

    Attributes:
        rows: a row a ROI.
        problems: files of which part or all was left out.
        usable: whether any file could be used, even if no ROI was detected in it.
        effort: a row a file, columns of `darksound.rois.effort.EFFORT_SCHEMA`.
    """

    rows: pd.DataFrame
    problems: list[Problem]
    usable: bool
    effort: pd.DataFrame


def loud_windows(path: Path, info: AudioInfo, window_s: float, threshold_db: float) -> FileRois:
    """Divide a file into consecutive windows, and leave out quiet ones.

    The file is read once, a window at a time. A damaged file keeps the windows before the damage.

    Args:
        path: the file.
        info: its length and rate.
        window_s: length of a window in seconds. The rest at the end is a shorter window if it has
            at least half of that length.
        threshold_db: windows whose RMS level is this many dB below the loudest window's are left
            out.
    """
    powers, spans, cause = _window_powers(path, info, window_s)
    power = np.asarray(powers)
    if not np.isfinite(power).all():
        first_bad = int(np.flatnonzero(~np.isfinite(power))[0])
        return FileRois(
            _NO_ROWS,
            f"{path}: samples that are not numbers (NaN or infinity) from "
            f"{spans[first_bad][0]:.1f} s on; export the file again or leave it out.",
        )
    if cause is None and not spans:
        cause = (
            f"{path}: lasts {info.duration_s:.3f} s, less than half a window of {window_s:g} s; "
            "use it as one ROI with --rois whole."
        )
    elif spans and not power.any():
        cause = f"{path}: silent, every sample is zero; leave it out."
    loud = power > power.max(initial=0.0) * 10 ** (-threshold_db / 10)
    times = np.asarray(spans, dtype=np.float64).reshape(-1, 2)[loud]
    searched_s = 0.0 if not power.any() else info.duration_s if cause is None else spans[-1][1]
    rows = pd.DataFrame({"start_s": times[:, 0], "end_s": times[:, 1]})
    return FileRois(rows, cause, LookedAt(searched_s))


def _window_powers(
    path: Path, info: AudioInfo, window_s: float
) -> tuple[list[float], list[tuple[float, float]], str | None]:
    """Return mean power and span of each window, and why the reading ended before the file did."""
    powers: list[float] = []
    spans: list[tuple[float, float]] = []
    n_read = 0
    try:
        with open_audio(path) as sound:
            for number in count():
                # Counted in whole windows from the start, so that starts do not drift.
                first, last = (round(n * window_s * info.rate) for n in (number, number + 1))
                block = sound.read(last - first, dtype="float32", always_2d=True)
                n_read += len(block)
                if len(block) == 0 or len(block) < _MIN_WINDOW_SHARE * (last - first):
                    break
                powers.append(_mean_power(mix_channels(block).samples))
                spans.append((first / info.rate, (first + len(block)) / info.rate))
            problem = problem_of(sound)
    except (sf.SoundFileError, OSError) as error:
        after = f" after {spans[-1][1]:.1f} s" if spans else ""
        return powers, spans, f"{path}: damaged{after} ({error}); the rest is left out."
    if n_read < info.frames - _CODEC_S * info.rate:
        problem = (
            f"{path}: ends after {n_read / info.rate:.1f} s, and its header states "
            f"{info.duration_s:.1f} s; what is there is used. Copy the file again if the original "
            "is complete."
        )
    return powers, spans, problem


def _mean_power(samples: npt.NDArray[np.float32]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        energy = float(np.dot(samples, samples))
    if not np.isfinite(energy):
        # Numbers whose squares are beyond single precision are loud, not damaged.
        energy = float(np.square(samples, dtype=np.float64).sum())
    return energy / len(samples)


def divide_files(
    root: Path, files: pd.DataFrame, options: LoadOptions, probed: ProbedFiles | None = None
) -> UntimedRois:
    """Return the ROIs of files without times.

    Args:
        root: folder that `files.recording` is relative to.
        files: one row a file: `recording`, and any further columns, which its ROIs inherit.
        options: the mode, the window length and the level threshold.
        probed: headers and origins of the files, if they are known.

    Returns:
        `files`, each row repeated for each of its ROIs, with `root`, `start_s`, `end_s`, the
        columns of segmentation, and the columns of the recordings' origins.

    Raises:
        InputError: too many recordings cannot be used, or the mode is `annotations`.
    """
    if options.mode == "annotations":
        raise InputError(
            f"{root}: annotations are searched for in folders; give the folder or the annotation "
            "file itself."
        )
    settings = options.settings
    recordings: list[str] = files["recording"].tolist()
    limit = UnusableLimit(len(recordings), settings.segmentation.max_unusable)
    probed = probed or probe_files(root, recordings, settings.compute)
    infos = probed.infos
    rois = {
        name: FileRois(_NO_ROWS, limit.add(str(error))) for name, error in probed.errors.items()
    }
    origins = {name: probed.origins[name] for name in infos}
    treatments = {name: _treatment(info, origins[name], options) for name, info in infos.items()}
    segmented = [name for name, treatment in treatments.items() if treatment == "segment"]
    if options.mode == "auto":
        _log_treatments(root, list(treatments.values()), options.window_s)
    log_missing_times(
        {name: origin.recorded_at for name, origin in origins.items()}, even_if_all=bool(segmented)
    )
    rois |= _segmented_rois(root, {name: infos[name] for name in segmented}, options, limit)
    others = [name for name in recordings if name not in rois]

    def divide(name: str) -> FileRois:
        path = recording_path(root, name)
        try:
            return _whole_or_windows(path, infos[name], treatments[name], options)
        except Exception as error:
            return FileRois(_NO_ROWS, failure_cause(path, error))

    rois |= zip(others, map_in_threads(divide, others, settings.compute), strict=True)
    causes = {name: file_rois.cause for name, file_rois in rois.items()}
    for name, info in infos.items():
        causes[name] = causes[name] or info.problem
    problems = [Problem(name, cause) for name in recordings if (cause := causes[name]) is not None]
    usable = any(len(each.rows) or each.cause is None for each in rois.values())
    searched = {name: each.searched for name, each in rois.items() if each.searched is not None}
    effort = effort_rows(root, files, probed, searched)
    return UntimedRois(_table(root, files, rois, origins), problems, usable, effort)


def no_usable_input(source: str, problems: Sequence[Problem]) -> InputError:
    """Return the error for a source without any usable input, with the first causes."""
    causes: Mapping[str, None] = dict.fromkeys(problem.cause for problem in problems[:3])
    return InputError(
        f"None of the {len(problems)} inputs of {source} can be used:\n  " + "\n  ".join(causes)
    )


def _treatment(info: AudioInfo, origin: RecordingMetadata, options: LoadOptions) -> str:
    """Return what a file is divided into: `whole`, `windows` or `segment`."""
    if options.mode != "auto":
        return options.mode
    if is_short(info, options.window_s):
        return "whole"
    return "segment" if origin.by_recorder else "windows"


def _log_treatments(root: Path, treatments: Sequence[str], window_s: float) -> None:
    """Log how many files are segmented, divided into windows and whole, unless all are whole."""
    texts = {
        "segment": "segmented (a recorder's name or header)",
        "windows": f"cut into windows of {window_s:g} s (no recorder's name or header)",
        "whole": f"whole (up to {_MAX_WHOLE_WINDOWS * window_s:g} s)",
    }
    counts = [(treatments.count(name), text) for name, text in texts.items()]
    used = [(n, text) for n, text in counts if n]
    if treatments.count("whole") == len(treatments):
        return
    recordings = "recording" if used[0][0] == 1 else "recordings"
    logger.info(
        "%s: %d %s %s; --rois segment or --rois windows treats all in one way.",
        path_text(root),
        used[0][0],
        recordings,
        ", ".join([used[0][1], *(f"{n} {text}" for n, text in used[1:])]),
    )


def _segmented_rois(
    root: Path,
    infos: Mapping[str, AudioInfo],
    options: LoadOptions,
    limit: UnusableLimit,
) -> dict[str, FileRois]:
    """Return the detected sound units of files."""
    if not infos:
        return {}
    # SciPy takes a while to import, and only segmentation needs it.
    from darksound.segmentation.recordings import segment_files

    segmentation = options.settings.segmentation
    rates = [info.rate for info in infos.values()]
    high_hz = min(segmentation.high_hz, max(rates) / 2)

    def use_chunks(chunks: pd.DataFrame) -> None:
        _log_searched_band(chunks, segmentation.low_hz, high_hz)
        options.on_chunks(chunks)

    segments = segment_files(
        root,
        infos,
        options.settings,
        limit,
        progress=options.progress,
        on_chunks=use_chunks,
    )
    return {
        name: FileRois(each.rows, each.cause, _searched(each)) for name, each in segments.items()
    }


def _searched(segmented: RecordingRois) -> LookedAt:
    """Return the seconds of the chunks in which there is any sound, and the chunks."""
    chunks = segmented.chunks
    seconds = (chunks["end_s"] - chunks["start_s"])[np.isfinite(chunks["level_db"])]
    return LookedAt(float(seconds.sum()), chunks)


def _log_searched_band(chunks: pd.DataFrame, low_hz: float, high_hz: float) -> None:
    """Log which band was searched, and the shares of the energy in it, below and above.

    The gains of recordings differ, so shares are of each recording's energy, and their means are
    weighted by the lengths of the recordings.

    Args:
        chunks: of all recordings, as `segment_files` returns them.
        low_hz: the lowest frequency that was searched.
        high_hz: the highest one in the recording of the highest rate.
    """
    if chunks.empty:
        return
    seconds = chunks["end_s"] - chunks["start_s"]
    energies = seconds * 10 ** (chunks["level_db"] / 10)
    parts = pd.DataFrame({"seconds": seconds, "all": energies})
    for side in ("below", "above"):
        parts[side] = energies * chunks[f"{side}_share"]
    totals = parts.groupby([chunks["root"], chunks["recording"]]).sum()
    totals = totals[totals["all"] > 0]
    if totals.empty:
        return
    shares = totals[["below", "above"]].div(totals["all"], axis=0).mul(totals["seconds"], axis=0)
    below, above = (100 * shares.sum() / totals["seconds"].sum()).tolist()
    logger.info(
        "Searched %s to %s Hz, where %s of the energy is; %s is below and %s above (--low-hz, "
        "--high-hz).",
        f"{low_hz:,.0f}",
        f"{high_hz:,.0f}",
        *(_percent(share) for share in (100 - below - above, below, above)),
    )


def _percent(share: float) -> str:
    """Return a share in percent; neither a little nor nearly all is rounded to none or all."""
    if 0 < share < 1:
        return "less than 1 %"
    return "more than 99 %" if 99 < share < 100 else f"{share:.0f} %"


def _whole_or_windows(
    path: Path, info: AudioInfo, treatment: str, options: LoadOptions
) -> FileRois:
    if treatment == "whole":
        rows = pd.DataFrame({"start_s": [0.0], "end_s": [info.duration_s]})
        return FileRois(rows, None, LookedAt(info.duration_s))
    return loud_windows(path, info, options.window_s, options.settings.rois.window_threshold_db)


def is_short(info: AudioInfo, window_s: float) -> bool:
    """Return whether a file is so short that it is one ROI in the mode `auto`."""
    return info.duration_s <= _MAX_WHOLE_WINDOWS * window_s + _CODEC_S


def _table(
    root: Path,
    files: pd.DataFrame,
    rois: Mapping[str, FileRois],
    origins: Mapping[str, RecordingMetadata],
) -> pd.DataFrame:
    """Return the files' rows, repeated for each of their ROIs, beside the ROIs' columns."""
    recordings = files["recording"].tolist()
    counts = [len(rois[name].rows) for name in recordings]
    origin_table = pd.DataFrame(
        [origin_columns(origins.get(name, RecordingMetadata())) for name in recordings], files.index
    )
    rows = pd.concat(
        [files.drop(columns=origin_table.columns, errors="ignore"), origin_table], axis=1
    )
    rows["root"] = path_text(root)
    repeated = rows.iloc[np.repeat(np.arange(len(rows)), counts)].reset_index(drop=True)
    parts = [rois[name].rows for name in recordings if len(rois[name].rows)]
    times = pd.concat(parts or [_NO_ROWS], ignore_index=True)
    inherited = repeated.drop(columns=times.columns, errors="ignore")
    return pd.concat([inherited, times], axis=1)
