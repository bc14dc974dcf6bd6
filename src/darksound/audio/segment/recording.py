"""A whole recording, block after block."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from darksound.audio.files import AudioInfo, probe
from darksound.audio.segment.block import Found, segment_block
from darksound.audio.segment.blocks import Block, plan_blocks
from darksound.audio.segment.boxes import BOX
from darksound.audio.segment.grid import Grid, make_grid
from darksound.settings import SegmentationSettings

__all__ = ["join_found", "plan_recording", "segment_recording"]


def segment_recording(path: Path, roi_s: float, settings: SegmentationSettings) -> Found:
    """The units of a recording, and what its chunks are like, in bounded memory.

    Args:
        path: of the recording.
        roi_s: longest unit in seconds; longer ones are cut at their quietest points.
        settings: how units are found.

    Raises:
        InputError: the file cannot be read, or holds values that are no numbers.
    """
    grid, blocks = plan_recording(probe(path), settings)
    return join_found([segment_block(path, block, grid, roi_s, settings) for block in blocks])


def plan_recording(info: AudioInfo, settings: SegmentationSettings) -> tuple[Grid, list[Block]]:
    """The grid and the blocks of a recording.

    Raises:
        InputError: the sampling rate is too low for the band.
    """
    grid = make_grid(info.rate, settings)
    return grid, plan_blocks(info.frames, grid, settings.chunk_s)


def join_found(parts: Sequence[Found]) -> Found:
    """What was found in all blocks of a recording, given in order."""
    boxes = np.concatenate([part.boxes for part in parts])
    cause = next((part.cause for part in parts if part.cause is not None), None)
    chunks = tuple(chunk for part in parts for chunk in part.chunks)
    return Found(np.sort(boxes, order=list(BOX.names or ())), chunks, cause)
