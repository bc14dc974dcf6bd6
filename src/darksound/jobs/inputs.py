"""The resolved settings and the ROIs of a run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from darksound.audio.embedding_models import input_kind, licence_of
from darksound.datasets.marker import read_split_state
from darksound.datasets.registry import DEFAULT_SET, data_folder, select_splits
from darksound.errors import InputError, RunError
from darksound.meta.learners.base import Learner
from darksound.progress import Progress, silent
from darksound.rois.review import Review
from darksound.rois.roi_set import RoiSet
from darksound.run.directory import Run
from darksound.run.files import table_beside, write_csv
from darksound.run.places import write_places
from darksound.settings import BackboneSettings, Settings, adopt_checkpoint
from darksound.sources import load_rois
from darksound.sources.calls import find_left_out, keep_all, keep_calls
from darksound.sources.contract import make_options
from darksound.sources.places import with_places
from darksound.store.building import resolve_backbone
from darksound.store.embeddings.table_store import rois_of_table
from darksound.text import text_path

__all__ = [
    "HINTS",
    "LEFT_OUT",
    "load_run_rois",
    "output_file",
    "record_writing",
    "resolve_run_settings",
    "table_lists_rois",
    "use_default_data",
    "write_hints",
]

#: Table of the segmented recordings that gave no ROI, or far fewer than they have sounds, with the
#: likely cause of each.
HINTS = "hints.csv"
#: ROI table of the choruses and other sounds that are not used.
LEFT_OUT = "left_out.csv"
_MAX_LISTED_HINTS = 3

# Event of the journal.
_WRITING = "writing"


def resolve_run_settings(
    run: Run, learner: Learner | None = None, progress: Progress = silent
) -> Settings:
    """Return the settings of a run with those of its checkpoint and embedding model filled in.

    The run stores these settings, and the licence of the embedding model.

    Args:
        run: the run.
        learner: the learner of the checkpoint; None without a checkpoint.
        progress: receives megabytes, if the embedding model is downloaded.

    Raises:
        DownloadError: the embedding model is not on disk, and cannot be downloaded.
        InputError, SettingsError, CheckpointError: the settings contradict the checkpoint, or the
            embedding model cannot be used or is not the one that the learner was trained on.
    """
    settings = run.settings
    if learner is not None:
        settings = adopt_checkpoint(settings, learner.settings)
    settings = resolve_backbone(settings, progress)
    if settings != run.settings:
        run.update_settings(settings)
    licence = licence_of(settings.backbone, settings.embedding_model, settings.compute)
    if licence is not None:
        run.record_licences((licence,))
    return settings


def table_lists_rois(backbone: BackboneSettings) -> bool:
    """Return whether the backbone is a table of embeddings, which can list the ROIs itself."""
    return input_kind(backbone) == "table"


def use_default_data(run: Run, *splits: str, demo: str) -> None:
    """Let a run without data use splits of the published set, and record them as its inputs.

    Nothing changes where the run names data, or where its table of embeddings lists the ROIs.

    Args:
        run: the run.
        splits: names such as `test`.
        demo: data that the message offers in place of the published set.

    Raises:
        InputError: a split is not on disk; the message explains how to get it.
    """
    if run.inputs.data or table_lists_rois(run.settings.backbone):
        return
    specs = tuple(f"{DEFAULT_SET}:{split}" for split in splits)
    compute = run.settings.compute
    states = [read_split_state(split, compute) for split in select_splits(*specs)]
    missing = [state.split.spec for state in states if not state.exists]
    if missing:
        is_one = len(missing) == 1
        raise InputError(
            f"{' and '.join(missing)} {'is' if is_one else 'are'} not on disk (searched in "
            f"{data_folder(compute) / DEFAULT_SET}), and without --data `darksound "
            f"{run.manifest.command}` needs {'it' if is_one else 'them'}. `darksound download` "
            f"downloads the whole set, `darksound download {' '.join(missing)}` only what is "
            f"missing; if it is in another folder, set DARKSOUND_DATA to that folder. "
            f"`--data {demo}` needs no download."
        )
    run.record_inputs(replace(run.inputs, data=specs))


def load_run_rois(
    run: Run, settings: Settings, progress: Progress, review: Review | None = None
) -> RoiSet:
    """Return the ROIs of the run's data; without data, those of its table of embeddings.

    Hints on recordings that were segmented are written to `HINTS` in the run, ROIs that the
    settings leave out, of choruses and with low call scores, to `LEFT_OUT`, and the effort of
    recordings and the sites to their tables.

    Raises:
        InputError: there are no usable ROIs, or the review is of other ROIs.
        SettingsError: see `load_rois`.
    """
    inputs = run.inputs
    if not inputs.data and table_lists_rois(settings.backbone):
        root = None if inputs.root is None else text_path(inputs.root)
        options = make_options(settings)
        rois = with_places(rois_of_table(settings.backbone, root), settings, options.sites)
        return _used_rois(run, rois, settings, review)
    chunks: list[pd.DataFrame] = []
    rois = load_rois(
        *inputs.data,
        settings=keep_all(settings),
        root=inputs.root,
        progress=progress,
        on_chunks=chunks.append,
    )
    hints = _hints(chunks)
    if len(rois) == 0:
        causes = [f"{name}: {hint}" for name, hint in hints.itertuples(index=False, name=None)]
        causes += [problem.cause for problem in rois.problems]
        raise InputError(
            "\n  ".join(["No ROI was found in the data.", *causes[:_MAX_LISTED_HINTS]])
        )
    write_hints(run, chunks)
    return _used_rois(run, rois, settings, review)


def _used_rois(run: Run, rois: RoiSet, settings: Settings, review: Review | None) -> RoiSet:
    """Return the ROIs that are not left out; write the others to `LEFT_OUT` and count them.

    Raises:
        InputError: all ROIs are left out, or the review is of other ROIs.
    """
    rows = find_left_out(rois.table, settings.segmentation).rows
    if review is not None and not rows.all():
        review.check_matches(rois.table["roi_id"][~rows])
    if rows.any():
        write_csv(run.path / LEFT_OUT, rois.table[rows])
    else:
        (run.path / LEFT_OUT).unlink(missing_ok=True)
    run.record_left_out(int(rows.sum()))
    write_places(run.path, rois.take(np.flatnonzero(~rows)))
    return keep_calls(rois, settings.segmentation)


def write_hints(run: Run, chunks: Sequence[pd.DataFrame]) -> int:
    """Write the hints on segmented recordings to `HINTS` in the run, if there are any.

    Args:
        run: the run.
        chunks: tables of chunks of `load_rois`.

    Returns:
        The number of recordings with a hint.
    """
    hints = _hints(chunks)
    if hints.empty:
        (run.path / HINTS).unlink(missing_ok=True)
    else:
        write_csv(run.path / HINTS, hints)
    return len(hints)


def _hints(chunks: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each recording with a hint: `recording`, `hint`."""
    if not chunks:
        return pd.DataFrame(columns=["recording", "hint"])
    rows = pd.concat(chunks, ignore_index=True).drop_duplicates(["root", "recording"])
    return rows.loc[rows["hint"] != "", ["recording", "hint"]]


def output_file(run: Run, default: str) -> Path:
    """Return the file of `--out`, or `default` in the run directory.

    Raises:
        RunError: the file of `--out`, or the table beside it, exists already.
    """
    if run.inputs.target is None:
        return run.path / default
    path = text_path(run.inputs.target)
    # The run itself may have written it, and then been killed.
    if any(entry.get("event") == _WRITING for entry in run.journal.read()):
        return path
    for file in (path, *([table_beside(path)] if path.suffix == ".npy" else [])):
        if file.exists():
            raise RunError(f"{file} exists already; delete it, or choose another --out.")
    return path


def record_writing(run: Run) -> None:
    """Record that the run begins to write the file of `--out`; call it before."""
    run.journal.append(_WRITING)
