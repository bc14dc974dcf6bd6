"""Files of embeddings that other tools wrote: all layouts, and one function that reads them."""

from functools import lru_cache
from pathlib import Path

from darksound.errors import InputError
from darksound.store.embeddings.bacpipe import BACPIPE
from darksound.store.embeddings.birdnet_analyzer import BIRDNET_ANALYZER
from darksound.store.embeddings.files import ARRAY, TABLE
from darksound.store.embeddings.hoplite import HOPLITE
from darksound.store.embeddings.layout import Embeddings, Layout, validate_embeddings
from darksound.system_errors import reading_error

__all__ = ["LAYOUTS", "file_stamp", "read_embeddings"]

#: Tried in this order. To add a layout, write a module here, and add it.
LAYOUTS: tuple[Layout, ...] = (TABLE, ARRAY, BACPIPE, HOPLITE, BIRDNET_ANALYZER)


def read_embeddings(path: Path) -> Embeddings:
    """Return the embeddings in a file or folder of any layout; read once while it is unchanged.

    Raises:
        InputError: the path does not exist, has no known layout, or its embeddings cannot be used.
        SettingsError: a library that the layout needs is not installed.
    """
    return _read_once(path, file_stamp(path))


def file_stamp(path: Path) -> str:
    """Return a text that changes when a file or folder does: its size and modification time.

    Raises:
        InputError: the path does not exist.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {reading_error(path, error)}.") from None
    return f"{status.st_size}-{status.st_mtime_ns}"


@lru_cache(2)
def _read_once(path: Path, stamp: str) -> Embeddings:
    for layout in LAYOUTS:
        if layout.matches(path):
            return validate_embeddings(layout.read(path), path)
    known = "; ".join(layout.description for layout in LAYOUTS)
    raise InputError(f"{path} has no known layout of embeddings. Embeddings may be {known}.")
