"""Keep the messages of decoders off the terminal.

libmpg123 inside libsndfile writes about every odd byte to C's `stderr`, and no option of libsndfile
turns it off. While a decoder runs, C's variable `stderr` names another stream. File descriptor 2 is
never touched, so what Python writes, in this thread or another, is never lost.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_decoders"]


class _StandardError:
    """C's variable `stderr`, replaced while at least one thread is within a decoder."""

    def __init__(self) -> None:
        self._variable = _stderr_variable()
        self._sink: int | None = None
        self._original: int | None = None
        self._lock = threading.Lock()
        self._n_users = 0

    def replace(self) -> None:
        """Count a user; the first one replaces the stream."""
        if self._variable is None:
            return
        with self._lock:
            self._n_users += 1
            if self._n_users == 1:
                self._original = self._variable.value
                self._variable.value = self._open_sink() or self._original

    def restore(self) -> None:
        """Count a user less; the last one restores the stream."""
        if self._variable is None:
            return
        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                self._variable.value = self._original

    def restore_in_child(self) -> None:
        """Restore the stream in a forked process, which has none of the other threads."""
        if self._variable is not None and self._n_users:
            self._variable.value = self._original
        self._lock = threading.Lock()
        self._n_users = 0

    def _open_sink(self) -> int | None:
        """Return the stream that discards what is written, opened once."""
        if self._sink is None:
            fopen = ctypes.CDLL(None).fopen
            fopen.restype, fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
            self._sink = fopen(os.fsencode(os.devnull), b"w")
        return self._sink


def _stderr_variable() -> "ctypes.c_void_p | None":
    """Return C's variable `stderr` where it can be assigned: in glibc and on macOS, else None."""
    if sys.platform == "darwin":
        return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "__stderrp")
    try:
        # In musl, the other C library of Linux, the variable is in memory that is read-only.
        glibc = sys.platform == "linux" and os.confstr("CS_GNU_LIBC_VERSION")
        return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr") if glibc else None
    except (OSError, ValueError):
        return None


_STDERR = _StandardError()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_STDERR.restore_in_child)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Discard what C libraries write to `stderr` within this context."""
    _STDERR.replace()
    try:
        yield
    finally:
        _STDERR.restore()
