"""A store of embeddings that another tool computed, and the ROIs that they belong to."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.embedding_models import TABLE_SCHEME, check_same_model
from darksound.audio.names import composed, recording_path
from darksound.errors import InputError, SettingsError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import SCHEMA, Problem, RoiSet, as_roi_table
from darksound.settings import BackboneSettings, EmbeddingModelSettings, Settings
from darksound.store.contract import Pieces, RowKind
from darksound.store.embeddings import file_stamp, read_embeddings
from darksound.store.embeddings.layout import Embeddings
from darksound.store.embeddings.matching import match_embeddings
from darksound.store.readers import DispatchReader
from darksound.text import path_text, text_path

__all__ = ["TableStore", "build_table_store", "resolve_table", "rois_of_table"]


class TableStore:
    """Embeddings that another tool computed; see `Store`. There are none of altered sound.

    Attributes:
        rois: the ROIs that have an embedding; the others are listed in `rois.problems`.
        settings: with `embedding_model` filled in.
        shape: `(dim,)`.
    """

    kind: RowKind = "vectors"
    n_versions = 1
    pieces: Pieces | None = None

    def __init__(self, rois: RoiSet, settings: Settings, vectors: npt.NDArray[np.float32]) -> None:
        """Create a store from its parts; use `build_table_store`.

        Args:
            rois: `n` ROIs.
            settings: with `embedding_model` filled in.
            vectors: `(n, dim)`, row i of ROI i.
        """
        self.rois, self.settings, self._vectors = rois, settings, vectors
        self.shape = vectors.shape[1:]

    def __len__(self) -> int:
        return len(self.rois)

    def take(self, rows: npt.NDArray[np.int64]) -> "TableStore":
        """Return a store of these rows `(b,)`, in this order; it can be pickled."""
        rois = replace(self.rois.take(rows), problems=())
        return TableStore(rois, self.settings, self._vectors[rows])

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Return vectors float32 `(b, dim)` of some rows `(b,)`, whatever the version."""
        return self.stored(rows, versions)

    def stored(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Return the same as `batch`."""
        return torch.from_numpy(self._vectors[np.asarray(rows, dtype=np.int64)])


def build_table_store(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> TableStore:
    """Return a store of the embeddings in the file of `backbone.name`, `embeddings:FILE`.

    Embeddings are matched to ROIs by recording and times, or by row if the file has no times.

    Args:
        rois: ROIs of the store.
        settings: `backbone.name` names the file; `embedding_model` must match it.
        progress: not called, because nothing is computed.
        versions: ignored, because a file has no altered versions.

    Raises:
        InputError: the file cannot be read, or has no embedding of any ROI.
        SettingsError: no file is named, or a library that it needs is not installed.
        CheckpointError: the embeddings are of another model than that of the settings.
    """
    settings = resolve_table(settings)
    path, embeddings = _read(settings.backbone)
    rows, embedding_rows, problems = match_embeddings(embeddings, rois, str(path))
    vectors = np.ascontiguousarray(embeddings.vectors[embedding_rows])
    unread = [problem for problem in embeddings.problems if problem not in rois.problems]
    return TableStore(rois.take(rows, [*unread, *problems]), settings, vectors)


def resolve_table(settings: Settings) -> Settings:
    """Return the settings with `embedding_model` filled in from the file that they name.

    Raises:
        InputError, SettingsError, CheckpointError: see `build_table_store`.
    """
    path, embeddings = _read(settings.backbone)
    actual = EmbeddingModelSettings(
        name=embeddings.model, embedding_dim=embeddings.vectors.shape[1]
    )
    check_same_model(settings.embedding_model, actual, str(path))
    return settings.replace(embedding_model=actual.model_dump(exclude_none=True))


def rois_of_table(backbone: BackboneSettings, root: Path | None = None) -> RoiSet:
    """Return the ROIs that a file of embeddings names. Their recordings need not exist.

    Args:
        backbone: its `name` names the file, `embeddings:FILE`.
        root: folder that recordings are relative to; by default that of the file's metadata, or
            the folder of the file.

    Raises:
        InputError: the file cannot be read, or has no recordings and times.
        SettingsError: no file is named, or a library that it needs is not installed.
    """
    path, embeddings = _read(backbone)
    if not embeddings.has_times:
        raise InputError(
            f"{path} has no recordings and times of its embeddings; name the ROIs with --data, or "
            "add columns recording, start_s and end_s."
        )
    columns = [name for name in SCHEMA.names if name in embeddings.rows.columns]
    rows = embeddings.rows[columns].reset_index(drop=True)
    names = [_posix(str(name), embeddings.root) for name in rows["recording"]]
    folder = embeddings.root if root is None else root
    if root is None and all(os.path.isabs(name) for name in names):
        folder = Path(os.path.commonpath([os.path.dirname(name) for name in names]))
    if "root" not in rows.columns or root is not None:
        rows["root"] = path_text(folder.resolve())
    rows["recording"] = [_relative(name, folder) for name in names]
    # Times are equal where the ids of ROIs would be, which have microseconds.
    keys = rows.assign(
        recording=[composed(name) for name in rows["recording"]],
        start_s=rows["start_s"].round(6),
        end_s=rows["end_s"].round(6),
    )
    repeated = keys.duplicated(["root", "recording", "start_s", "end_s"])
    problems = [
        Problem(str(name), f"{path} has several embeddings of the same times; the first is used.")
        for name in rows["recording"][repeated]
    ]
    table = as_roi_table(rows[~repeated].drop(columns="roi_id", errors="ignore"))
    return RoiSet(table, _TableReader(path), (*embeddings.problems, *problems))


def _posix(name: str, root: Path) -> str:
    """Return a path that was written on Windows with forward slashes."""
    if "\\" not in name or recording_path(root, name).exists():
        return name
    return name.replace("\\", "/")


def _relative(name: str, folder: Path) -> str:
    if os.path.isabs(name) and Path(name).is_relative_to(folder):
        return Path(name).relative_to(folder).as_posix()
    return name


def _read(backbone: BackboneSettings) -> tuple[Path, Embeddings]:
    _, _, argument = backbone.name.partition(":")
    if not argument:
        raise SettingsError(
            f"backbone.name is {backbone.name!r} without a file; write {TABLE_SCHEME}:FILE, or use "
            "--embeddings FILE."
        )
    path = text_path(argument)
    return path, read_embeddings(path)


class _TableReader(DispatchReader):
    """Read recordings where they exist; their stamp is that of the file of embeddings."""

    def __init__(self, path: Path) -> None:
        self._file_stamp = partial(file_stamp, path)

    def stamp(self, root: str, recording: str) -> str:
        """Return the stamp of the file of embeddings."""
        return self._file_stamp()
