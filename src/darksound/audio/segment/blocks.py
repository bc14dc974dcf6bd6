"""How a recording is cut into blocks that are worked on apart, without cutting a unit."""

from dataclasses import dataclass

from darksound.audio.segment.grid import Grid

__all__ = ["Block", "plan_blocks"]

# Points of the spectrogram that a block holds at most; with all that is made of them some 150 MB.
_POINTS = 6_000_000


@dataclass(frozen=True)
class Block:
    """Consecutive chunks of a recording: those that it answers for, and one on either side.

    Attributes:
        edges: first frame of each chunk, and the one after the last.
        start: first frame that the block answers for; one of `edges`.
        stop: the frame after the last that it answers for; one of `edges`.
    """

    edges: tuple[int, ...]
    start: int
    stop: int

    @property
    def has_left(self) -> bool:
        """Whether a chunk before those it answers for is read too."""
        return self.edges[0] < self.start

    @property
    def has_right(self) -> bool:
        """Whether a chunk after those it answers for is read too."""
        return self.stop < self.edges[-1]


def plan_blocks(samples: int, grid: Grid, chunk_s: float) -> list[Block]:
    """The blocks of a recording; they depend on its length and the settings alone.

    Chunks are of one length, as near to `chunk_s` as the recording's length allows.

    Args:
        samples: length of the recording.
        grid: its frames and bands.
        chunk_s: wanted length of a chunk in seconds.
    """
    frames = grid.frames(samples)
    chunks = max(round(frames * grid.frame_s / chunk_s), 1)
    edges = [round(i * frames / chunks) for i in range(chunks + 1)]
    own = max(_POINTS * chunks // (frames * grid.bands), 1)
    return [
        Block(
            tuple(edges[max(first - 1, 0) : min(first + own + 1, chunks) + 1]),
            edges[first],
            edges[min(first + own, chunks)],
        )
        for first in range(0, chunks, own)
    ]
