"""The files of a MEC run: the only place where they are written and read.

`rois.parquet`, `effort.parquet`, `sites.parquet`, `clusters.parquet`, `tree.parquet`,
`iterations.csv`, `embeddings.npy`, `checkpoints/best`, `settings.toml`, `run.json`, `journal.jsonl`
(with the notes) and, where inputs were skipped, `errors.csv`. While the run is not finished,
`state.safetensors` holds its state after the last iteration.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from darksound.atomic import is_locked, write_bytes, write_text
from darksound.cluster.iteration import iteration_table
from darksound.cluster.maps import MAP_METHODS
from darksound.cluster.metrics import NOISE
from darksound.cluster.result import CLUSTER_SCHEMA, MecOutcome
from darksound.cluster.state import MecState
from darksound.errors import RunError
from darksound.meta.checkpoints import save_checkpoint
from darksound.rois.roi_set import RoiSet, read_roi_table
from darksound.run.creation import LOCK, SAVING_FILE, create_directory, lock_folder
from darksound.run.files import (
    read_problems,
    write_array,
    write_csv,
    write_parquet,
    write_problems,
    write_roi_parquet,
)
from darksound.run.journal import Journal
from darksound.run.manifest import Manifest, read_mec_manifest, write_manifest
from darksound.run.mec_tables import (
    check_tree,
    damage_of,
    read_clusters,
    read_embeddings,
    read_iterations,
    read_map_before,
    read_tree,
    write_tree,
)
from darksound.run.places import read_places, write_places
from darksound.run.resuming import SETTINGS_FILE, read_settings
from darksound.run.type_files import read_types, write_types
from darksound.settings import Settings, to_toml
from darksound.sources.places import sites_of_folders
from darksound.store.readers import DispatchReader
from darksound.synthesis.demo_splits import is_demo
from darksound.system_errors import check_readable, writing_error
from darksound.text import library_path, path_text

__all__ = [
    "MecFiles",
    "read_mec_files",
    "read_mec_state",
    "remove_mec_state",
    "write_mec_files",
    "write_mec_run",
    "write_mec_state",
]

_JOURNAL, _ERRORS = "journal.jsonl", "errors.csv"
_ROIS, _CLUSTERS, _ITERATIONS = "rois.parquet", "clusters.parquet", "iterations.csv"
_EMBEDDINGS, _CHECKPOINTS, _STATE = "embeddings.npy", "checkpoints", "state.safetensors"
# The map of iteration 0, if another iteration was kept.
_MAP_BEFORE = "map_before.parquet"
_TREE = "tree.parquet"
_REQUIRED = (SETTINGS_FILE, _ROIS, _CLUSTERS, _ITERATIONS, _EMBEDDINGS)
_RESULT_EVENT = "result"
# What to do where a directory is taken, for a call from Python.
_OTHER = "name another directory"


@dataclass(frozen=True)
class MecFiles:
    """The content of a MEC run's directory; row i of every table and array is ROI i.

    Attributes:
        rois: the `n` ROIs; its problems are the skipped inputs. Its effort and sites are None in
            runs without such tables.
        clusters: `n` rows, columns of `CLUSTER_SCHEMA`.
        iterations: one row an iteration; `kept` is boolean.
        embeddings: `(n, dim)` of the kept iteration, memory-mapped.
        map_before: `(n, 2)` map coordinates of iteration 0; None if it is the kept one, and in
            runs of earlier versions.
        map_method: key of the method of the maps in `darksound.cluster.maps.MAP_METHODS`; None in
            runs of earlier versions.
        tree: `(m - 1, 4)` merges as in SciPy's `linkage`, of the ROIs if there are `n - 1`, else
            of the clusters; None in runs of earlier versions.
        settings: the settings of the run.
        notes: notes of the run, such as why it ended early.
        manifest: the content of `run.json`.
    """

    rois: RoiSet
    clusters: pd.DataFrame
    iterations: pd.DataFrame
    embeddings: npt.NDArray[np.floating[Any]]
    settings: Settings
    notes: tuple[str, ...]
    manifest: Manifest
    map_before: npt.NDArray[np.float32] | None = None
    map_method: str | None = None
    tree: npt.NDArray[np.float64] | None = None
    call_types: pd.DataFrame | None = None


def write_mec_files(folder: Path, outcome: MecOutcome) -> None:
    """Write the tables, embeddings, learner and notes of MEC into a run directory.

    Raises:
        RunError: a file cannot be written.
    """
    write_roi_parquet(folder / _ROIS, outcome.rois.table)
    write_places(folder, outcome.rois)
    write_parquet(folder / _CLUSTERS, outcome.clusters, CLUSTER_SCHEMA)
    write_csv(folder / _ITERATIONS, outcome.iterations)
    write_array(folder / _EMBEDDINGS, outcome.embeddings)
    if outcome.map_before is not None:
        x, y = outcome.map_before.T
        points = pd.DataFrame({"roi_id": outcome.clusters["roi_id"], "x": x, "y": y})
        write_parquet(folder / _MAP_BEFORE, points)
    else:
        (folder / _MAP_BEFORE).unlink(missing_ok=True)
    if outcome.tree is not None:
        write_tree(folder / _TREE, outcome.tree)
    write_types(folder, outcome.call_types)
    kept = outcome.iterations[outcome.iterations["kept"]].iloc[0]
    metrics = {str(name): float(value) for name, value in kept.items() if name != "kept"}
    save_checkpoint(outcome.learner, folder / _CHECKPOINTS, metrics=metrics)
    Journal(folder / _JOURNAL).append(
        _RESULT_EVENT, kept=outcome.kept, notes=list(outcome.notes), map=outcome.map_method
    )


def write_mec_run(folder: Path, outcome: MecOutcome, manifest: Manifest) -> None:
    """Write a finished MEC run into a new or empty directory, or one that a killed save left.

    `run.json` is written last: before it is there, the directory is not a run.

    Raises:
        RunError: the directory is not empty, or a file cannot be written.
    """
    create_directory(folder, _OTHER)
    try:
        with lock_folder(folder, _OTHER):
            (folder / SAVING_FILE).touch()
            write_text(folder / SETTINGS_FILE, to_toml(outcome.settings))
            write_problems(folder / _ERRORS, outcome.rois.problems)
            write_mec_files(folder, outcome)
            settings = outcome.settings.model_dump(mode="json")
            write_manifest(folder, replace(manifest, settings=settings))
            (folder / SAVING_FILE).unlink()
    except (OSError, RunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        # Without the options of the command line, which the messages of single files name.
        raise RunError(f"Cannot write {folder}: {writing_error(folder, cause, None)}.") from cause


def read_mec_files(folder: Path, root: str | Path | None = None) -> MecFiles:
    """Read the directory of a finished MEC run.

    Args:
        folder: the run directory.
        root: current folder of the recordings, if they were moved; synthetic ROIs do not change.

    Raises:
        RunError: it is not a MEC run, is not finished, or a file is missing or damaged.
        SettingsError: its settings are of another version of darksound.
    """
    manifest = read_mec_manifest(folder)
    for name in _REQUIRED:
        if not (folder / name).is_file():
            raise RunError(f"{folder / name} is missing; {_remedy(folder, manifest)}")
    with damage_of(folder / _ROIS):
        table = read_roi_table(folder / _ROIS)
    clusters = read_clusters(folder / _CLUSTERS)
    embeddings = read_embeddings(folder / _EMBEDDINGS)
    _check_rows(folder, table, clusters, embeddings)
    with damage_of(folder / _ERRORS):
        problems = read_problems(folder / _ERRORS)
    effort, sites = read_places(folder)
    if effort is None:
        # Runs of earlier versions have no sites; their folders were sites unless they were labels.
        table["site"] = sites_of_folders(table)
    for moved in (table, effort):
        if root is not None and moved is not None:
            synthetic = moved["root"].map(is_demo).astype(bool)
            moved["root"] = moved["root"].where(synthetic, path_text(Path(root).resolve()))
    event = _read_result_event(folder)
    notes, method = event.get("notes"), event.get("map")
    return MecFiles(
        rois=RoiSet(table, DispatchReader(), problems, effort, sites),
        clusters=clusters,
        iterations=read_iterations(folder / _ITERATIONS),
        embeddings=embeddings,
        settings=read_settings(folder, manifest),
        notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
        manifest=manifest,
        map_before=read_map_before(folder / _MAP_BEFORE, clusters["roi_id"]),
        map_method=method if isinstance(method, str) and method in MAP_METHODS else None,
        tree=read_tree(folder / _TREE, clusters),
        call_types=read_types(folder),
    )


def _remedy(folder: Path, manifest: Manifest) -> str:
    command = f"darksound {manifest.command}"
    if manifest.status == "done":
        return f"restore it from a copy, or run {command} again."
    if is_locked(folder / LOCK):
        return f"another process is working in {folder}; wait until its run is finished."
    return f"the run is not finished; resume it with: {command} --resume --out {folder}"


def _check_rows(
    folder: Path,
    rois: pd.DataFrame,
    clusters: pd.DataFrame,
    embeddings: npt.NDArray[np.floating[Any]],
) -> None:
    same = len(rois) == len(clusters) == len(embeddings)
    if not same or not (rois["roi_id"].to_numpy() == clusters["roi_id"].to_numpy()).all():
        raise RunError(
            f"The tables in {folder} are not of the same ROIs ({len(rois)} in {_ROIS}, "
            f"{len(clusters)} in {_CLUSTERS}, {len(embeddings)} in {_EMBEDDINGS}); files of "
            "two runs were mixed. Run darksound mec again."
        )


def _read_result_event(folder: Path) -> Mapping[str, Any]:
    """Return the last entry of the journal on a result; empty without any."""
    entries = [e for e in Journal(folder / _JOURNAL).read() if e.get("event") == _RESULT_EVENT]
    return entries[-1] if entries else {}


_META = "state"
_ARRAY = "array:"
_DIGEST = "blake2b"


def write_mec_state(folder: Path, state: MecState) -> None:
    """Write the state after an iteration, and `iterations.csv` so far, into a run directory.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.
    """
    meta, arrays, tensors = state.to_parts()
    packed = {name: value.contiguous() for name, value in tensors.items()}
    packed |= {f"{_ARRAY}{name}": torch.tensor(value) for name, value in arrays.items()}
    text = json.dumps(meta)
    metadata = {_META: text, _DIGEST: _state_digest(text, packed)}
    write_bytes(folder / _STATE, save(packed, metadata=metadata))
    write_csv(folder / _ITERATIONS, iteration_table(state.iterations, state.kept))


def _state_digest(meta: str, tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.blake2b(meta.encode(), digest_size=16)
    for name in sorted(tensors):
        value = tensors[name].detach().cpu()
        digest.update(f"\0{name} {value.dtype} {tuple(value.shape)}\0".encode())
        # Empty tensors, as of a state without clusters, have strides that a view refuses.
        if value.numel():
            digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_mec_state(folder: Path) -> MecState | None:
    """Return the last state in a run directory, or None where no iteration was finished.

    Raises:
        RunError: the file is damaged, or of another version.
    """
    path = folder / _STATE
    if not path.exists():
        return None
    try:
        with library_path(path) as name, safe_open(name, framework="pt") as file:
            metadata = file.metadata()
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata[_DIGEST] != _state_digest(metadata[_META], stored):
            raise ValueError("its content differs from its checksum")
        meta = json.loads(metadata[_META])
        arrays = {
            name.removeprefix(_ARRAY): value.numpy()
            for name, value in stored.items()
            if name.startswith(_ARRAY)
        }
        tensors = {name: value for name, value in stored.items() if not name.startswith(_ARRAY)}
        state = MecState.from_parts(meta, arrays, tensors)
        _check_state(state)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        RecursionError,
        RuntimeError,
        SafetensorError,
        TypeError,
        ValueError,
    ) as error:
        check_readable(path, error, RunError)
        raise RunError(f"{path} is damaged ({error}); start a new run.") from None
    return state


def _check_state(state: MecState) -> None:
    """Raise ValueError for a state that no loop was in."""
    n = len(state.last.clustering.labels)
    numbers = [iteration.iteration for iteration in state.iterations]
    if numbers != list(range(state.last.iteration + 1)) or state.best.iteration not in numbers:
        raise ValueError("its iterations are not numbered from 0")
    for snapshot in (state.last, state.best):
        clustering, embeddings = snapshot.clustering, snapshot.embeddings
        labels = clustering.labels
        per_roi = (labels, clustering.probability, clustering.outlier_score)
        if embeddings.ndim != 2 or {len(embeddings), *map(np.size, per_roi)} != {n}:
            raise ValueError("its arrays are not of the same ROIs")
        if not np.issubdtype(embeddings.dtype, np.floating) or not np.isfinite(embeddings).all():
            raise ValueError("its embeddings are not finite numbers")
        if len(clustering.tree):
            if len(clustering.tree) != n - 1:
                raise ValueError("its tree is not of the same ROIs")
            check_tree(clustering.tree)
        if (
            not np.issubdtype(labels.dtype, np.integer)
            or not np.isin(labels, np.arange(NOISE, clustering.persistence.size)).all()
        ):
            raise ValueError("its labels are not those of its clusters")


def remove_mec_state(folder: Path) -> None:
    """Remove the state of a finished run."""
    (folder / _STATE).unlink(missing_ok=True)
