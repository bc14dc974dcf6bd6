"""Where sound and pictures lie: within the page, or in a folder beside it."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from darksound.atomic import write_bytes
from darksound.report.page.columns import column, encoded_length, to_base64
from darksound.report.page.glimpse import Glimpse

__all__ = ["PLACES", "Beside", "Place", "Within"]

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


#: Where they lie, by `report.clips_beside`.
PLACES: Mapping[bool, Callable[[Path, float], Place]] = MappingProxyType(
    {False: Within, True: Beside}
)
