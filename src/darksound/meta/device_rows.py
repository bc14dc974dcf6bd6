"""Rows of a store on a device; a GPU keeps what it was given, where all rows fit its memory."""

import threading
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.device import fits_on_device, upload
from darksound.store.contract import Store, as_floats

__all__ = ["DeviceRows"]

_Rows = npt.NDArray[np.int64]


class DeviceRows:
    """Rows of a store, on a device.

    A GPU gets rows as the store keeps them, images as bytes. If all of them fit, each crosses to
    its memory once, and stays there as long as the store exists; otherwise each batch crosses.

    Args:
        store: images or vectors.
        device: of the rows that `batch` returns.
    """

    def __init__(self, store: Store, device: torch.device) -> None:
        self._store, self._device = store, device
        self._memory = _memory_of(store, device)

    def batch(self, rows: _Rows, versions: _Rows | None = None) -> Tensor:
        """Return some rows on the device, float32 `(b, *shape)`; see `Store.batch`."""
        if self._device.type == "cpu":
            return self._store.batch(rows, versions)
        if self._memory is None:
            return as_floats(upload(self._store.stored(rows, versions), self._device))
        chosen = np.zeros_like(rows) if versions is None else versions
        return as_floats(self._memory.rows(self._store, rows, chosen))


class _Memory:
    """Rows of all versions of a store in a GPU's memory, filled when they are first used.

    Args:
        n_rows: number of rows of all versions.
        like: a row `(1, *shape)` as the store keeps it.
        device: a GPU.
    """

    def __init__(self, n_rows: int, like: Tensor, device: torch.device) -> None:
        self._device, self._lock = device, threading.Lock()
        self._is_present = np.zeros(n_rows, dtype=bool)
        self._rows = torch.empty((n_rows, *like.shape[1:]), dtype=like.dtype, device=device)

    def rows(self, store: Store, rows: _Rows, versions: _Rows) -> Tensor:
        """Return rows `(b, *shape)` as the store keeps them."""
        positions = versions * len(store) + rows
        with self._lock:
            missing = np.unique(positions[~self._is_present[positions]])
            if len(missing):
                version, row = np.divmod(missing, len(store))
                added = upload(store.stored(row, version), self._device)
                self._rows.index_copy_(0, self._upload(missing), added)
                self._is_present[missing] = True
            return self._rows.index_select(0, self._upload(positions))

    def _upload(self, positions: _Rows) -> Tensor:
        return upload(torch.from_numpy(positions), self._device)


_memories: WeakKeyDictionary[Store, dict[torch.device, _Memory]] = WeakKeyDictionary()
_memories_lock = threading.Lock()


def _memory_of(store: Store, device: torch.device) -> _Memory | None:
    """Return the rows of a store in a GPU's memory; None if they do not fit, or for a CPU."""
    if device.type == "cpu" or len(store) == 0:
        return None
    with _memories_lock:
        of_store = _memories.setdefault(store, {})
        if device not in of_store:
            first = store.stored(np.zeros(1, dtype=np.int64))
            n_rows = store.n_versions * len(store)
            if fits_on_device(n_rows * first.nbytes, device):
                of_store[device] = _Memory(n_rows, first, device)
        return of_store.get(device)
