"""Segmentation of one block of a recording: its ROIs, and the level and flags of its chunks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf

from darksound.audio.files import open_audio, problem_of
from darksound.audio.mixing import mix_channels
from darksound.errors import InputError
from darksound.segmentation.activity import ChunkActivity, measure_activity
from darksound.segmentation.boxes import BOX, Boxes, join_boxes, region_boxes
from darksound.segmentation.call_features import call_features
from darksound.segmentation.call_score import call_scores
from darksound.segmentation.chorus import find_block_regions
from darksound.segmentation.grid import Block, Grid
from darksound.segmentation.power import (
    BandLevels,
    estimate_background,
    floor_power,
    measure_bands,
    power_spectrum,
    smooth,
)
from darksound.segmentation.quality_flags import (
    ChunkFeatures,
    clipped_share,
    detect_quality_flags,
)
from darksound.segmentation.regions import RegionPoints, find_regions
from darksound.settings import SegmentationSettings

__all__ = [
    "BlockRois",
    "Chunk",
    "DamagedRecordingError",
    "Segmentation",
    "find_block_rois",
    "read_chunks",
    "segment_block",
]

Samples = npt.NDArray[np.float32]

# The floor of each band, for quality flags, is computed from every fourth frame.
_FLOOR_FRAME_STEP = 4
# Codecs may return a little less audio than their header states.
_CODEC_TOLERANCE_S = 0.2
# No recording is 120 dB above full scale.
_MAX_MEAN_SQUARE = 1e12


class DamagedRecordingError(Exception):
    """A recording cannot be decoded from some position on; what was read before is valid."""


def read_chunks(
    path: Path, block: Block, grid: Grid, on_problem: Callable[[str], None] | None = None
) -> Iterator[Samples]:
    """Read the samples of the frames of each chunk, once and in order.

    If the recording ends early, the last chunk is shorter and the ones after it are missing.

    Args:
        path: of the recording.
        block: the part to read.
        grid: frames and bands.
        on_problem: called at the end with what is missing in the recording, if something is.

    Yields:
        Samples `(n, channels)` in [-1, 1]; silence for what cannot be decoded.

    Raises:
        InputError: the file cannot be opened, or its rate is another one than that of the grid.
        DamagedRecordingError: it cannot be decoded from this position on.
    """
    overlap = grid.n_fft - grid.hop
    with open_audio(path) as file:
        if file.samplerate != grid.rate:
            raise InputError(
                f"{path}: changed while it was read ({grid.rate} Hz before, {file.samplerate} Hz "
                "now); run again."
            )
        start, _ = grid.samples(block.edges[0], block.edges[0] + 1)
        try:
            file.seek(start)
            previous = file.read(overlap, dtype="float32", always_2d=True)
            for first, stop in zip(block.edges[:-1], block.edges[1:], strict=True):
                n_samples = (stop - first) * grid.hop
                samples = file.read(n_samples, dtype="float32", always_2d=True)
                yield np.concatenate([previous, samples])
                if len(samples) < n_samples:
                    break
                previous = samples[-overlap:]
        except (sf.SoundFileError, OSError) as error:
            raise DamagedRecordingError(str(error)) from None
        missing = problem_of(file)
        if missing is not None and on_problem is not None:
            on_problem(missing)


@dataclass(frozen=True)
class Chunk:
    """Level and quality flags of a chunk of a recording.

    Attributes:
        start_s: start in seconds.
        end_s: end in seconds.
        level_db: root mean square relative to full scale in decibels; -inf if it is silent.
        quality_flags: possible problems, in alphabetical order.
        bands: levels below, within and above the searched frequencies.
    """

    start_s: float
    end_s: float
    level_db: float
    quality_flags: tuple[str, ...]
    bands: BandLevels


@dataclass(frozen=True)
class Segmentation:
    """The ROIs and chunks of a block, or of a whole recording.

    Attributes:
        boxes: of the ROIs, without margins; an array of `BOX`, sorted by time.
        chunks: in order.
        cause: why the end was left out; None if it was not.
        n_regions: number of regions above the thresholds, those included that are too short, too
            high, part of another, or of a neighbouring block.
    """

    boxes: Boxes
    chunks: tuple[Chunk, ...]
    cause: str | None = None
    n_regions: int = 0


class BlockRois(NamedTuple):
    """The ROIs of a block before they are scored.

    Attributes:
        segmentation: whose boxes have no `call_score`.
        points: of each box; frames are rows of `ratio`.
        ratio: power over background, `(frames, bands)`.
    """

    segmentation: Segmentation
    points: RegionPoints
    ratio: npt.NDArray[np.float32]


def segment_block(
    path: Path, block: Block, grid: Grid, max_roi_s: float, settings: SegmentationSettings
) -> Segmentation:
    """Segment the core of a block.

    Args:
        path: of the recording.
        block: of `plan_blocks`.
        grid: of `make_grid`.
        max_roi_s: longest ROI in seconds; longer ones are cut at their quietest frames.
        settings: thresholds, margins and filters.

    Raises:
        InputError: the file cannot be opened, or has samples that are not finite.
    """
    segmentation, points, ratio = find_block_rois(path, block, grid, max_roi_s, settings)
    boxes = segmentation.boxes
    boxes["call_score"] = call_scores(call_features(boxes, points, ratio, grid))
    return segmentation


def find_block_rois(
    path: Path, block: Block, grid: Grid, max_roi_s: float, settings: SegmentationSettings
) -> BlockRois:
    """Find the ROIs of the core of a block, as `segment_block` does, without their scores.

    Args:
        path: of the recording.
        block: of `plan_blocks`.
        grid: of `make_grid`.
        max_roi_s: longest ROI in seconds; longer ones are cut at their quietest frames.
        settings: thresholds, margins and filters.

    Raises:
        InputError: the file cannot be opened, or has samples that are not finite.
    """
    ratios: list[Samples] = []
    activities: list[ChunkActivity] = []
    chunks: list[Chunk] = []
    problem = "the audio ends"
    found: list[str] = []
    try:
        blocks = read_chunks(path, block, grid, found.append)
        for samples, first in zip(blocks, block.edges, strict=False):
            mean_square = _mean_square(samples, path, first * grid.frame_s)
            if len(samples) < grid.n_fft and block.edges != (0, 1):
                break
            ratio, flags, bands, activity = _analyse_chunk(samples, grid, settings)
            ratios.append(ratio)
            if activity is not None:
                activities.append(activity)
            if block.start <= first < block.stop:
                start_s, end_s = first * grid.frame_s, (first + len(ratio)) * grid.frame_s
                chunks.append(Chunk(start_s, end_s, _level_db(mean_square), flags, bands))
    except DamagedRecordingError as error:
        problem = f"damaged ({error})"
    missing_s = (block.edges[-1] - block.edges[0] - sum(map(len, ratios))) * grid.frame_s
    ended_s = block.edges[-1] * grid.frame_s - missing_s
    cause = found[0] if found else None
    if missing_s > _CODEC_TOLERANCE_S:
        cause = f"{path}: {problem} after {ended_s:.1f} s; the rest is left out."
    if not ratios:
        nothing = np.empty((0, grid.bands), np.float32)
        none = find_regions(nothing, grid, settings)
        return BlockRois(Segmentation(np.empty(0, BOX), (), cause), none, nothing)
    ratio, lengths = np.concatenate(ratios), [len(each) for each in ratios]
    regions = find_block_regions(ratio, lengths, activities, grid, settings)
    boxes, points = region_boxes(regions.calls, block, grid, max_roi_s, settings)
    n_regions = len(regions.calls.starts)
    for layer, is_chorus in ((regions.hoots, 0.0), (regions.churrs, 0.0), (regions.chorus, 1.0)):
        if layer is not None:
            of_layer, its_points = region_boxes(layer, block, grid, max_roi_s, settings)
            of_layer["chorus"] = is_chorus
            boxes, points = join_boxes((boxes, points), (of_layer, its_points))
            n_regions += len(layer.starts)
    segmentation = Segmentation(boxes, tuple(chunks), cause, n_regions)
    return BlockRois(segmentation, points, ratio)


def _mean_square(samples: Samples, path: Path, start_s: float) -> float:
    """Return the mean square of samples, which is finite if and only if all of them are.

    Raises:
        InputError: it is not finite, or beyond what power in single precision can hold.
    """
    mean = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    if not np.isfinite(mean):
        raise InputError(
            f"{path}: samples that are not finite (NaN or infinity) after {start_s:.1f} s; "
            "export the file again or leave it out."
        )
    if mean > _MAX_MEAN_SQUARE:
        raise InputError(
            f"{path}: samples far above full scale (1) after {start_s:.1f} s, {mean**0.5:.1g} on "
            "average; export the file again or leave it out."
        )
    return mean


class _Analysis(NamedTuple):
    """Power over background `(frames, bands)`, quality flags, levels and activity of a chunk.

    The activity is None if choruses are not looked for.
    """

    ratio: npt.NDArray[np.float32]
    flags: tuple[str, ...]
    bands: BandLevels
    activity: ChunkActivity | None


def _analyse_chunk(samples: Samples, grid: Grid, settings: SegmentationSettings) -> _Analysis:
    """Analyse samples `(n, channels)`."""
    mix = mix_channels(samples)
    power = power_spectrum(mix.samples, grid.n_fft, grid.hop)
    ratio = smooth(
        np.ascontiguousarray(power[:, grid.first_bin : grid.first_bin + grid.bands]),
        settings.smoothing,
    )
    background = estimate_background(ratio, settings)
    ratio /= background
    floor = floor_power(np.ascontiguousarray(power[::_FLOOR_FRAME_STEP]))
    bands = measure_bands(power, floor, float(ratio.max(initial=0)), grid)
    features = ChunkFeatures(
        clipped_share(samples), power, floor, grid.band_hz, grid.frame_s, mix.cancelled
    )
    activity = None
    if settings.chorus == "find":
        activity = measure_activity(power, ratio, background, grid, settings)
    return _Analysis(ratio, detect_quality_flags(features), bands, activity)


def _level_db(mean_square: float) -> float:
    return float(10 * np.log10(mean_square)) if mean_square > 0 else float("-inf")
