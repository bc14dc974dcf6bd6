"""Likely causes where a recording gives no ROI, or far fewer than it has sounds."""

from collections.abc import Iterator, Sequence

import numpy as np

from darksound.segmentation.block import Chunk, Segmentation
from darksound.segmentation.grid import Grid
from darksound.segmentation.quality_flags import CANCELLING
from darksound.settings import SegmentationSettings

__all__ = ["recording_hint"]

# A recording shorter than this has no background that a sound could stand out of.
_MIN_DURATION_S = 1.0
# Full scale is 0 dB; recorders with a microphone that works are louder than this.
_MIN_LEVEL_DB = -75.0
# Sounds outside the band stand out of the floor of single bins, which varies by so much more than
# the smoothed power that the upper threshold is for.
_OUTSIDE_MARGIN_DB = 5.0
# Sounds outside the band with less than this share of the energy are not named.
_MIN_SHARE = 1e-4
# They are named first if they have most of it.
_MIN_MAIN_SHARE = 0.5
# A flag explains missing ROIs if it is set in this share of the chunks.
_MIN_FLAGGED_SHARE = 0.5
# A recording has far fewer ROIs than sounds if so many chunks, and so many times those with a ROI,
# have sounds above the band. Below it there is wind, which is no reason to search there.
_MIN_CHUNKS, _MIN_TIMES = 6, 4


def recording_hint(
    whole: Segmentation, grid: Grid, duration_s: float, settings: SegmentationSettings
) -> str | None:
    """Return why a recording probably gives no ROI, or far fewer than it has sounds.

    Args:
        whole: the segmentation of the recording.
        grid: its frames and bands.
        duration_s: its length.
        settings: the band and the thresholds that were searched with.

    Returns:
        Sentences without the name of the recording; None if there is nothing to say.
    """
    parts = [*_cancelled_channels(whole.chunks)]
    if len(whole.boxes) == 0:
        causes = [*_causes(whole, grid, duration_s, settings)]
        parts.append("No ROI: " + "; ".join(causes) + ".")
    else:
        parts += _missed_above(whole, grid, settings)
    return " ".join(parts) or None


def _cancelled_channels(chunks: Sequence[Chunk]) -> Iterator[str]:
    count = sum(CANCELLING in chunk.quality_flags for chunk in chunks)
    if count:
        yield (
            f"The channels cancel in their mean (opposite phase) in {count} of {len(chunks)} "
            "chunks, where the strongest channel was used instead; check the wiring."
        )


def _causes(
    whole: Segmentation, grid: Grid, duration_s: float, settings: SegmentationSettings
) -> Iterator[str]:
    """Yield the likely causes, the most likely first; at least one."""
    chunks = whole.chunks
    if duration_s < _MIN_DURATION_S:
        yield (
            f"the recording lasts {duration_s:.2f} s, too short to have a background; use it as "
            "one ROI with --rois whole"
        )
        return
    if not any(sum(chunk.bands.shares) for chunk in chunks):
        yield "it holds no sound, only a constant offset; check the recorder"
        return
    band = f"between {_searched(grid, settings)}"
    outside = [*_outside(chunks, grid, settings)]
    # What has most of the energy comes first.
    yield from (text for share, text in outside if share >= _MIN_MAIN_SHARE)
    if whole.n_regions:
        yield (
            f"{whole.n_regions} regions {band} were dropped by segmentation.min_s "
            f"({settings.min_s:g} s) or max_ratio ({settings.max_ratio})"
        )
    else:
        yield (
            f"the loudest point {band} is {max(c.bands.peaks_db[1] for c in chunks):.0f} dB above "
            f"the background, and segmentation.high_db asks for {settings.high_db:g}"
        )
    yield from (text for share, text in outside if _MIN_SHARE <= share < _MIN_MAIN_SHARE)
    yield from _recording_quality(chunks)


def _outside(
    chunks: Sequence[Chunk], grid: Grid, settings: SegmentationSettings
) -> Iterator[tuple[float, str]]:
    """Yield the share of energy of a part outside the band where sounds stand out, and a text."""
    energies = np.array(
        [np.array(c.bands.shares) * (c.end_s - c.start_s) * 10 ** (c.level_db / 10) for c in chunks]
    ).sum(axis=0)
    shares = energies / max(float(energies.sum()), np.finfo(float).tiny)
    low, high = grid.edges_hz(np.array([0, grid.bands]))
    for side, where, option in (
        (2, f"above {high:.0f} Hz", "raise segmentation.high_hz (--high-hz) to search there"),
        (0, f"below {low:.0f} Hz", "lower segmentation.low_hz (--low-hz) to search there"),
    ):
        count, share = _stand_out(chunks, side, settings), float(shares[side])
        if count:
            percent = "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"
            yield (
                share,
                f"sounds stand out {where}, which has {percent} of the energy, in {count} of "
                f"{len(chunks)} chunks ({option})",
            )


def _stand_out(chunks: Sequence[Chunk], side: int, settings: SegmentationSettings) -> int:
    threshold = settings.high_db + _OUTSIDE_MARGIN_DB
    return sum(chunk.bands.peaks_db[side] >= threshold for chunk in chunks)


def _recording_quality(chunks: Sequence[Chunk]) -> Iterator[str]:
    level_db = max(chunk.level_db for chunk in chunks)
    if level_db < _MIN_LEVEL_DB:
        yield (
            f"the recording is almost silent ({level_db:.0f} dB below full scale at its loudest; "
            "check gain and microphone)"
        ).replace("(-", "(")
    flags = sorted({flag for chunk in chunks for flag in chunk.quality_flags} - {CANCELLING})
    for flag in flags:
        share = sum(flag in chunk.quality_flags for chunk in chunks) / len(chunks)
        if share >= _MIN_FLAGGED_SHARE:
            yield f"{100 * share:.0f} % of the chunks are flagged {flag}"


def _missed_above(whole: Segmentation, grid: Grid, settings: SegmentationSettings) -> Iterator[str]:
    """Yield a hint if most sounds are above the band, although some ROIs are within it."""
    starts = np.array([chunk.start_s for chunk in whole.chunks])
    middles = (whole.boxes["start_s"] + whole.boxes["end_s"]) / 2
    with_roi = len(np.unique(np.searchsorted(starts, middles, side="right")))
    count = _stand_out(whole.chunks, 2, settings)
    if count >= max(_MIN_CHUNKS, _MIN_TIMES * with_roi):
        high = float(grid.edges_hz(np.array([grid.bands]))[0])
        yield (
            f"Few ROIs: sounds stand out above {high:.0f} Hz in {count} of {len(whole.chunks)} "
            f"chunks, ROIs between {_searched(grid, settings)} in {with_roi}; raise "
            "segmentation.high_hz (--high-hz) to search there."
        )


def _searched(grid: Grid, settings: SegmentationSettings) -> str:
    return f"{settings.low_hz:g} and {min(settings.high_hz, grid.rate / 2):g} Hz"
