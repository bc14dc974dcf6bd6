"""Small fixtures: a store of patterned images in memory, and a tiny learner."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from darksound.audio.files import AudioInfo
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings
from darksound.store.contract import RowKind


class UnusedReader:
    """A reader for ROIs whose images are in memory."""

    def read(self, root, recording, start_s, end_s, rate, *, channel="mean"):
        raise AssertionError("images are in memory")

    def stamp(self, root: str, recording: str) -> str:
        return ""

    def info(self, root: str, recording: str) -> AudioInfo:
        raise AssertionError("images are in memory")


class MemoryImages:
    """The interface of `ImageStore`, from a tensor."""

    kind: RowKind = "images"
    pieces = None

    def __init__(self, images: torch.Tensor, settings: Settings, labels: list | None) -> None:
        n = len(images)
        table = as_roi_table(
            {
                "root": ["here"] * n,
                "recording": [f"rec-{i % 4}.wav" for i in range(n)],
                "start_s": np.arange(n, dtype=float),
                "end_s": np.arange(n) + 1.0,
                "label": labels if labels is not None else [None] * n,
            }
        )
        self.rois = RoiSet(table, UnusedReader())
        self.settings, self.n_versions = settings, 1
        self.shape: tuple[int, ...] = tuple(images.shape[1:])
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def take(self, rows) -> "MemoryImages":
        taken = copy(self)
        taken.rois = replace(self.rois.take(rows), problems=())
        taken._images = self._images[torch.as_tensor(rows)]
        return taken

    def stored(self, rows, versions=None) -> torch.Tensor:
        return self.batch(rows, versions)

    def batch(self, rows, versions=None) -> torch.Tensor:
        return self._images[torch.as_tensor(np.asarray(rows, dtype=np.int64))]


@pytest.fixture(scope="session")
def tiny_settings() -> Settings:
    """PCA, a tiny backbone, short fine-tunings: a loop in a second."""
    return Settings().replace(
        seed=7,
        backbone={"name": "small", "channels": (4, 4, 8, 8), "embedding_dim": 16},
        episodes={"n_way": 4, "n_shot": 3, "n_query": 3},
        reduction={"method": "pca", "n_components": 6},
        mec={"iterations": 3, "n_episodes": 6, "learning_rate": 1e-4, "converged_ami": 1.0},
        compute={"device": "cpu", "precision": "float32"},
    )


@pytest.fixture(scope="session")
def tiny_learner(tiny_settings) -> Learner:
    return build_learner(tiny_settings).eval()


@pytest.fixture(scope="session")
def make_images(tiny_settings) -> Callable[..., MemoryImages]:
    """`make_images(sizes, noise=0.1, stray=0, labelled=True)`: one pattern per class."""

    def make(
        sizes: list[int], noise: float = 0.1, stray: int = 0, labelled: bool = True, seed: int = 3
    ) -> MemoryImages:
        rng = torch.Generator().manual_seed(seed)
        patterns = torch.rand(len(sizes), 3, 4, 8, generator=rng)
        patterns = torch.nn.functional.interpolate(patterns, scale_factor=4)
        classes = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        images = patterns[classes] + noise * torch.randn(len(classes), 3, 16, 32, generator=rng)
        odd = torch.rand(stray, 3, 4, 8, generator=rng)
        odd = (
            torch.nn.functional.interpolate(odd, scale_factor=4)
            if stray
            else odd.new_zeros(0, 3, 16, 32)
        )
        images = torch.cat([images, odd]).clamp(0, 1)
        labels = [f"bird {int(c)}" for c in classes] + [None] * stray
        return MemoryImages(images, tiny_settings, labels if labelled else None)

    return make
