"""The cache of segmented blocks on disk: one file for each block of a recording."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from darksound.atomic import write_text
from darksound.errors import RunError, SettingsError
from darksound.segmentation.block import Chunk, Segmentation
from darksound.segmentation.boxes import BOX
from darksound.segmentation.grid import Block
from darksound.settings import ComputeSettings, SegmentationSettings
from darksound.store.shard_file import cache_folder

__all__ = ["BlockCache"]

logger = logging.getLogger(__name__)

# Increase it whenever the same settings and audio give other boxes or chunks.
_VERSION = 1
# Settings that are applied to boxes later.
_LATER_SETTINGS = {"max_unusable", "pad_s", "pad_hz"}


class BlockCache:
    """Segmented blocks, by settings and by the recording's path, size and time.

    Files are written atomically, so a run that was killed can be resumed.
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
            stamp: its size and time.
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
            content = json.loads(path.read_text(encoding="utf-8"))
            boxes = np.array([tuple(box) for box in content["boxes"]], BOX)
            chunks = tuple(
                Chunk(c["start_s"], c["end_s"], _level_db(c["level_db"]), tuple(c["flags"]))
                for c in content["chunks"]
            )
            return Segmentation(boxes, chunks, content["cause"])
        except FileNotFoundError:
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
            "boxes": [list(box) for box in segmentation.boxes.tolist()],
            "chunks": [
                {
                    "start_s": chunk.start_s,
                    "end_s": chunk.end_s,
                    "level_db": chunk.level_db if np.isfinite(chunk.level_db) else None,
                    "flags": list(chunk.quality_flags),
                }
                for chunk in segmentation.chunks
            ],
            "cause": segmentation.cause,
        }
        try:
            write_text(path, json.dumps(content))
        except RunError as error:
            raise SettingsError(
                f"compute.cache_dir: segmented blocks cannot be written to {path.parent} "
                f"({error.__cause__}); name another folder or free disk space."
            ) from None


def _level_db(value: float | None) -> float:
    return float("-inf") if value is None else value
