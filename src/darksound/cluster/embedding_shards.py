"""Embeddings that are written to disk as they are computed, so that a stopped run resumes."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from darksound.atomic import write_bytes
from darksound.cluster.embedding import iter_embeddings, round_up_to_batches
from darksound.device import resolve_device
from darksound.meta.features import fit_backbone
from darksound.meta.learners.base import Learner
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = ["EmbeddingShards", "ResumableEmbedding", "embed_to_shards"]

logger = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]

#: Number of ROIs of a file, about: the most that is lost if the process is killed.
SHARD_ROIS = 2048
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class EmbeddingShards:
    """Embeddings on disk, one file for every `shard_rows` rows.

    A file is that of `numpy.save`, with a digest of it after its end, where NumPy reads no more.

    Attributes:
        folder: of the files `00000.npy` and so on.
        n: number of rows of all files.
        dim: length of a vector.
        shard_rows: rows of a file; the last one has the remaining rows.
    """

    folder: Path
    n: int
    dim: int
    shard_rows: int

    def __iter__(self) -> Iterator[Vectors]:
        """Yield the content of each file, float32 `(shard_rows, dim)`."""
        return (np.load(self.shard_path(number)) for number in range(self._n_shards))

    def load(self) -> Vectors:
        """Return all embeddings, float32 `(n, dim)`."""
        embeddings = np.empty((self.n, self.dim), np.float32)
        for number, shard in enumerate(self):
            embeddings[number * self.shard_rows : (number + 1) * self.shard_rows] = shard
        return embeddings

    def shard_path(self, number: int) -> Path:
        """Return the path of a file."""
        return self.folder / f"{number:05d}.npy"

    def n_complete(self) -> int:
        """Return the number of rows before the first file that is missing or damaged."""
        for number in range(self._n_shards):
            if not self._is_complete(number):
                return number * self.shard_rows
        return self.n

    @property
    def _n_shards(self) -> int:
        return -(-self.n // self.shard_rows)

    def _is_complete(self, number: int) -> bool:
        rows = min(self.shard_rows, self.n - number * self.shard_rows)
        path = self.shard_path(number)
        try:
            content = path.read_bytes()
            shape: tuple[int, ...] = np.load(path, mmap_mode="r").shape
        except FileNotFoundError:
            return False
        except (OSError, ValueError):
            shape, content = (), b""
        is_whole = content[-_DIGEST_BYTES:] == _digest(content[:-_DIGEST_BYTES])
        if not is_whole or shape != (rows, self.dim):
            logger.warning("The embeddings in %s are damaged and are computed again.", path)
            return False
        return True


def embed_to_shards(
    images: Store,
    learner: Learner,
    settings: Settings,
    folder: Path,
    *,
    progress: Progress = silent,
) -> EmbeddingShards:
    """Embed all ROIs of a store into files; complete files of an earlier call are not repeated.

    Args:
        images, learner, settings, progress: see `darksound.cluster.embedding.embed`.
        folder: of the files; files of other weights, ROIs or settings are removed.

    Raises:
        CheckpointError, SettingsError, WorkerError: see `darksound.cluster.embedding.embed`.
        RunError: the folder cannot be written to.
    """
    fit_backbone(images, learner)
    shards_folder = folder / _key(images, learner, settings)
    for other in folder.glob("*"):
        if other != shards_folder:
            shutil.rmtree(other)
    shard_rows = round_up_to_batches(SHARD_ROIS, settings.compute)
    shards = EmbeddingShards(shards_folder, len(images), learner.embedding_dim, shard_rows)
    n_complete = shards.n_complete()
    if 0 < n_complete < shards.n:
        logger.info("Resume embedding: %d of %d ROIs are done.", n_complete, shards.n)
    chunks = iter_embeddings(
        images, learner, settings, progress, first_row=n_complete, chunk_rows=shard_rows
    )
    for number, shard in enumerate(_rechunk(chunks, shard_rows), start=n_complete // shard_rows):
        buffer = BytesIO()
        np.save(buffer, shard, allow_pickle=False)
        content = buffer.getvalue()
        write_bytes(shards.shard_path(number), content + _digest(content))
    return shards


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


class ResumableEmbedding:
    """An `EmbeddingFunction` for the MEC loop that stores its first and its last result on disk.

    A resumed loop loads them, unless weights, ROIs or settings have changed.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, images: Store, learner: Learner, settings: Settings, progress: Progress = silent
    ) -> Vectors:
        """Return the embeddings `(n, dim)`, see `darksound.cluster.embedding.embed`.

        Raises:
            CheckpointError, SettingsError, WorkerError: see `darksound.cluster.embedding.embed`.
            RunError: the folder cannot be written to.
        """
        fit_backbone(images, learner)
        first, last = self._folder / "first", self._folder / "last"
        is_later = first.exists() and not (first / _key(images, learner, settings)).exists()
        folder = last if is_later else first
        return embed_to_shards(images, learner, settings, folder, progress=progress).load()

    def remove(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _rechunk(chunks: Iterator[Vectors], chunk_rows: int) -> Iterator[Vectors]:
    """Yield the same rows in chunks of `chunk_rows`; no chunk of the input is larger."""
    pending: list[Vectors] = []
    for chunk in chunks:
        pending.append(chunk)
        if sum(map(len, pending)) >= chunk_rows:
            rows = np.concatenate(pending)
            yield rows[:chunk_rows]
            pending = [rows[chunk_rows:]]
    if sum(map(len, pending)):
        yield np.concatenate(pending)


def _key(images: Store, learner: Learner, settings: Settings) -> str:
    """Return a hash of everything that embeddings depend on."""
    digest = hashlib.sha256()
    for name, value in sorted(learner.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for roi_id in images.rois.table["roi_id"]:
        digest.update(f"{roi_id}\n".encode())
    sections = images.settings.model_dump_json(include={"audio", "front_end", "embedding_model"})
    compute = settings.compute
    numerics = (*resolve_device(compute), compute.batch_size, compute.cache_dtype)
    digest.update("\n".join((learner.method, sections, *map(str, numerics))).encode())
    return digest.hexdigest()[:16]
