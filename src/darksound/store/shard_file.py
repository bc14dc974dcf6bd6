"""Cache files: some rows of images or vectors each, written whole, verified when opened."""

import json
import logging
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from darksound.atomic import CACHE_OPTION, replacing
from darksound.errors import InputError, RunError, SettingsError
from darksound.settings import ComputeSettings
from darksound.system_errors import reading_error
from darksound.text import text_path

__all__ = ["ImageRows", "Rows", "Shard", "cache_folder", "open_shard", "write_shard"]

logger = logging.getLogger(__name__)

#: Cached images: 8 bits of [0, 1], or half precision.
ImageRows = npt.NDArray[np.uint8 | np.float16]
#: Cached images, or vectors in single precision.
Rows = npt.NDArray[np.uint8 | np.float16 | np.float32]

# A file begins with magic bytes, length and checksum of the header, and the header as JSON, padded;
# the rows follow.
_MAGIC = b"dsimage1"
_PREFIX = struct.Struct("<8sII")
_ALIGNMENT = 64


def cache_folder(compute: ComputeSettings) -> Path:
    """Return `compute.cache_dir`, or the user's cache folder; it need not exist.

    Raises:
        SettingsError: there cannot be such a folder, or it cannot be read.
    """
    if compute.cache_dir is None:
        return platformdirs.user_cache_path("darksound")
    folder = text_path(str(compute.cache_dir))
    try:
        folder.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        cause = reading_error(folder, error)
        raise SettingsError(f"compute.cache_dir is {folder}: {cause}.") from None
    return folder


@dataclass(frozen=True)
class Shard:
    """The content of a cache file.

    Attributes:
        path: of the file.
        offset: byte at which the rows begin.
        dtype: of the rows.
        shape: `(n, 3, h, w)` of images, `(n, dim)` of vectors; all zeros but the first if no ROI
            of the shard can be read.
        causes: why a ROI cannot be read, by its row in the shard.
    """

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]
    causes: Mapping[int, str]

    def map(self) -> Rows:
        """Return the rows, memory-mapped for reading.

        Raises:
            InputError: the file was removed or cut.
        """
        if 0 in self.shape:
            return np.zeros(self.shape, self.dtype)
        try:
            return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        except (OSError, ValueError):
            raise InputError(
                f"The cache file {self.path} was removed or cut during the run; run again to "
                "create it."
            ) from None


def write_shard(path: Path, rows: Rows, causes: Mapping[int, str]) -> None:
    """Write a shard to a temporary file and rename it, so that no partial file ever exists.

    Args:
        path: of the file.
        rows: images `(n, 3, h, w)` or vectors `(n, dim)`.
        causes: why a ROI cannot be read, by its row.

    Raises:
        SettingsError: the cache folder cannot be written to.
    """
    rows = np.ascontiguousarray(rows)
    header = {
        "dtype": rows.dtype.name,
        "shape": rows.shape,
        "causes": {str(row): causes[row] for row in sorted(causes)},
        "crc32": zlib.crc32(rows.data if rows.size else b""),
    }
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-(_PREFIX.size + len(text)) % _ALIGNMENT)
    prefix = _PREFIX.pack(_MAGIC, len(text), zlib.crc32(text))
    try:
        with replacing(path, CACHE_OPTION) as temporary, temporary.open("wb") as file:
            file.write(prefix + text)
            file.write(rows.data if rows.size else b"")
    except RunError as error:
        raise SettingsError(str(error)) from None


def open_shard(path: Path) -> Shard | None:
    """Return the shard in a file, after verifying its checksums; None if there is no such file.

    A damaged file is logged and treated as missing.
    """
    try:
        with path.open("rb") as file:
            magic, length, checksum = _PREFIX.unpack(file.read(_PREFIX.size))
            text = file.read(length)
            if magic != _MAGIC or zlib.crc32(text) != checksum:
                raise ValueError("header")
            header = json.loads(text)
            shape = tuple(header["shape"])
            causes = {int(row): cause for row, cause in header["causes"].items()}
            shard = Shard(path, _PREFIX.size + length, header["dtype"], shape, causes)
            if os.fstat(file.fileno()).st_size != shard.offset + _n_bytes(shard):
                raise ValueError("length")
            if _checksum(shard) != header["crc32"]:
                raise ValueError("rows")
            return shard
    except FileNotFoundError:
        return None
    except (OSError, ValueError, struct.error, InputError):
        logger.warning("The cache file %s is damaged and is created again.", path)
        return None


def _n_bytes(shard: Shard) -> int:
    return int(np.prod(shard.shape)) * np.dtype(shard.dtype).itemsize


def _checksum(shard: Shard) -> int:
    rows = shard.map()
    return zlib.crc32(rows.data if rows.size else b"")
