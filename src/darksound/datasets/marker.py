"""The completion marker of a split on disk, and what was verified before it was written."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from darksound.atomic import write_text
from darksound.datasets import registry
from darksound.datasets.disk import partial_size, write_errors
from darksound.datasets.registry import (
    PublishedSplit,
    archive_folder,
    archive_name,
    data_folder,
    splits_of,
)
from darksound.errors import DownloadError
from darksound.settings import ComputeSettings
from darksound.system_errors import check_readable

__all__ = [
    "CHECKS",
    "Check",
    "FileRecord",
    "Marker",
    "SplitState",
    "all_split_states",
    "archive_check",
    "complete_marker",
    "content_check",
    "is_pending",
    "read_split_state",
    "write_pending_marker",
]

_FILE = ".darksound.json"
# Name of the marker until the folder is in its final place.
_PENDING_FILE = ".darksound.pending.json"
_FORMAT = 1

#: Kinds of checks, the strongest first, and what each of them verified.
CHECKS: Mapping[str, str] = {
    "md5": "md5 of the archive as published",
    "inner": "md5 of the inner archive as published",
    "given": "md5 of the archive as given by the user",
    "counts": "counts as published, all sound readable",
    "sound": "all sound readable, nothing to compare it to",
    "none": "not verified",
}
_ARCHIVE_CHECKS = {
    "md5": "the md5 of the archive is the published one",
    "inner": "the md5 of the inner archive {name} is the published one",
    "given": "the md5 of the archive is the one that the user gave, not a published one",
}


@dataclass(frozen=True)
class Check:
    """What was verified.

    Attributes:
        kind: a name in `CHECKS`.
        result: the result as a sentence without a full stop.
    """

    kind: str
    result: str


@dataclass(frozen=True)
class FileRecord:
    """The size of a file in bytes, and its hash (`disk.new_clip_hash`) in hexadecimal."""

    size: int
    digest: str


@dataclass(frozen=True)
class Marker:
    """What is recorded of a split when it is installed.

    Attributes:
        set_name, split: the split.
        source: redacted address or path that its archive came from.
        archive_md5: md5 of that archive, in hexadecimal.
        archive_bytes: size of that archive.
        check: what was verified.
        time: time of installation, ISO 8601.
        version: version of darksound.
        species: number of clips of each species.
        files: size and hash of every file, by path in the split's folder.
        unreadable: reason for each sound file that cannot be read.
    """

    set_name: str
    split: str
    source: str
    archive_md5: str
    archive_bytes: int
    check: Check
    time: str
    version: str
    species: Mapping[str, int]
    files: Mapping[str, FileRecord]
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_clips(self) -> int:
        """Return the number of sound files."""
        return sum(self.species.values())

    @property
    def n_bytes(self) -> int:
        """Return the size of all files."""
        return sum(record.size for record in self.files.values())


@dataclass(frozen=True)
class SplitState:
    """What is on disk of one split, by its marker alone.

    Attributes:
        split: the split.
        folder: its folder, which may not exist.
        exists: whether the folder exists and is not empty.
        marker: its marker; None where there is none or it is damaged.
        marker_error: why the marker cannot be read; None where it can, or there is none.
        partial_bytes: bytes of an incomplete download of its archive.
    """

    split: PublishedSplit
    folder: Path
    exists: bool
    marker: Marker | None = None
    marker_error: str | None = None
    partial_bytes: int = 0


def archive_check(kind: str, name: str = "") -> Check:
    """Return the check (`md5`, `inner` or `given`) of an archive whose md5 is right."""
    return Check(kind, _ARCHIVE_CHECKS[kind].format(name=name))


def content_check(
    split: PublishedSplit, species: Mapping[str, int], n_unreadable: int, note: str = ""
) -> Check:
    """Return the check of a split without an md5, by its counts and its unreadable files.

    `species` has the number of clips of each species; `note` is added to the result.
    """
    n_clips, n_species = sum(species.values()), len(species)
    counts = f"{n_clips} clips of {n_species} species"
    suffix = f"; {note}" if note else ""
    if n_unreadable:
        return Check("none", f"{n_unreadable} of {n_clips} clips cannot be read{suffix}")
    if split.n_clips is None or split.n_species is None:
        return Check(
            "sound",
            f"{counts}, all readable; neither its md5 nor its counts were published{suffix}",
        )
    if (n_clips, n_species) != (split.n_clips, split.n_species):
        published = f"{split.n_clips} of {split.n_species} were published"
        return Check("none", f"{counts} where {published}{suffix}")
    return Check(
        "counts", f"{counts} as published, all readable; the archive has no published md5{suffix}"
    )


def write_pending_marker(folder: Path, marker: Marker) -> None:
    """Write the marker of a folder that is not yet in its final place."""
    values = {"format": _FORMAT, **asdict(marker)}
    # The keys of format 1.
    values["check"] = {"kind": marker.check.kind, "said": marker.check.result}
    values["files"] = {path: [r.size, r.digest] for path, r in marker.files.items()}
    with write_errors(folder):
        write_text(folder / _PENDING_FILE, json.dumps(values, ensure_ascii=False, indent=1))


def complete_marker(folder: Path) -> None:
    """Mark a folder as complete and in its final place."""
    with write_errors(folder):
        (folder / _PENDING_FILE).replace(folder / _FILE)


def is_pending(folder: Path) -> bool:
    """Return whether a folder has a marker that is not completed."""
    return (folder / _PENDING_FILE).exists()


def read_split_state(split: PublishedSplit, settings: ComputeSettings) -> SplitState:
    """Return what is on disk of a split, without reading its files."""
    folder = data_folder(settings) / split.set_name / split.name
    if not (folder.is_dir() and any(folder.iterdir())):
        archives = archive_folder(settings, split.set_name)
        names = (archive_name(split.set_name, None), archive_name(split.set_name, split.name))
        size = max(partial_size(archives, name) for name in names)
        return SplitState(split, folder, exists=False, partial_bytes=size)
    try:
        return SplitState(split, folder, exists=True, marker=_read_marker(folder / _FILE))
    except DownloadError as error:
        return SplitState(split, folder, exists=True, marker_error=str(error))


def all_split_states(settings: ComputeSettings) -> list[SplitState]:
    """Return what is on disk of every published split, without using the network."""
    return [read_split_state(split, settings) for split in splits_of(registry.REGISTRY)]


def _read_marker(path: Path) -> Marker | None:
    """Return the marker, or None where there is none; a damaged one is a `DownloadError`."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT:
            raise DownloadError(f"{path} was written by another version of darksound.")
        values["check"] = Check(values["check"]["kind"], values["check"]["said"])
        values["files"] = {name: FileRecord(*record) for name, record in values["files"].items()}
        return Marker(**values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        check_readable(path, error, DownloadError)
        raise DownloadError(f"{path} cannot be read ({error}).") from None
