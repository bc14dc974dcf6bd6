"""The job of `darksound segment`."""

from pathlib import Path

import numpy as np
import pandas as pd

from darksound.atomic import write_bytes
from darksound.audio.files import probe
from darksound.audio.names import recording_path
from darksound.errors import InputError
from darksound.jobs.base import JobResult
from darksound.jobs.inputs import output_file
from darksound.progress import Progress
from darksound.report.figures import png
from darksound.report.soundscape import (
    busiest_interval,
    hourly,
    hourly_plot,
    segmentation_tables,
    soundscape,
)
from darksound.rois.roi_set import RoiSet
from darksound.run.directory import Run
from darksound.run.files import ROI_FORMATS, write_csv
from darksound.run.manifest import fingerprint
from darksound.sources import load_rois
from darksound.sources.recordings import with_origins

__all__ = ["segment_run"]

# Largest number of recordings to plot, evenly spaced, and the length of each plot.
_MAX_PLOTS = 24
_PLOT_S = 60.0


def segment_run(run: Run, progress: Progress, plots: bool = False) -> JobResult:
    """Find the ROIs of recordings.

    Write the ROI table to the file of `--out`, or to `rois.parquet` in the run, and `chunks.csv`
    with the level and the quality flags of every chunk. With `plots`, also write `plots/`.

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
        settings=settings,
        rois="segment",
        root=inputs.root,
        progress=progress,
        on_chunks=parts.append,
    )
    run.record_data(len(rois), fingerprint(rois))
    chunks = pd.DataFrame()
    if parts:
        chunks = with_origins(pd.concat(parts, ignore_index=True), settings.compute)
    ROI_FORMATS[path.suffix](path, rois.table)
    write_csv(run.path / "chunks.csv", chunks)
    if plots:
        _plot(run.path / "plots", rois, chunks, progress)
    run.record_problems(rois.problems)
    where = f" Plots are in {run.path / 'plots'}." if plots else ""
    return JobResult(
        segmentation_tables(rois.table, chunks),
        f"{len(rois)} ROIs are in {path}. Level and quality flags of every chunk are in "
        f"{run.path / 'chunks.csv'}.{where}",
        len(rois.problems),
    )


def _plot(folder: Path, rois: RoiSet, chunks: pd.DataFrame, progress: Progress) -> None:
    """Plot some recordings with their ROIs, and the number of ROIs per hour of the day."""
    axis_label, hours = hourly(rois.table, chunks)
    write_bytes(folder / "rois-per-hour.png", png(hourly_plot(axis_label, hours)))
    recordings = chunks[["root", "recording"]].drop_duplicates().reset_index(drop=True)
    count = min(len(recordings), _MAX_PLOTS)
    chosen = np.linspace(0, len(recordings) - 1, count).round().astype(int)
    progress("plots", 0, count)
    for done, (root, recording) in enumerate(recordings.iloc[chosen].itertuples(index=False), 1):
        its_rois, its_chunks = (
            table[(table["root"] == root) & (table["recording"] == recording)]
            for table in (rois.table, chunks)
        )
        path = recording_path(root, recording)
        start_s, end_s = busiest_interval(its_rois, probe(path).duration_s, _PLOT_S)
        figure = soundscape(path, start_s, end_s, its_rois, its_chunks)
        write_bytes(folder / Path(recording).with_suffix(".png"), png(figure, dpi=100))
        progress("plots", done, count)
