"""What a source of ROIs is, and what it is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from darksound.errors import SettingsError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings

__all__ = ["OnChunks", "Request", "RoiMode", "Source", "make_request"]

RoiMode = Literal["auto", "whole", "windows", "segment", "annotations"]

OnChunks = Callable[[pd.DataFrame], None]


def _ignored(_: pd.DataFrame) -> None:
    """Nobody asked."""


@dataclass(frozen=True)
class Request:
    """How a source is to be read.

    Attributes:
        settings: lengths, floors, folders and workers.
        mode: what becomes of a file without times.
        root: what a table's recordings are relative to; None for the table's own folder.
        progress: told of sound that was segmented.
        on_chunks: given what the chunks of segmented recordings are like, a row a chunk: `root`,
            `recording`, `start_s`, `end_s`, `level_db`, `quality_flags`.
    """

    settings: Settings
    mode: RoiMode
    root: Path | None = None
    progress: Progress = silent
    on_chunks: OnChunks = _ignored

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        return self.settings.audio.window_s


@dataclass(frozen=True)
class Source:
    """One way to name data.

    Attributes:
        written: how a person writes it, for messages.
        matches: whether a specification is of this source.
        identity: the same text for two specifications that mean the same data.
        load: its ROIs.
    """

    written: str
    matches: Callable[[str], bool]
    identity: Callable[[str], str]
    load: Callable[[str, Request], RoiSet]


def make_request(
    settings: Settings | None = None,
    rois: str | None = None,
    root: str | Path | None = None,
    progress: Progress = silent,
    on_chunks: OnChunks = _ignored,
) -> Request:
    """A request with what is left out taken from the settings.

    Raises:
        SettingsError: `rois` is no mode.
    """
    settings = settings if settings is not None else Settings()
    for mode in get_args(RoiMode):
        if mode == (settings.rois.mode if rois is None else rois):
            place = None if root is None else Path(root)
            return Request(settings, mode, place, progress, on_chunks)
    raise SettingsError(f"rois.mode cannot be {rois!r}; there are {', '.join(get_args(RoiMode))}.")
