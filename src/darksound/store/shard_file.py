"""Shards of cached images or vectors: one file each, written whole, checked when opened."""

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

from darksound.atomic import replacing
from darksound.errors import InputError, RunError, SettingsError
from darksound.settings import Settings

__all__ = ["Images", "Rows", "Shard", "cache_folder", "open_shard", "write_shard"]


def cache_folder(settings: Settings) -> Path:
    """`compute.cache_dir`, or the user's cache folder; each kind of thing has a folder in it."""
    return settings.compute.cache_dir or platformdirs.user_cache_path("darksound")


logger = logging.getLogger(__name__)

#: Images as they are kept: 8 bits of [0, 1], or half precision.
Images = npt.NDArray[np.uint8 | np.float16]
#: Images, or vectors in single precision.
Rows = npt.NDArray[np.uint8 | np.float16 | np.float32]

# Magic, length and checksum of the header, which is JSON; then the rows, aligned.
_MAGIC = b"dsimage1"
_PREFIX = struct.Struct("<8sII")
_ALIGNMENT = 64


@dataclass(frozen=True)
class Shard:
    """What a shard's file holds.

    Attributes:
        path: the file.
        offset: byte at which the rows start.
        dtype: of the rows.
        shape: `(n, 3, h, w)` of images, `(n, dim)` of vectors; all zeros but the first where no
            ROI could be read.
        causes: why a row is missing, by its place in the shard.
    """

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]
    causes: Mapping[int, str]

    def map(self) -> Rows:
        """The rows, memory-mapped for reading.

        Raises:
            InputError: the file has gone.
        """
        if 0 in self.shape:
            return np.zeros(self.shape, self.dtype)
        try:
            return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        except (OSError, ValueError):
            raise InputError(
                f"The cache file {self.path} has gone or was cut short; run again to make it anew."
            ) from None


def write_shard(path: Path, rows: Rows, causes: Mapping[int, str]) -> None:
    """Write a shard beside its place and move it there, so that it is there whole or not at all.

    Args:
        path: of the file.
        rows: images `(n, 3, h, w)` or vectors `(n, dim)`.
        causes: why one is missing, by its place.

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
        with replacing(path) as beside, beside.open("wb") as file:
            file.write(prefix + text)
            file.write(rows.data if rows.size else b"")
    except RunError as error:
        raise SettingsError(
            f"compute.cache_dir: nothing can be kept in {path.parent} ({error.__cause__}); "
            "name another folder or make room."
        ) from None


def open_shard(path: Path) -> Shard | None:
    """The shard in a file whose checksums are right; None where there is none.

    A damaged file is logged and counts as none.
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
            if os.fstat(file.fileno()).st_size != shard.offset + _size(shard):
                raise ValueError("length")
            if _checksum(shard) != header["crc32"]:
                raise ValueError("rows")
            return shard
    except FileNotFoundError:
        return None
    except (OSError, ValueError, struct.error, InputError):
        logger.warning("The cache file %s is damaged and is made again.", path)
        return None


def _size(shard: Shard) -> int:
    return int(np.prod(shard.shape)) * np.dtype(shard.dtype).itemsize


def _checksum(shard: Shard) -> int:
    rows = shard.map()
    return zlib.crc32(rows.data if rows.size else b"")
