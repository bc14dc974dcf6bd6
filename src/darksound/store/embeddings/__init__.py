"""All layouts of embeddings, and one function that reads any of them."""

from functools import lru_cache
from pathlib import Path

from darksound.errors import InputError
from darksound.store.embeddings.bacpipe import BACPIPE
from darksound.store.embeddings.birdnet_analyzer import BIRDNET_ANALYZER
from darksound.store.embeddings.content import Embeddings, Layout, checked
from darksound.store.embeddings.files import ARRAY, TABLE
from darksound.store.embeddings.hoplite import HOPLITE

__all__ = ["LAYOUTS", "read_embeddings", "stamp_of"]

#: Asked in this order; a new one is a file here and an entry.
LAYOUTS: tuple[Layout, ...] = (TABLE, ARRAY, BACPIPE, HOPLITE, BIRDNET_ANALYZER)


def read_embeddings(path: Path) -> Embeddings:
    """The embeddings in a file or folder of any layout; read once as long as it stays.

    Raises:
        InputError: there is nothing there, it is of no layout, or it cannot be used.
        SettingsError: a library that the layout needs is not installed.
    """
    return _read(path, stamp_of(path))


def stamp_of(path: Path) -> str:
    """Size and time of change of a file of embeddings, or of a folder.

    Raises:
        InputError: there is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: embeddings cannot be read ({error.strerror}).") from None
    return f"{status.st_size}-{status.st_mtime_ns}"


@lru_cache(2)
def _read(path: Path, stamp: str) -> Embeddings:
    for layout in LAYOUTS:
        if layout.matches(path):
            return checked(layout.read(path), path)
    known = "; ".join(layout.written for layout in LAYOUTS)
    raise InputError(f"{path} holds no embeddings that are known. Embeddings may be {known}.")
