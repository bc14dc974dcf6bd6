"""What segmentation has found so far, on disk: a file for each block of a recording."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from darksound.atomic import write_text
from darksound.errors import RunError, SettingsError
from darksound.segmentation.block import Chunk, Found
from darksound.segmentation.boxes import BOX
from darksound.segmentation.grid import Block
from darksound.settings import SegmentationSettings, Settings
from darksound.store.shard_file import cache_folder

__all__ = ["SegmentJournal"]

logger = logging.getLogger(__name__)

# Changes whenever the same settings and sound come to give other units.
_EDITION = 1
# Settings that say what is done with units, not which there are.
_LATER = {"max_bad", "pad_s", "pad_hz"}


class SegmentJournal:
    """What was found in blocks, by settings and by the recording's path, size and time.

    A block is there whole or not at all, so that work that was killed at any moment goes on where
    it stopped.
    """

    def __init__(self, settings: Settings, unit_s: float) -> None:
        """Open the journal in the cache folder.

        Args:
            settings: `compute.cache_dir` and `segmentation` are used.
            unit_s: longest unit in seconds.
        """
        cache = cache_folder(settings)
        self._folder = cache / "segments"
        self._settings = _key(settings.segmentation, unit_s)

    def place(self, path: Path, stamp: str, block: Block) -> Path:
        """The file of a block.

        Args:
            path: of the recording.
            stamp: its size and time.
            block: of it.
        """
        text = json.dumps([self._settings, str(path), stamp, block.edges, block.start, block.stop])
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.json"

    def read(self, place: Path) -> Found | None:
        """What was found in a block, or None where it has not been looked at.

        A damaged file is logged and counts as none.
        """
        try:
            content = json.loads(place.read_text(encoding="utf-8"))
            boxes = np.array([tuple(box) for box in content["boxes"]], BOX)
            chunks = tuple(
                Chunk(c["start_s"], c["end_s"], _number(c["level_db"]), tuple(c["flags"]))
                for c in content["chunks"]
            )
            return Found(boxes, chunks, content["cause"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            logger.warning("The segment cache file %s is damaged and is made again.", place)
            return None

    def write(self, place: Path, found: Found) -> None:
        """Keep what was found in a block.

        Raises:
            SettingsError: the cache folder cannot be written to.
        """
        content = {
            "boxes": [list(box) for box in found.boxes.tolist()],
            "chunks": [
                {
                    "start_s": chunk.start_s,
                    "end_s": chunk.end_s,
                    "level_db": chunk.level_db if np.isfinite(chunk.level_db) else None,
                    "flags": list(chunk.flags),
                }
                for chunk in found.chunks
            ],
            "cause": found.cause,
        }
        try:
            write_text(place, json.dumps(content))
        except RunError as error:
            raise SettingsError(
                f"compute.cache_dir: what was found cannot be kept in {place.parent} "
                f"({error.__cause__}); name another folder or make room."
            ) from None


def _key(settings: SegmentationSettings, unit_s: float) -> str:
    return f"{_EDITION} {unit_s!r} {settings.model_dump_json(exclude=_LATER)}"


def _number(level_db: float | None) -> float:
    return float("-inf") if level_db is None else level_db
