"""Images in memory, and settings small enough to train on them in a second."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from darksound.audio.files import AudioInfo
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings
from darksound.store.contract import RowKind


class NoReader:
    """A reader that fails: the images exist already."""

    def read(self, root, recording, start_s, end_s, rate, *, channel="mean"):
        raise AssertionError("sound was read")

    def stamp(self, root: str, recording: str) -> str:
        return ""

    def info(self, root: str, recording: str) -> AudioInfo:
        raise AssertionError("a recording was read")


class MemoryImages:
    """A store of images in memory.

    The image of a row is the pattern of its class with noise of the row and its version.
    """

    kind: RowKind = "images"
    shape: tuple[int, ...] = (3, 16, 24)
    pieces = None

    def __init__(self, rois: RoiSet, settings: Settings, versions: int = 0) -> None:
        self.rois, self.settings, self.n_versions = rois, settings, versions + 1
        self.batches: list[npt.NDArray[np.int64]] = []
        labels = rois.labels
        assert labels is not None
        self._codes = {name: i for i, name in enumerate(sorted(set(labels) - {None}))}
        self._labels = labels
        self._rows = np.arange(len(rois))

    def __len__(self) -> int:
        return len(self.rois)

    def take(self, rows: npt.NDArray[np.int64]) -> "MemoryImages":
        store = copy(self)
        store.rois, store._rows = replace(self.rois.take(rows), problems=()), self._rows[rows]
        store.n_versions, store.batches = 1, []
        return store

    def stored(self, rows, versions=None) -> torch.Tensor:
        return self.batch(rows, versions)

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> torch.Tensor:
        self.batches.append(np.asarray(rows))
        versions = np.zeros(len(rows), dtype=np.int64) if versions is None else versions
        assert max(versions, default=0) < self.n_versions
        if not len(rows):
            return torch.zeros(0, *self.shape)
        images = zip(self._rows[np.asarray(rows)], versions, strict=True)
        return torch.stack([self._image(row, version) for row, version in images])

    def _image(self, row: int, version: int) -> torch.Tensor:
        pattern = np.random.default_rng([7, self._codes.get(self._labels[row], 99)])
        noise = np.random.default_rng([8, row, version])
        image = 0.6 * pattern.random(self.shape) + 0.4 * noise.random(self.shape)
        return torch.from_numpy(image.astype(np.float32))


def labelled_rois(
    classes: int = 6,
    size: int = 8,
    recordings: int = 4,
    split: Sequence[str | None] | None = None,
    first: int = 0,
) -> RoiSet:
    number = np.arange(classes * size)
    label = [f"species-{first + i // size:02d}" for i in number]
    table = as_roi_table(
        {
            "root": ["here"] * len(number),
            "recording": [f"{label[i]}/{i % recordings}.wav" for i in number],
            "start_s": (number // recordings).astype(float),
            "end_s": (number // recordings).astype(float) + 1,
            "label": label,
            "split": [None] * len(number) if split is None else list(split),
        }
    )
    return RoiSet(table, NoReader())


@pytest.fixture(scope="session")
def make_rois() -> Callable[..., RoiSet]:
    """Return a function that makes `classes` of `size` ROIs, in `recordings` of each class."""
    return labelled_rois


@pytest.fixture(scope="session")
def make_images(tiny: Settings) -> Callable[..., MemoryImages]:
    """Return a function that makes images of ROIs, by default of `make_rois()`."""

    def make(
        rois: RoiSet | None = None, settings: Settings = tiny, versions: int = 0
    ) -> MemoryImages:
        return MemoryImages(labelled_rois() if rois is None else rois, settings, versions)

    return make


@pytest.fixture(scope="session")
def tiny() -> Settings:
    """Return settings of a network of a few thousand weights and short training, in float32."""
    return Settings().replace(
        backbone={
            "name": "small",
            "channels": (4, 4, 8, 8),
            "embedding_dim": 16,
            "weights": "none",
        },
        episodes={"n_way": 3, "n_shot": 2, "n_query": 2},
        training={"epochs": 4, "episodes_per_epoch": 3, "batch_size": 8, "validation_episodes": 4},
        compute={"device": "cpu", "precision": "float32", "batch_size": 16},
    )
