"""What the folders of recordings are: labels, sites, or neither."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pandas as pd

from darksound.audio.recording_metadata import RecordingMetadata
from darksound.rois.roi_set import TEXT_DTYPE
from darksound.settings.audio import FolderMeaning
from darksound.sources.site_list import SiteList
from darksound.sources.site_matching import is_folder_of_sites
from darksound.text import path_text

__all__ = ["SPLITS", "Evidence", "folder_columns", "folder_sites", "log_folders"]

logger = logging.getLogger(__name__)

#: A folder with one of these names directly below the root is a split.
SPLITS = ("train", "val", "test")
# Other names of splits, which only show that the folders below are labels.
_SPLIT_NAMES = frozenset((*SPLITS, "training", "valid", "validation", "dev", "testing"))
# Folders that recorders, days and disks have: they are no places.
_NO_PLACE = re.compile(
    r"(19|20)\d\d([-_. ]?\d\d){0,2}|\d{3}[A-Z]{5}|data|dcim|audio|recordings?|wavs?|flac|sounds?"
    r"|(night|day|week|month|card|sd)[-_ ]?\d*",
    re.IGNORECASE,
)
# Names of places with a number or a letter: `siteA`, `Plot_12`, `SM4-07`, `point 3`.
_PLACE = re.compile(
    r"(sites?|plots?|points?|stations?|loc|locations?|recorder|transect|deployment|logger|aru|sm\d"
    r"|sm|audiomoth|moth|swift|standort|station|punto|sitio|estaci[oó]n|parcela|ponto)"
    r"([-_ ]\w{1,6}|\d{1,4}[a-z]?|[a-z]\d{0,3})",
    re.IGNORECASE,
)
# Names that end with the time, as recorders give them.
_TIME_AT_END = re.compile(
    r"(.*\D)?\d{8}[_T $-]?\d{6}(T|Z|[+-]\d{4})?|[0-9A-F]{8}"
    r"|(.*\D)?\d{4}-\d\d-\d\d[_ T]\d\d[-.:]?\d\d([-.:]?\d\d)?"
)
# Serial numbers, which a kind of recorder alone does not have.
_SERIAL_DIGITS = 4
# Folders are sites if at least this share of the recordings is as a recorder writes it.
_MIN_RECORDED = 0.5
# A recorder is at one place at a time: it changes its folder in less than this share of steps.
_MAX_CHANGES = 0.25
_MIN_STEPS = 4
_MAX_LISTED = 4


@dataclass(frozen=True)
class Evidence:
    """What shows the meaning of the folders of recordings.

    Attributes:
        origins: time and recorder of each recording.
        clips: recordings that are so short that each is one ROI.
        sites: the table of sites, if there is one.
    """

    origins: Mapping[str, RecordingMetadata]
    clips: frozenset[str] = frozenset()
    sites: SiteList | None = None

    def recorded(self, recordings: Sequence[str]) -> list[str]:
        """Return the recordings that are as a recorder writes them: with their time, not cut.

        Short ones may be clips that were cut from recordings, or that a sound triggered. They are
        as a recorder writes them if their names end with a time of a full minute.
        """
        return [name for name in recordings if self._is_recorded(name)]

    def _is_recorded(self, name: str) -> bool:
        origin = self.origins.get(name)
        if origin is None or not origin.by_recorder:
            return False
        if name not in self.clips:
            return True
        full_minute = (origin.recorded_at or "")[16:19] == ":00"
        return full_minute and _TIME_AT_END.fullmatch(PurePosixPath(name).stem) is not None


def folder_columns(
    recordings: Sequence[str], evidence: Evidence, wanted: FolderMeaning, root: Path
) -> tuple[pd.DataFrame, str]:
    """Return label, split and site of recordings by their folders, and why.

    A label is the name of a recording's folder. A site is the name of the first folder in which
    recordings differ, dates and splits aside; if there is no folder, it is that of the root, where
    sites are `wanted`.

    Args:
        recordings: paths relative to the root.
        evidence: what shows the meaning, if `auto` is wanted.
        wanted: `auto`, `label`, `site` or `none`.
        root: folder of the recordings.

    Returns:
        `recording`, `label`, `split` and `site`, a row a recording; and a reason to log, empty
        where there is nothing to decide.
    """
    paths = [PurePosixPath(name) for name in recordings]
    meaning, reason = wanted, ""
    if wanted == "auto":
        meaning, reason = _decided(recordings, paths, evidence)
    sites: list[str | None] = [None] * len(paths)
    if meaning == "site":
        sites = folder_sites(recordings)
        if wanted == "site":
            sites = [site or path_text(root.name) or None for site in sites]
    table = pd.DataFrame(
        {
            "recording": pd.Series(recordings, dtype=TEXT_DTYPE),
            "label": pd.Series(
                [_label(path) if meaning == "label" else None for path in paths], dtype=TEXT_DTYPE
            ),
            "split": pd.Series([_split(path) for path in paths], dtype=TEXT_DTYPE),
            "site": pd.Series(sites, dtype=TEXT_DTYPE),
        }
    )
    return table, reason


def log_folders(root: Path, files: pd.DataFrame, reason: str) -> None:
    """Log what the folders below a root were taken for, why, and how to change it."""
    if not reason:
        return
    what = "site" if files["site"].notna().any() else "label"
    names = sorted(files[what].dropna().unique().tolist())
    listed = ", ".join(names[:_MAX_LISTED]) + (", ..." if len(names) > _MAX_LISTED else "")
    other = "label" if what == "site" else "site"
    logger.info(
        "%s: folders were taken for %ss, since %s (%d: %s); --folders %s takes them for %ss, "
        "--folders none for neither.",
        path_text(root),
        what,
        reason,
        len(names),
        listed,
        other,
        other,
    )


def _decided(
    recordings: Sequence[str], paths: Sequence[PurePosixPath], evidence: Evidence
) -> tuple[FolderMeaning, str]:
    """Return the meaning that the evidence shows, and the reason."""
    inside = [name for name, path in zip(recordings, paths, strict=True) if _folders(path)]
    if not inside:
        return "none", ""
    firsts = {path.parts[0] for path in paths if len(path.parts) > 1}
    if firsts & _SPLIT_NAMES:
        return "label", f"there is a folder {min(firsts & _SPLIT_NAMES)}"
    names = set(filter(None, folder_sites(inside)))
    every = {part for path in paths for part in path.parts[:-1]}
    if evidence.sites is not None and is_folder_of_sites(every, evidence.sites):
        return "site", f"{path_text(evidence.sites.path.name)} names them"
    recorded = evidence.recorded(inside)
    counted = f"{len(recorded)} of {len(inside)} recordings have a recorder's name or header"
    if len(recorded) >= _MIN_RECORDED * len(inside):
        if not names:
            return "none", ""
        if _changes_places(recorded, evidence):
            return "label", "recordings of one recorder at a time are in several of them"
        return "site", counted
    if names and all(_PLACE.fullmatch(name) for name in names):
        return "site", "their names are those of places"
    return "label", counted if recorded else "no recording has a recorder's name or header"


def _changes_places(recordings: Sequence[str], evidence: Evidence) -> bool:
    """Return whether recorders often change their folder, as they do where clips were sorted."""
    sites = dict(zip(recordings, folder_sites(recordings), strict=True))
    by_recorder: dict[str, list[tuple[str, str]]] = {}
    for name in recordings:
        recorder = evidence.origins[name].recorder or ""
        if sum(map(str.isdigit, recorder)) >= _SERIAL_DIGITS:
            time = evidence.origins[name].recorded_at or ""
            by_recorder.setdefault(recorder, []).append((time, sites[name] or ""))
    n_steps = n_changes = 0
    for visits in by_recorder.values():
        visits.sort()
        n_steps += len(visits) - 1
        n_changes += sum(a[1] != b[1] for a, b in pairwise(visits))
    return n_steps >= _MIN_STEPS and n_changes > _MAX_CHANGES * n_steps


def folder_sites(recordings: Sequence[str]) -> list[str | None]:
    """Return the first folder of each recording in which recordings differ, else their only one.

    Folders of dates and of recorders, and splits, are no sites.
    """
    folders = [_folders(PurePosixPath(name)) for name in recordings]
    only: list[str | None] = [None] * len(folders)
    for level in range(max(map(len, folders), default=0)):
        values = [parts[level] if level < len(parts) else None for parts in folders]
        names = {value for value in values if value is not None}
        if all(_NO_PLACE.fullmatch(name) for name in names):
            continue
        if len(names) > 1:
            return values
        only = values
    return only


def _folders(path: PurePosixPath) -> tuple[str, ...]:
    """Return the folders of a recording without that of its split."""
    folders = path.parts[:-1]
    return folders[1:] if folders and folders[0] in SPLITS else folders


def _label(recording: PurePosixPath) -> str | None:
    folders = _folders(recording)
    return folders[-1] if folders else None


def _split(recording: PurePosixPath) -> str | None:
    first = recording.parts[0]
    return first if len(recording.parts) > 1 and first in SPLITS else None
