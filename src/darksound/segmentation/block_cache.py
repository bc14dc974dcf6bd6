"""The cache of segmented blocks on disk: one file for each block of a recording.

The first line of a file is a checksum of the rest, so that a file in which a disk or an editor
changed a single number is computed again.
"""

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from darksound.atomic import CACHE_OPTION, write_bytes
from darksound.errors import RunError, SettingsError
from darksound.segmentation.block import Chunk, Segmentation
from darksound.segmentation.boxes import BOX, Boxes
from darksound.segmentation.grid import Block
from darksound.segmentation.power import BandLevels
from darksound.settings import ComputeSettings, SegmentationSettings
from darksound.store.shard_file import cache_folder

__all__ = ["BlockCache"]

logger = logging.getLogger(__name__)

# Increase it whenever the same settings and audio give other boxes or chunks.
_VERSION = 9
# Settings that are applied to boxes later.
_LATER_SETTINGS = {"max_unusable", "pad_s", "pad_hz", "group", "keep_chorus", "min_call_score"}


class BlockCache:
    """Segmented blocks, by settings and by the recording's path, size and time.

    Files are written atomically, so a run that was killed can be resumed, and processes that write
    the same block at once leave one complete file.
    """

    def __init__(
        self, segmentation: SegmentationSettings, compute: ComputeSettings, max_roi_s: float
    ) -> None:
        """Open the cache.

        Args:
            segmentation: part of the key.
            compute: `cache_dir` is used.
            max_roi_s: longest ROI in seconds; part of the key.
        """
        self._folder = cache_folder(compute) / "segments"
        settings = segmentation.model_dump_json(exclude=_LATER_SETTINGS)
        self._settings_key = f"{_VERSION} {max_roi_s!r} {settings}"

    def path_of(self, recording: Path, stamp: str, block: Block) -> Path:
        """Return the path of the file of a block.

        Args:
            recording: path of the recording.
            stamp: its size and time, or a digest of its content.
            block: of it.
        """
        key = [self._settings_key, str(recording), stamp, block.edges, block.start, block.stop]
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.json"

    def read(self, path: Path) -> Segmentation | None:
        """Read a segmented block; None if it was not segmented yet, or its file is damaged.

        A damaged file is logged as a warning.
        """
        try:
            checksum, _, text = path.read_bytes().partition(b"\n")
            if checksum != _checksum(text):
                raise ValueError("checksum")
            content = json.loads(text)
            boxes = _boxes(content["fields"], content["boxes"])
            chunks = tuple(_chunk(row) for row in content["chunks"])
            return Segmentation(boxes, chunks, content["cause"], content["n_regions"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError):
            logger.warning("The segment cache file %s is damaged and is computed again.", path)
            return None

    def write(self, path: Path, segmentation: Segmentation) -> None:
        """Write a segmented block.

        Raises:
            SettingsError: the cache folder cannot be written to.
        """
        content = {
            "fields": list(BOX.names or ()),
            "boxes": [_finite(box) for box in segmentation.boxes.tolist()],
            "chunks": [_row(chunk) for chunk in segmentation.chunks],
            "cause": segmentation.cause,
            "n_regions": segmentation.n_regions,
        }
        text = json.dumps(content, allow_nan=False).encode()
        try:
            write_bytes(path, _checksum(text) + b"\n" + text, CACHE_OPTION)
        except RunError as error:
            raise SettingsError(str(error)) from None


def _checksum(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).hexdigest().encode()


def _finite(numbers: Sequence[float]) -> list[float | None]:
    """Return numbers with None in place of what JSON has no number for."""
    return [number if math.isfinite(number) else None for number in numbers]


def _boxes(fields: list[str], rows: list[list[float | None]]) -> Boxes:
    """Return boxes from their rows; a number that is None is NaN.

    Raises:
        ValueError: the rows have other fields than `BOX`.
    """
    if fields != list(BOX.names or ()):
        raise ValueError("fields")
    numbers = [tuple(math.nan if number is None else number for number in row) for row in rows]
    return np.array(numbers, BOX)


def _row(chunk: Chunk) -> list[object]:
    level_db = chunk.level_db if np.isfinite(chunk.level_db) else None
    bands = [*chunk.bands.shares, *chunk.bands.peaks_db]
    return [chunk.start_s, chunk.end_s, level_db, list(chunk.quality_flags), bands]


def _chunk(row: list[Any]) -> Chunk:
    start_s, end_s, level_db, flags, bands = row
    level_db = float("-inf") if level_db is None else level_db
    levels = BandLevels(tuple(bands[:3]), tuple(bands[3:]))
    return Chunk(start_s, end_s, level_db, tuple(flags), levels)
