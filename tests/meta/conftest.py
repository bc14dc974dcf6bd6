"""Tiny images in memory, and settings small enough to train on them in a blink."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings


class NoReader:
    """Nothing here is ever heard: the images are there already."""

    def read(self, root, recording, start_s, end_s, rate):
        raise AssertionError("sound was read")

    def stamp(self, root: str, recording: str) -> str:
        return ""


class FakeImages:
    """What an ImageStore offers, with images drawn from the class and the row.

    A class is a pattern; a row adds noise, a version some more.
    """

    kind = "images"
    shape = (3, 16, 24)

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

    def take(self, rows: npt.NDArray[np.int64]) -> "FakeImages":
        taken = copy(self)
        taken.rois, taken._rows = replace(self.rois.take(rows), problems=()), self._rows[rows]
        taken.n_versions, taken.batches = 1, []
        return taken

    def batch(
        self, rows: npt.NDArray[np.int64], versions: npt.NDArray[np.int64] | None = None
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


def _rois(
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


@pytest.fixture
def make_rois() -> Callable[..., RoiSet]:
    """Labelled ROIs: `classes` of `size` ROIs each, in `recordings` recordings a class."""
    return _rois


@pytest.fixture
def make_images(tiny: Settings) -> Callable[..., FakeImages]:
    """Images of ROIs, by default of `make_rois()`."""

    def make(
        rois: RoiSet | None = None, settings: Settings = tiny, versions: int = 0
    ) -> FakeImages:
        return FakeImages(_rois() if rois is None else rois, settings, versions)

    return make


@pytest.fixture
def tiny() -> Settings:
    """A network of a few thousand weights, and short training, in float32."""
    return Settings().replace(
        backbone={"channels": (4, 4, 8, 8), "embedding_dim": 16, "weights": "none"},
        episodes={"n_way": 3, "n_shot": 2, "n_query": 2},
        training={"epochs": 4, "episodes_per_epoch": 3, "batch_size": 8, "validation_episodes": 4},
        compute={"device": "cpu", "precision": "float32", "batch_size": 16},
    )
