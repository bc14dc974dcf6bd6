"""Sound and pictures of as many ROIs as fit."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from darksound.atomic import write_bytes
from darksound.parallel.workers import map_unordered
from darksound.progress import Progress, silent
from darksound.report.page.clips import MARGIN_S, Glimpse, Scale, Stretch, glimpses
from darksound.report.page.encoding import column, encoded_length, to_base64
from darksound.report.page.members import Members
from darksound.run.reading import RunResult

__all__ = ["PLACES", "Beside", "Keep", "Media", "Place", "Within", "make_media", "page_scale"]

# A row, and the lengths of its sound and picture, in the page.
_INDEX_BYTES = 16


class Place(Protocol):
    """Takes glimpses as long as there is room."""

    rows: list[int]

    def keep(self, glimpse: Glimpse) -> bool:
        """Take a glimpse; False if it does not fit, and then nothing more will."""

    def close(self) -> tuple[dict[str, Any], str, str]:
        """What the script is told of them, and the page's texts of pictures and of sounds."""


class Within:
    """Base64 in the page, one after the other."""

    def __init__(self, folder: Path, room: float) -> None:
        """Make room.

        Args:
            folder: of the page; nothing is written to it.
            room: bytes that the page has left.
        """
        self.rows: list[int] = []
        self._room = room
        self._images: list[str] = []
        self._sounds: list[str] = []

    def keep(self, glimpse: Glimpse) -> bool:
        """Take a glimpse if it fits."""
        sizes = encoded_length(len(glimpse.image)), encoded_length(len(glimpse.sound))
        needed = sum(sizes) + _INDEX_BYTES
        if needed > self._room:
            return False
        self._room -= needed
        self.rows.append(glimpse.row)
        self._images.append(to_base64(glimpse.image))
        self._sounds.append(to_base64(glimpse.sound))
        return True

    def close(self) -> tuple[dict[str, Any], str, str]:
        """Rows, and the length of each picture's and each sound's text."""
        told = {"beside": None, "rows": column(np.array(self.rows), "i4")}
        for name, texts in (("images", self._images), ("sounds", self._sounds)):
            told[name] = column(np.array([len(text) for text in texts]), "u4")
        return told, "".join(self._images), "".join(self._sounds)


class Beside:
    """Files in a folder beside the page, which are called by their rows and nothing else."""

    FOLDER = "report_media"

    def __init__(self, folder: Path, room: float) -> None:
        """Make the folder, and remove what an earlier page left there.

        Args:
            folder: of the page.
            room: bytes that all files may take.
        """
        self.rows: list[int] = []
        self._room = room
        self._folder = folder / self.FOLDER
        shutil.rmtree(self._folder, ignore_errors=True)

    def keep(self, glimpse: Glimpse) -> bool:
        """Write both files if they fit.

        Raises:
            RunError: the disk is full, or the folder cannot be written to.
        """
        needed = len(glimpse.image) + len(glimpse.sound)
        if needed > self._room:
            return False
        self._room -= needed
        self.rows.append(glimpse.row)
        write_bytes(self._folder / f"{glimpse.row:07d}.webp", glimpse.image)
        write_bytes(self._folder / f"{glimpse.row:07d}.mp3", glimpse.sound)
        return True

    def close(self) -> tuple[dict[str, Any], str, str]:
        """The folder's name and the rows."""
        return {"beside": self.FOLDER, "rows": column(np.array(self.rows), "i4")}, "", ""


#: Where they lie, by `report.external_media`.
PLACES: Mapping[bool, Callable[[Path, float], Place]] = MappingProxyType(
    {False: Within, True: Beside}
)


#: What is done with a glimpse: True if it was kept, False if there is no room for it.
Keep = Callable[[Glimpse], bool]

logger = logging.getLogger(__name__)

# ROIs that a worker is given at once, and before it is asked whether there is still room.
_CHUNK, _WAVE = 16, 256
# The surest members of a cluster that its mean spectrogram is made of.
_AVERAGED = 20
_PERCENTILE = 90
_HIGHEST_HZ = 15_000.0

Rows = npt.NDArray[np.int64]


@dataclass
class Media:
    """What was made.

    Attributes:
        rows: of the ROIs that have sound and a picture, in the order they were kept.
        causes: why others have none, by their rows; what did not fit is not among them.
        means: mean levels `(height, width)` of each cluster, 0 to 255.
        averaged: how many ROIs each mean is of.
    """

    rows: list[int] = field(default_factory=list)
    causes: dict[int, str] = field(default_factory=dict)
    means: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)
    averaged: dict[int, int] = field(default_factory=dict)


def page_scale(result: RunResult) -> Scale:
    """The scale on which nine ROIs in ten are seen whole, over the front end's band."""
    longest = result.settings.report.max_clip_s
    durations = (result.rois["end_s"] - result.rois["start_s"]).clip(upper=longest)
    usual = float(np.percentile(durations, _PERCENTILE)) if len(durations) else 1.0
    front = result.settings.front_end
    high = _HIGHEST_HZ if front.high_hz == "nyquist" else min(front.high_hz, _HIGHEST_HZ)
    low = min(front.low_hz, high / 2)
    return Scale(usual + 2 * min(MARGIN_S, usual / 4), low, high)


def make_media(
    result: RunResult,
    members: Mapping[int, Members],
    order: Rows,
    scale: Scale,
    keep: Keep,
    progress: Progress = silent,
) -> Media:
    """Hear ROIs in an order until one is not kept.

    Args:
        result: the run.
        members: of its clusters.
        order: of the rows `(n,)`.
        scale: of the pictures.
        keep: is given each glimpse in this order, whatever the number of workers.
        progress: told of ROIs heard, in the stage `clips`.
    """
    media = Media()
    cluster_of = {
        int(row): number for number, own in members.items() for row in own.order[:_AVERAGED]
    }
    for done, glimpse in enumerate(_in_order(result, order, scale), start=1):
        if glimpse.cause is not None:
            media.causes[glimpse.row] = glimpse.cause
        elif not keep(glimpse):
            break
        else:
            media.rows.append(glimpse.row)
            _average(media, cluster_of.get(glimpse.row), glimpse)
        if done % _CHUNK == 0:
            progress("clips", done, len(order))
    progress("clips", len(order), len(order))
    for number, count in media.averaged.items():
        media.means[number] /= count
    if media.causes:
        logger.warning(
            "%d ROIs have neither sound nor picture in the page, since they cannot be read; the "
            "first: %s",
            len(media.causes),
            next(iter(media.causes.values())),
        )
    return media


def _average(media: Media, number: int | None, glimpse: Glimpse) -> None:
    if number is None:
        return
    levels = glimpse.levels.astype(np.float32)
    media.means[number] = media.means[number] + levels if number in media.means else levels
    media.averaged[number] = media.averaged.get(number, 0) + 1


def _in_order(result: RunResult, order: Rows, scale: Scale) -> Iterator[Glimpse]:
    names = ("root", "recording", "start_s", "end_s")
    columns = [result.rois[name].to_numpy() for name in names]
    longest = result.settings.report.max_clip_s
    hear = partial(glimpses, reader=result.reader, scale=scale)
    for first in range(0, len(order), _WAVE):
        stretches = []
        for row in order[first : first + _WAVE].tolist():
            root, recording, start, end = (column[row] for column in columns)
            end = min(float(end), float(start) + longest)
            stretches.append(Stretch(row, str(root), str(recording), float(start), end))
        jobs = [stretches[i : i + _CHUNK] for i in range(0, len(stretches), _CHUNK)]
        heard = dict(map_unordered(hear, jobs, result.settings.compute))
        for place in range(len(jobs)):
            yield from heard[place]
