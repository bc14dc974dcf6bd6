"""The job of `darksound segment`."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.atomic import write_bytes
from darksound.audio.files import probe
from darksound.audio.names import recording_path
from darksound.errors import InputError, failure_cause
from darksound.jobs.base import JobResult
from darksound.jobs.inputs import HINTS, output_file, record_writing, write_hints
from darksound.progress import Progress
from darksound.report.exports.targets import portable_name
from darksound.report.figures import png
from darksound.report.soundscape import (
    busiest_interval,
    hourly,
    hourly_plot,
    segmentation_tables,
    soundscape,
)
from darksound.rois.roi_set import Problem, RoiSet
from darksound.run.directory import Run
from darksound.run.files import PROBLEMS_FILE, ROI_FORMATS, write_csv
from darksound.run.manifest import fingerprint
from darksound.run.places import write_places
from darksound.sources import load_rois
from darksound.sources.calls import LeftOut, find_left_out, keep_all
from darksound.sources.recordings import with_origins

__all__ = ["segment_run"]

# Largest number of recordings to plot, evenly spaced, and the length of each plot.
_MAX_PLOTS = 24
_PLOT_S = 60.0
# Plots end somewhat above the searched band, and here at the latest unless a ROI is higher.
_TOP_HZ, _MARGIN_ABOVE = 12_000.0, 1.2
# Names of plots are shorter than systems allow, since an ending and a number are added.
_MAX_NAME_BYTES = 200
_CHUNK_COLUMNS = (
    "root", "recording", "start_s", "end_s", "level_db", "quality_flags", "below_share",
    "above_share", "hint", "recorded_at",
)  # fmt: skip


def segment_run(run: Run, progress: Progress, plots: bool = False) -> JobResult:
    """Find the ROIs of recordings.

    Write the ROI table to the file of `--out`, or to `rois.parquet` in the run, also with ROIs of
    choruses and of low call scores, the tables of effort and of sites beside it, and `chunks.csv`
    with the level, the quality flags and the energy outside the searched band of every chunk.
    Recordings that gave no ROI, or far fewer than they have sounds, are in `hints.csv` with the
    likely cause. With `plots`, also write `plots/`.

    Args:
        run: its inputs are the recordings.
        progress: called with the progress.
        plots: plot spectrograms with their ROIs, and the number of ROIs per hour of the day.

    Raises:
        InputError: there are no recordings, or too many are unreadable.
        SettingsError: the settings do not fit the recordings.
        RunError: the file exists already, or cannot be written.
    """
    inputs, settings = run.inputs, run.settings
    if not inputs.data:
        raise InputError("There are no data to segment; name recordings, or folders of them.")
    path = output_file(run, "rois.parquet")
    parts: list[pd.DataFrame] = []
    rois = load_rois(
        *inputs.data,
        settings=keep_all(settings),
        rois="segment",
        root=inputs.root,
        progress=progress,
        on_chunks=parts.append,
    )
    run.record_data(len(rois), fingerprint(rois))
    n_hints = write_hints(run, parts)
    chunks = pd.concat(parts or [pd.DataFrame(columns=_CHUNK_COLUMNS)], ignore_index=True)
    chunks = with_origins(chunks.drop(columns="hint"), settings.compute)
    record_writing(run)
    ROI_FORMATS[path.suffix](path, rois.table)
    write_csv(run.path / "chunks.csv", chunks)
    write_places(run.path, rois)
    if path.parent != run.path:
        write_places(path.parent, rois, path.stem)
    problems = list(rois.problems)
    left_out = find_left_out(rois.table, settings.segmentation)
    run.record_left_out(int(left_out.rows.sum()))
    if plots:
        problems += _plot(run, rois, left_out.rows, chunks, progress)
    run.record_problems(problems)
    return JobResult(
        segmentation_tables(rois.table, left_out, chunks),
        _message(run, path, left_out, n_hints, plots),
        tuple(problems),
        run.path / PROBLEMS_FILE,
    )


def _message(run: Run, path: Path, left_out: LeftOut, n_hints: int, plots: bool) -> str:
    n_rois = len(left_out.rows)
    parts = [
        f"{n_rois} ROIs are in {path}." if n_rois else f"No ROI was found; {path} has no rows.",
        *([f"Other commands leave out {left_out}."] if left_out.rows.any() else []),
        f"Level and quality flags of every chunk are in {run.path / 'chunks.csv'}.",
    ]
    if n_hints:
        noun = "1 recording has" if n_hints == 1 else f"{n_hints} recordings have"
        parts.append(f"{noun} no ROI, or other hints; the likely causes are in {run.path / HINTS}.")
    if plots:
        parts.append(f"Plots are in {run.path / 'plots'}.")
    return " ".join(parts)


def _plot(
    run: Run,
    rois: RoiSet,
    left_out: npt.NDArray[np.bool_],
    chunks: pd.DataFrame,
    progress: Progress,
) -> list[Problem]:
    """Plot some recordings with their ROIs, and the number of ROIs per hour of the day.

    ROIs that other commands leave out have thin boxes, and are not counted.

    Returns:
        A problem for each recording that cannot be plotted.
    """
    folder = run.path / "plots"
    top_hz = min(_TOP_HZ, _MARGIN_ABOVE * run.settings.segmentation.high_hz)
    table = rois.table.assign(left_out=left_out)
    axis_label, hours = hourly(table[~left_out], chunks)
    write_bytes(folder / "rois-per-hour.png", png(hourly_plot(axis_label, hours)))
    recordings = chunks[["root", "recording"]].drop_duplicates().reset_index(drop=True)
    count = min(len(recordings), _MAX_PLOTS)
    chosen = recordings.iloc[np.linspace(0, len(recordings) - 1, count).round().astype(int)]
    problems: list[Problem] = []
    progress("plots", 0, count)
    names = _plot_names(chosen["recording"].tolist())
    for done, (root, recording) in enumerate(chosen.itertuples(index=False, name=None), 1):
        path = recording_path(root, recording)
        try:
            its_rois, its_chunks = (
                rows[(rows["root"] == root) & (rows["recording"] == recording)]
                for rows in (table, chunks)
            )
            used = its_rois[~its_rois["left_out"]]
            start_s, end_s = busiest_interval(used, probe(path).duration_s, _PLOT_S)
            picture = png(
                soundscape(path, start_s, end_s, its_rois, its_chunks, top_hz=top_hz), dpi=100
            )
        except Exception as error:
            cause = failure_cause(path, error)
            problems.append(Problem(recording, f"No plot, the ROIs are kept: {cause}"))
        else:
            write_bytes(folder / names[done - 1], picture)
        progress("plots", done, count)
    return problems


def _plot_names(recordings: Sequence[str]) -> list[Path]:
    """Return a path below the folder of plots for each recording, all different.

    A recording of a table may lie outside its root, and two may differ in their suffix or root
    only.
    """
    names: list[Path] = []
    for recording in recordings:
        parts = [part for part in PurePosixPath(recording).parts if part not in ("/", "..")]
        path = Path(*(portable_name(part, _MAX_NAME_BYTES) for part in parts))
        candidates = [path.with_suffix(".png"), path.with_name(f"{path.name}.png")]
        candidates += [path.with_name(f"{path.name}-{n}.png") for n in range(2, 2 + len(names))]
        names.append(next(name for name in candidates if name not in names))
    return names
