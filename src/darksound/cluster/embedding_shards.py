"""Embeddings that are written while they are made, so that one goes on where one was stopped."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from darksound.atomic import replacing
from darksound.cluster.embedding import embedded, whole_batches
from darksound.meta.device import resolve_device
from darksound.meta.features import settle
from darksound.meta.learners import Learner
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = ["EmbeddingShards", "KeptEmbeddings", "embed_in"]

logger = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]

#: ROIs that share a file, about: what is lost at most when a process is killed.
SHARD_ROIS = 2048


@dataclass(frozen=True)
class EmbeddingShards:
    """Embeddings on disk, a file for every `step` rows.

    Attributes:
        folder: of the files, `00000.npy` and so on.
        n: rows of all.
        dim: length of a vector.
        step: rows of a file; the last one has the rest.
    """

    folder: Path
    n: int
    dim: int
    step: int

    def __iter__(self) -> Iterator[Vectors]:
        """The content of each file, float32 `(step, dim)`."""
        return (np.load(self.place(number)) for number in range(self._count))

    def whole(self) -> Vectors:
        """All of them in memory, float32 `(n, dim)`."""
        array = np.empty((self.n, self.dim), np.float32)
        for number, part in enumerate(self):
            array[number * self.step : (number + 1) * self.step] = part
        return array

    def place(self, number: int) -> Path:
        """The file of a number."""
        return self.folder / f"{number:05d}.npy"

    def made(self) -> int:
        """Rows that are there from the first on without a gap."""
        for number in range(self._count):
            if not self._is_whole(number):
                return number * self.step
        return self.n

    @property
    def _count(self) -> int:
        return -(-self.n // self.step)

    def _is_whole(self, number: int) -> bool:
        rows = min(self.step, self.n - number * self.step)
        try:
            shape: tuple[int, ...] = np.load(self.place(number), mmap_mode="r").shape
        except (OSError, ValueError):
            return False
        return shape == (rows, self.dim)


def embed_in(
    folder: Path,
    learner: Learner,
    images: Store,
    settings: Settings,
    progress: Progress = silent,
) -> EmbeddingShards:
    """Embed all ROIs of a store into files; those that are there are kept.

    Args:
        folder: where they are; what it holds of other weights, ROIs or settings is removed.
        learner, images, settings, progress: see `darksound.embed`.

    Raises:
        CheckpointError, SettingsError, WorkerError: see `darksound.embed`.
        RunError: the folder cannot be written to.
    """
    settle(learner, images)
    own = folder / _key(learner, images, settings)
    for other in folder.glob("*"):
        if other != own:
            shutil.rmtree(other)
    step = whole_batches(SHARD_ROIS, settings)
    shards = EmbeddingShards(own, len(images), learner.embedding_dim, step)
    done = shards.made()
    if 0 < done < shards.n:
        logger.info("%d of %d ROIs were embedded before.", done, shards.n)
    parts = embedded(learner, images, settings, progress, first=done, at_once=step)
    for number, vectors in enumerate(_regrouped(parts, step), start=done // step):
        with replacing(shards.place(number)) as beside, beside.open("wb") as file:
            np.save(file, vectors, allow_pickle=False)
    return shards


class KeptEmbeddings:
    """`darksound.embed` for a loop: what it made first, and last, is found again after a stop.

    Args:
        folder: for these.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, learner: Learner, images: Store, settings: Settings, progress: Progress = silent
    ) -> Vectors:
        """See `darksound.embed`.

        Raises:
            CheckpointError, SettingsError, WorkerError: see `darksound.embed`.
            RunError: the folder cannot be written to.
        """
        settle(learner, images)
        first, last = self._folder / "first", self._folder / "last"
        begun = first.exists() and not (first / _key(learner, images, settings)).exists()
        return embed_in(last if begun else first, learner, images, settings, progress).whole()

    def remove(self) -> None:
        """Remove all."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _regrouped(parts: Iterator[Vectors], step: int) -> Iterator[Vectors]:
    """The same rows, `step` at a time; no part has more."""
    held: list[Vectors] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= step:
            rows = np.concatenate(held)
            yield rows[:step]
            held = [rows[step:]]
    if sum(map(len, held)):
        yield np.concatenate(held)


def _key(learner: Learner, images: Store, settings: Settings) -> str:
    """Hash of all that embeddings depend on."""
    digest = hashlib.sha256()
    for name, value in sorted(learner.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for roi_id in images.rois.table["roi_id"]:
        digest.update(f"{roi_id}\n".encode())
    ours = images.settings.model_dump_json(include={"audio", "front_end", "embedding_model"})
    compute = settings.compute
    ways = (*resolve_device(compute), compute.batch_size, compute.cache_dtype)
    digest.update("\n".join((learner.method, ours, *map(str, ways))).encode())
    return digest.hexdigest()[:16]
