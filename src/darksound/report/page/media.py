"""Sound and thumbnails of as many ROIs as fit, in the page or in a folder beside it."""

import base64
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil, isinf
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from darksound.atomic import write_bytes
from darksound.parallel.workers import map_jobs
from darksound.progress import Progress, silent
from darksound.report.page.clips import (
    MARGIN_S,
    ClipRequest,
    RenderedClip,
    ThumbnailScale,
    render_clips,
)
from darksound.report.page.members import ClusterMembers
from darksound.report.result import MecResult

__all__ = [
    "MEDIA_WRITERS",
    "EmbeddedMedia",
    "ExternalMedia",
    "MediaWriter",
    "RenderedMedia",
    "column",
    "encoded_length",
    "render_media",
    "script_safe_json",
    "thumbnail_scale",
    "to_base64",
]

# Characters that could end a script element, or start a comment or an entity in it.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def column(values: npt.NDArray[Any], kind: str) -> dict[str, str]:
    """Return a column `(n,)` as the script of the page reads it.

    Args:
        values: numbers.
        kind: type: `u1`, `i2`, `i4`, `u4`, `f4` or `f8`, always little-endian.
    """
    data = np.ascontiguousarray(values, dtype=np.dtype(f"<{kind}")).tobytes()
    return {"kind": kind, "data": to_base64(data)}


def to_base64(data: bytes) -> str:
    """Return bytes as base64, padded, without line breaks."""
    return base64.b64encode(data).decode("ascii")


def encoded_length(size: int) -> int:
    """Return the number of base64 characters of `size` bytes."""
    return 4 * -(-size // 3)


def script_safe_json(content: Any) -> str:
    """Return JSON in ASCII that cannot end a script element, whatever strings it contains.

    Args:
        content: plain values; NaN and infinities become null.
    """
    text = json.dumps(_finite(content), allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


# Bytes of a row number, of the lengths of its sound and thumbnail, and of its similar clips.
_INDEX_BYTES = 16 + 56


class MediaWriter(Protocol):
    """Stores clips until they exceed a size."""

    rows: list[int]

    @property
    def used_share(self) -> float:
        """Return the part of the space that the clips take."""

    def add(self, clip: RenderedClip) -> bool:
        """Store a clip; return False if it does not fit, and then no further clip is added."""

    def close(self) -> tuple[dict[str, Any], str, str]:
        """Return the index for the script, and the texts of thumbnails and of sounds."""


class _LimitedWriter:
    """Rows of clips that fit into a number of bytes."""

    def __init__(self, max_bytes: float) -> None:
        self.rows: list[int] = []
        self._max_bytes = self._free_bytes = max_bytes

    @property
    def used_share(self) -> float:
        """Return the part of the space that the clips take."""
        return 0.0 if isinf(self._max_bytes) else 1 - self._free_bytes / self._max_bytes

    def _take(self, row: int, n_bytes: int) -> bool:
        """Reserve space for a clip; return False if there is not enough."""
        if n_bytes > self._free_bytes:
            return False
        self._free_bytes -= n_bytes
        self.rows.append(row)
        return True


class EmbeddedMedia(_LimitedWriter):
    """Clips as base64 in the page."""

    def __init__(self, folder: Path, max_bytes: float) -> None:
        """Create the writer.

        Args:
            folder: folder of the page; nothing is written to it.
            max_bytes: maximum size of all clips in the page.
        """
        super().__init__(max_bytes)
        self._images: list[str] = []
        self._sounds: list[str] = []

    def add(self, clip: RenderedClip) -> bool:
        """Store a clip if it fits."""
        sizes = encoded_length(len(clip.image)), encoded_length(len(clip.sound))
        needed = sum(sizes) + _INDEX_BYTES
        if not self._take(clip.row, needed):
            return False
        self._images.append(to_base64(clip.image))
        self._sounds.append(to_base64(clip.sound))
        return True

    def close(self) -> tuple[dict[str, Any], str, str]:
        """Return the rows with the length of each text, and the concatenated texts."""
        index = {"folder": None, "rows": column(np.array(self.rows), "i4")}
        for name, texts in (("images", self._images), ("sounds", self._sounds)):
            index[name] = column(np.array([len(text) for text in texts]), "u4")
        return index, "".join(self._images), "".join(self._sounds)


class ExternalMedia(_LimitedWriter):
    """Clips as files in a folder beside the page; their names are row numbers."""

    FOLDER = "report_media"

    def __init__(self, folder: Path, max_bytes: float) -> None:
        """Create the writer and remove the files of an earlier page.

        Args:
            folder: folder of the page.
            max_bytes: maximum size of all files.
        """
        super().__init__(max_bytes)
        self._folder = folder / self.FOLDER
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, clip: RenderedClip) -> bool:
        """Write both files if they fit.

        Raises:
            RunError: the disk is full, or the folder cannot be written to.
        """
        needed = len(clip.image) + len(clip.sound)
        if not self._take(clip.row, needed):
            return False
        write_bytes(self._folder / f"{clip.row:07d}.webp", clip.image)
        write_bytes(self._folder / f"{clip.row:07d}.mp3", clip.sound)
        return True

    def close(self) -> tuple[dict[str, Any], str, str]:
        """Return the name of the folder and the rows."""
        return {"folder": self.FOLDER, "rows": column(np.array(self.rows), "i4")}, "", ""


#: Media writers by the setting `report.external_media`.
MEDIA_WRITERS: dict[bool, Callable[[Path, float], MediaWriter]] = {
    False: EmbeddedMedia,
    True: ExternalMedia,
}

logger = logging.getLogger(__name__)

# ROIs of a job of a worker, and of a batch of jobs before the free space is checked again.
_JOB, _BATCH = 16, 256
# Number of members, by descending probability, in the mean spectrogram of a cluster.
_AVERAGED = 20
_PERCENTILE = 90
_HIGHEST_HZ = 15_000.0

Rows = npt.NDArray[np.int64]


@dataclass
class RenderedMedia:
    """The clips of a page.

    Attributes:
        rows: rows of the ROIs with sound and thumbnail, in the order of rendering.
        causes: errors of ROIs that cannot be read, by row; not of those that did not fit.
        means: mean levels `(height, width)` by cluster, 0 to 255.
        averaged: number of ROIs in each mean.
    """

    rows: list[int] = field(default_factory=list)
    causes: dict[int, str] = field(default_factory=dict)
    means: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)
    averaged: dict[int, int] = field(default_factory=dict)


def thumbnail_scale(result: MecResult) -> ThumbnailScale:
    """Return the scale that shows 90 % of the ROIs completely, in the band of the front end."""
    durations = result.rois.durations.clip(max=result.settings.report.max_clip_s)
    usual = float(np.percentile(durations, _PERCENTILE)) if len(durations) else 1.0
    front = result.settings.front_end
    high = _HIGHEST_HZ if front.high_hz == "nyquist" else min(front.high_hz, _HIGHEST_HZ)
    low = min(front.low_hz, high / 2)
    return ThumbnailScale(usual + 2 * min(MARGIN_S, usual / 4), low, high)


def render_media(
    result: MecResult,
    members: Mapping[int, ClusterMembers],
    order: Rows,
    scale: ThumbnailScale,
    *,
    writer: MediaWriter,
    progress: Progress = silent,
) -> RenderedMedia:
    """Render clips in the given order until one does not fit.

    Args:
        result: the result of MEC.
        members: members of its clusters.
        order: rows of the ROIs to render.
        scale: scale of the thumbnails.
        writer: stores the clips, in this order whatever the number of workers.
        progress: called with the number of rendered ROIs, in the stage `clips`, and the number of
            those that will fit at the size of the clips so far.
    """
    media = RenderedMedia()
    cluster_of = {
        int(row): number for number, cluster in members.items() for row in cluster.order[:_AVERAGED]
    }
    for done, clip in enumerate(_render_in_order(result, order, scale), start=1):
        if clip.cause is not None:
            media.causes[clip.row] = clip.cause
        elif not writer.add(clip):
            break
        else:
            media.rows.append(clip.row)
            _add_to_mean(media, cluster_of.get(clip.row), clip)
        if done % _JOB == 0:
            fitting = ceil(done / writer.used_share) if writer.used_share > 0 else len(order)
            progress("clips", done, max(done, min(fitting, len(order))))
    n_done = len(media.rows) + len(media.causes)
    progress("clips", n_done, n_done)
    for number, count in media.averaged.items():
        media.means[number] /= count
    if media.causes:
        logger.warning(
            "%d ROIs have neither sound nor thumbnail in the page, since they cannot be read; "
            "the first: %s",
            len(media.causes),
            next(iter(media.causes.values())),
        )
    return media


def _add_to_mean(media: RenderedMedia, number: int | None, clip: RenderedClip) -> None:
    if number is None:
        return
    levels = clip.levels.astype(np.float32)
    media.means[number] = media.means[number] + levels if number in media.means else levels
    media.averaged[number] = media.averaged.get(number, 0) + 1


def _render_in_order(
    result: MecResult, order: Rows, scale: ThumbnailScale
) -> Iterator[RenderedClip]:
    names = ("root", "recording", "start_s", "end_s")
    columns = [result.rois.table[name].to_numpy() for name in names]
    max_s = result.settings.report.max_clip_s
    render = partial(render_clips, reader=result.rois.reader, scale=scale)
    for first in range(0, len(order), _BATCH):
        requests = []
        for row in order[first : first + _BATCH].tolist():
            root, recording, start, end = (values[row] for values in columns)
            end = min(float(end), float(start) + max_s)
            requests.append(ClipRequest(row, str(root), str(recording), float(start), end))
        jobs = [requests[i : i + _JOB] for i in range(0, len(requests), _JOB)]
        for clips in map_jobs(render, jobs, result.settings.compute):
            yield from clips
