"""The contract of a source of ROIs, and the options that it reads data with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from darksound.errors import SettingsError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.sources.site_list import SiteList, read_sites
from darksound.text import path_text, text_path

__all__ = ["LoadOptions", "OnChunks", "RoiMode", "Source", "make_options", "path_identity"]

RoiMode = Literal["auto", "whole", "windows", "segment", "annotations"]

OnChunks = Callable[[pd.DataFrame], None]


def _ignore_chunks(_: pd.DataFrame) -> None:
    """Do nothing; the default of `LoadOptions.on_chunks`."""


@dataclass(frozen=True)
class LoadOptions:
    """Options for reading a source.

    Attributes:
        settings: ROI length, thresholds, folders and workers.
        mode: how a file without times is divided into ROIs.
        root: folder that a table's recordings are relative to; None for the table's own folder.
        sites: the table of sites; None without.
        progress: called with the seconds of sound that are segmented.
        on_chunks: called with a table of the chunks of segmented recordings, a row a chunk:
            `root`, `recording`, `start_s`, `end_s`, `level_db`, `quality_flags`, `below_share` and
            `above_share` (of its energy, outside the searched band), `hint` (the likely cause where
            the recording gives no ROI).
    """

    settings: Settings
    mode: RoiMode
    root: Path | None = None
    progress: Progress = silent
    on_chunks: OnChunks = _ignore_chunks
    sites: SiteList | None = None

    @property
    def window_s(self) -> float:
        """Return the length of a window in seconds."""
        return self.settings.audio.window_s


@dataclass(frozen=True)
class Source:
    """One kind of data that ROIs are loaded from.

    Attributes:
        syntax: how a user writes such data, for messages.
        matches: return whether a specification (a name or a path) belongs to this source.
        identity: return the same text for all specifications of the same data.
        load: return the ROIs of a specification.
    """

    syntax: str
    matches: Callable[[str], bool]
    identity: Callable[[str], str]
    load: Callable[[str, LoadOptions], RoiSet]


def path_identity(spec: str) -> str:
    """Return the text of the absolute path of a file or folder; the `identity` of such sources."""
    return path_text(text_path(spec).resolve())


def make_options(
    settings: Settings | None = None,
    rois: str | None = None,
    *,
    root: str | Path | None = None,
    progress: Progress = silent,
    on_chunks: OnChunks | None = None,
) -> LoadOptions:
    """Return options for reading a source; missing values come from the settings.

    Args:
        settings: None for the defaults.
        rois: a `RoiMode`; None for `settings.rois.mode`.
        root: see `LoadOptions`.
        progress: see `LoadOptions`.
        on_chunks: see `LoadOptions`.

    Raises:
        SettingsError: `rois` is not a mode.
        InputError: the table of sites cannot be read.
    """
    settings = settings if settings is not None else Settings()
    listed = settings.rois.sites
    sites = None if listed is None else read_sites(text_path(listed))
    wanted = settings.rois.mode if rois is None else rois
    for mode in get_args(RoiMode):
        if mode == wanted:
            folder = None if root is None else text_path(str(root))
            use_chunks = on_chunks or _ignore_chunks
            return LoadOptions(settings, mode, folder, progress, use_chunks, sites)
    raise SettingsError(f"rois.mode is {rois!r}; choose one of {', '.join(get_args(RoiMode))}.")
