"""One block of a recording: its units, and what its chunks are like."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from darksound.audio.files import open_sound
from darksound.errors import InputError
from darksound.segmentation.boxes import BOX, Boxes, boxes_of
from darksound.segmentation.flags import Heard, flags_of, flat_share
from darksound.segmentation.grid import Block, Grid
from darksound.segmentation.power import background, power_spectrum, quiet_power, smoothed
from darksound.segmentation.units import find_points
from darksound.settings import SegmentationSettings

__all__ = ["Chunk", "DamagedError", "Found", "chunks_of", "segment_block"]


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


Wave = npt.NDArray[np.float32]

# Frames that flags learn the quiet of each band from.
_EVERY = 4
# Codecs announce a little more than they give back.
_CODEC_S = 0.2


@dataclass(frozen=True)
class Chunk:
    """What a chunk of a recording is like.

    Attributes:
        start_s: where it starts.
        end_s: where it ends.
        level_db: its root mean square against full scale in decibels; -inf where it is silent.
        flags: what may be wrong with it, in alphabetical order.
    """

    start_s: float
    end_s: float
    level_db: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What was found in a block, or in a whole recording.

    Attributes:
        boxes: the units that it answers for, an array of `BOX`, sorted by time.
        chunks: those that it answers for.
        cause: why its end was left out; None where it was not.
    """

    boxes: Boxes
    chunks: tuple[Chunk, ...]
    cause: str | None = None


def segment_block(
    path: Path, block: Block, grid: Grid, roi_s: float, settings: SegmentationSettings
) -> Found:
    """Units and chunks that a block of a recording answers for.

    Args:
        path: of the recording.
        block: of `plan_blocks`.
        grid: of `make_grid`.
        roi_s: longest unit in seconds; longer ones are cut at their quietest points.
        settings: how units are found.

    Raises:
        InputError: the file cannot be opened, or holds values that are no numbers.
    """
    ratios: list[Wave] = []
    chunks: list[Chunk] = []
    damage = "the sound ends"
    try:
        for channels, first in zip(chunks_of(path, block, grid), block.edges, strict=False):
            _refuse_no_numbers(channels, path, first * grid.frame_s)
            if len(channels) < grid.n_fft and block.edges != (0, 1):
                break
            ratio, flags = _measure(channels, grid, settings)
            ratios.append(ratio)
            if block.start <= first < block.stop:
                start_s, end_s = first * grid.frame_s, (first + len(ratio)) * grid.frame_s
                chunks.append(Chunk(start_s, end_s, _level_db(channels), flags))
    except DamagedError as error:
        damage = f"damaged ({error})"
    missing_s = (block.edges[-1] - block.edges[0] - sum(map(len, ratios))) * grid.frame_s
    ended_s = block.edges[-1] * grid.frame_s - missing_s
    cause = None
    if missing_s > _CODEC_S:
        cause = f"{path}: {damage} after {ended_s:.1f} s; what should follow is left out."
    if not ratios:
        return Found(np.empty(0, BOX), (), cause)
    points = find_points(np.concatenate(ratios), grid, settings)
    return Found(boxes_of(points, block, grid, roi_s, settings), tuple(chunks), cause)


def _refuse_no_numbers(channels: Wave, path: Path, start_s: float) -> None:
    if not np.isfinite(channels).all():
        raise InputError(
            f"{path}: samples that are no numbers (NaN or infinity) after {start_s:.1f} s; "
            "export the file again or leave it out."
        )


def _measure(
    channels: Wave, grid: Grid, settings: SegmentationSettings
) -> tuple[Wave, tuple[str, ...]]:
    """Power over the background, `(frames, bands)`, and the flags of a chunk `(n, channels)`."""
    one = channels.shape[1] == 1
    mono = np.ascontiguousarray(channels[:, 0] if one else channels.mean(axis=1, dtype=np.float32))
    power = power_spectrum(mono, grid.n_fft, grid.hop)
    band = smoothed(
        np.ascontiguousarray(power[:, grid.first_bin : grid.first_bin + grid.bands]),
        settings.smoothing,
    )
    band /= background(band, settings)
    quiet = quiet_power(np.ascontiguousarray(power[::_EVERY]))
    heard = Heard(flat_share(channels), power, quiet, grid.band_hz, grid.frame_s)
    return band, flags_of(heard)


def _level_db(channels: Wave) -> float:
    mean = float(np.mean(np.square(channels, dtype=np.float64)))
    return float(10 * np.log10(mean)) if mean > 0 else float("-inf")
