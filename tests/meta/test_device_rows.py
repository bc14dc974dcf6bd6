"""Rows of a store in a GPU's memory: the same rows, each of which crosses once."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.fake_gpu import NoWaiting, fake_gpu

from darksound.meta.device_rows import DeviceRows, _Memory
from darksound.meta.regimes import TrainingBatches
from darksound.settings import Settings
from darksound.store.contract import as_floats


class _Bytes:
    """A store of images as bytes: row i of version v is filled with 10 v + i."""

    kind, shape, n_versions = "images", (3, 4, 5), 3

    def __init__(self):
        self.settings = Settings()
        self.crossed: list[int] = []

    def __len__(self) -> int:
        return 6

    def stored(self, rows, versions=None):
        versions = np.zeros(len(rows), dtype=np.int64) if versions is None else versions
        values = [10 * v + i for i, v in zip(rows, versions, strict=True)]
        self.crossed += values
        filled = torch.tensor(values, dtype=torch.uint8).reshape(-1, 1, 1, 1)
        return filled.expand(-1, *self.shape).contiguous()

    def batch(self, rows, versions=None):
        return as_floats(self.stored(rows, versions))


def test_each_row_crosses_once_and_comes_back_in_any_order():
    store: Any = _Bytes()
    memory = _Memory(18, store.stored(np.zeros(1, dtype=np.int64)), torch.device("cpu"))
    store.crossed.clear()
    rows, versions = np.array([5, 0, 5, 2]), np.array([2, 0, 2, 1])
    for _ in range(2):
        assert memory.rows(store, rows, versions)[:, 0, 0, 0].tolist() == [25, 0, 25, 12]
    again = memory.rows(store, np.array([2, 3]), np.array([1, 0]))
    assert again[:, 2, 3, 4].tolist() == [12, 3]
    assert sorted(store.crossed) == [0, 3, 12, 25]


@pytest.mark.parametrize("free_bytes", [80 << 30, 100])
def test_a_gpu_gets_bytes_and_makes_floats_of_them_without_waiting(free_bytes):
    store: Any = _Bytes()
    with fake_gpu(free_bytes) as gpu:
        rows = DeviceRows(store, gpu)
        store.crossed.clear()
        with NoWaiting():
            for _ in range(3):
                batch = rows.batch(np.array([1, 2]), np.array([0, 1]))
        assert (batch.device, batch.dtype, batch.shape) == (gpu, torch.float32, (2, 3, 4, 5))
    # Rows that fit stay there, also for a second reader of the store; others cross each time.
    assert len(store.crossed) == (2 if free_bytes > 100 else 6)


def test_augmented_batches_are_made_on_the_gpu_without_waiting():
    store: Any = _Bytes()
    with fake_gpu() as gpu:
        batches = TrainingBatches(store, Settings().replace(compute={"device": "cuda"}))
        with NoWaiting():
            batch = batches.augmented(np.arange(6), 0, 1)
        assert batch.device == gpu
        assert batch.is_contiguous(memory_format=torch.channels_last)
