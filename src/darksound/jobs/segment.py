"""The job of `darksound segment`."""

from pathlib import Path

import numpy as np
import pandas as pd

from darksound.atomic import write_bytes
from darksound.audio.files import probe
from darksound.errors import InputError, RunError
from darksound.jobs.base import Outcome
from darksound.progress import Progress
from darksound.report.figures import png
from darksound.report.soundscape import (
    busiest_stretch,
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

# Recordings that are drawn at most, spread over all; and how much of each.
_MOST_DRAWN = 24
_DRAWN_S = 60.0


def segment_run(run: Run, progress: Progress, plots: bool = False) -> Outcome:
    """Find the sound units of recordings.

    Leaves the ROI table in the file that was asked for, or as `rois.parquet` in the run;
    `chunks.csv` with the level and the flags of every chunk; with plots, `plots/`.

    Args:
        run: whose inputs are the recordings.
        progress: told of sound segmented.
        plots: draw spectrograms with the ROIs, and ROIs by the hour.

    Raises:
        InputError: there are no recordings, or too many cannot be used.
        SettingsError: the settings cannot be met.
        RunError: the file exists already, or cannot be written.
    """
    inputs, settings = run.inputs, run.settings
    if not inputs.data:
        raise InputError("Nothing to segment; name recordings or folders of them.")
    target = run.path / "rois.parquet" if inputs.target is None else Path(inputs.target)
    # A resumed run began when the file was not there: it is its own.
    if inputs.target is not None and target.exists() and not run.manifest.times_resumed:
        raise RunError(f"{target} exists already; remove it, or give another --out.")
    told: list[pd.DataFrame] = []
    rois = load_rois(
        *inputs.data,
        settings=settings,
        rois="segment",
        root=inputs.root,
        progress=progress,
        on_chunks=told.append,
    )
    run.note_data(len(rois), fingerprint(rois))
    chunks = with_origins(pd.concat(told, ignore_index=True), settings) if told else pd.DataFrame()
    ROI_FORMATS[target.suffix](target, rois.table)
    write_csv(run.path / "chunks.csv", chunks)
    if plots:
        _draw(run.path / "plots", rois, chunks, progress)
    run.note_problems(rois.problems)
    shown = f" Pictures are in {run.path / 'plots'}." if plots else ""
    return Outcome(
        segmentation_tables(rois.table, chunks),
        f"{len(rois)} ROIs are in {target}; the level and flags of every chunk in "
        f"{run.path / 'chunks.csv'}.{shown}",
        len(rois.problems),
    )


def _draw(folder: Path, rois: RoiSet, chunks: pd.DataFrame, progress: Progress) -> None:
    """Draw recordings, and ROIs by the hour."""
    named, hours = hourly(rois.table, chunks)
    write_bytes(folder / "rois-per-hour.png", png(hourly_plot(named, hours)))
    recordings = chunks[["root", "recording"]].drop_duplicates().reset_index(drop=True)
    count = min(len(recordings), _MOST_DRAWN)
    chosen = np.linspace(0, len(recordings) - 1, count).round().astype(int)
    progress("pictures", 0, count)
    for done, (root, recording) in enumerate(recordings.iloc[chosen].itertuples(index=False), 1):
        own, about = (
            table[(table["root"] == root) & (table["recording"] == recording)]
            for table in (rois.table, chunks)
        )
        path = Path(root) / recording
        stretch = busiest_stretch(own, probe(path).duration_s, _DRAWN_S)
        place = folder / Path(recording).with_suffix(".png")
        write_bytes(place, png(soundscape(path, *stretch, own, about), dpi=100))
        progress("pictures", done, count)
