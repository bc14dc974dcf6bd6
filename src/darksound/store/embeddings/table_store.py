"""A store of embeddings made elsewhere, and the ROIs that they are of."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.embedding_models import TABLE, hold
from darksound.audio.files import AudioInfo
from darksound.errors import InputError, SettingsError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import SCHEMA, Problem, RoiSet, as_roi_table
from darksound.settings import EmbeddingModelSettings, Settings
from darksound.store.contract import Kind
from darksound.store.embeddings import read_embeddings, stamp_of
from darksound.store.embeddings.content import Embeddings
from darksound.store.embeddings.joining import join
from darksound.store.readers import DispatchReader

__all__ = ["TableStore", "open_vectors", "resolve_table", "table_rois"]


class TableStore:
    """Embeddings made elsewhere; see `Store`. There are none of altered sound.

    Attributes:
        rois: the ROIs that have a vector; the others are in `rois.problems`.
        settings: with `embedder` filled in.
        shape: `(dim,)`.
    """

    kind: Kind = "vectors"
    n_versions = 1

    def __init__(self, rois: RoiSet, settings: Settings, vectors: npt.NDArray[np.float32]) -> None:
        """Put a store together; `open_vectors` does it.

        Args:
            rois: `n` ROIs.
            settings: with `embedder` filled in.
            vectors: `(n, dim)`, row i of ROI i.
        """
        self.rois, self.settings, self._vectors = rois, settings, vectors
        self.shape = vectors.shape[1:]

    def __len__(self) -> int:
        return len(self.rois)

    def take(self, rows: npt.NDArray[np.int64]) -> "TableStore":
        """The store of these rows `(b,)`, in this order; it can be pickled."""
        rois = replace(self.rois.take(rows), problems=())
        return TableStore(rois, self.settings, self._vectors[rows])

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Vectors float32 `(b, dim)` of some rows `(b,)`, whatever the version."""
        return torch.from_numpy(self._vectors[np.asarray(rows, dtype=np.int64)])


def open_vectors(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> TableStore:
    """The embeddings of ROIs in the file that `backbone.name` names, `embeddings:FILE`.

    They are joined by recording and times, or by row where the file names none.

    Args:
        rois: whose embeddings are wanted.
        settings: `backbone.name` names the file; `embedder` is held against it.
        progress: not told: there is nothing to make.
        versions: of altered sound that would be welcome; a file has none.

    Raises:
        InputError: the file cannot be read, or has an embedding of no ROI.
        SettingsError: no file is named, or a library that it needs is not installed.
        CheckpointError: the embeddings are not those that the settings hold.
    """
    settings = resolve_table(settings)
    path, found = _read(settings)
    rows, taken, problems = join(found, rois, str(path))
    vectors = np.ascontiguousarray(found.vectors[taken])
    return TableStore(rois.take(rows, problems), settings, vectors)


def resolve_table(settings: Settings) -> Settings:
    """The settings with `embedder` filled in by the file that they name.

    Raises:
        InputError, SettingsError, CheckpointError: see `open_vectors`.
    """
    path, found = _read(settings)
    told = EmbeddingModelSettings(name=found.model, embedding_dim=found.vectors.shape[1])
    hold(settings.embedding_model, told, str(path))
    return settings.replace(embedding_model=told.model_dump(exclude_none=True))


def table_rois(settings: Settings, root: Path | None = None) -> RoiSet:
    """The ROIs that a file of embeddings names. Their recordings need not be there.

    Args:
        settings: `backbone.name` names the file.
        root: what recordings are relative to; by default what the file says, or its folder.

    Raises:
        InputError: the file cannot be read, or does not say which ROIs its embeddings are of.
        SettingsError: no file is named, or a library that it needs is not installed.
    """
    path, found = _read(settings)
    if not found.placed:
        raise InputError(
            f"{path} does not say which recordings and times its embeddings are of; name the "
            "ROIs with --data, or add columns recording, start_s and end_s."
        )
    columns = [name for name in SCHEMA.names if name in found.rows.columns]
    given = found.rows[columns].reset_index(drop=True)
    names = [str(name).replace("\\", "/") for name in given["recording"]]
    home = found.root if root is None else root
    if root is None and all(os.path.isabs(name) for name in names):
        home = Path(os.path.commonpath([os.path.dirname(name) for name in names]))
    if "root" not in given.columns or root is not None:
        given["root"] = str(home.resolve())
    given["recording"] = [_below(home, name) for name in names]
    again = given.duplicated(["root", "recording", "start_s", "end_s"])
    problems = [
        Problem(str(name), f"{path} has two embeddings of the same stretch; the first is taken.")
        for name in given["recording"][again]
    ]
    table = as_roi_table(given[~again].drop(columns="roi_id", errors="ignore"))
    return RoiSet(table, _Unheard(path), tuple(problems))


def _below(home: Path, name: str) -> str:
    if os.path.isabs(name) and Path(name).is_relative_to(home):
        return Path(name).relative_to(home).as_posix()
    return name


def _read(settings: Settings) -> tuple[Path, Embeddings]:
    _, _, argument = settings.backbone.name.partition(":")
    if not argument:
        raise SettingsError(
            f"backbone.name is {settings.backbone.name!r} without a file; write {TABLE}:FILE, or "
            "use --embeddings FILE."
        )
    path = Path(argument)
    return path, read_embeddings(path)


class _Unheard:
    """Reads recordings where they are; what tells change is the file of embeddings alone."""

    def __init__(self, path: Path) -> None:
        self._stamp = partial(stamp_of, path)
        self._reader = DispatchReader()

    def read(
        self, root: str, recording: str, start_s: float, end_s: float, rate: int | None
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Mono samples `(n,)` of a stretch and their rate in Hz.

        Raises:
            InputError: the recording cannot be read.
        """
        return self._reader.read(root, recording, start_s, end_s, rate)

    def stamp(self, root: str, recording: str) -> str:
        """That of the file of embeddings."""
        return self._stamp()

    def info(self, root: str, recording: str) -> AudioInfo:
        """What the recording says of itself.

        Raises:
            InputError: it is not there.
        """
        return self._reader.info(root, recording)
