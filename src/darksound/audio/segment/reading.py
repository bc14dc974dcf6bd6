"""Reading a block of a recording, a chunk at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from darksound.audio.files import open_sound
from darksound.audio.segment.blocks import Block
from darksound.audio.segment.grid import Grid

__all__ = ["DamagedError", "chunks_of"]


class DamagedError(Exception):
    """A recording cannot be decoded from some place on; what came before is good."""


def chunks_of(path: Path, block: Block, grid: Grid) -> Iterator[npt.NDArray[np.float32]]:
    """The samples that each chunk's frames look at, read once and in order.

    A recording that ends early gives the chunks that are whole, and of the next what is there.

    Args:
        path: of the recording.
        block: which part of it.
        grid: what a frame is.

    Yields:
        Samples `(n, channels)` in [-1, 1].

    Raises:
        InputError: the file cannot be opened.
        DamagedError: it cannot be decoded from here on.
    """
    overlap = grid.n_fft - grid.hop
    with open_sound(path) as sound:
        start, _ = grid.samples(block.edges[0], block.edges[0] + 1)
        try:
            sound.seek(start)
            before = sound.read(overlap, dtype="float32", always_2d=True)
            for first, stop in zip(block.edges[:-1], block.edges[1:], strict=True):
                wanted = (stop - first) * grid.hop
                new = sound.read(wanted, dtype="float32", always_2d=True)
                yield np.concatenate([before, new])
                if len(new) < wanted:
                    return
                before = new[-overlap:]
        except (sf.SoundFileError, OSError) as error:
            raise DamagedError(str(error)) from None
