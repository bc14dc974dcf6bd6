"""The completion marker: what vouches for a split on disk, in a hidden file inside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from darksound.atomic import write_text
from darksound.datasets.space import writing
from darksound.datasets.unpack import FileRecord
from darksound.errors import DownloadError

__all__ = ["Check", "Marker", "complete", "is_pending", "read_marker", "write_pending"]

_NAME = ".darksound.json"
# What the marker is called until the folder lies in its place.
_PENDING = ".darksound.pending.json"
_FORMAT = 1


@dataclass(frozen=True)
class Check:
    """What was held against what.

    Attributes:
        kind: a name in `darksound.datasets.checks.KINDS`.
        said: what was found, in words.
    """

    kind: str
    said: str


@dataclass(frozen=True)
class Marker:
    """What is known of a split since it was put in place.

    Attributes:
        set_name, split: which it is.
        source: the address or file that its archive came from, as it may be shown.
        archive_md5: of that archive, in hexadecimal.
        archive_bytes: its size.
        check: what was checked.
        time: when it was put in place, in ISO 8601.
        version: the version of darksound that did it.
        species: clips of each species.
        files: by path in the split's folder, what vouches for it.
        unreadable: sound files that cannot be read, and why.
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
    def clips(self) -> int:
        """Sound files in it."""
        return sum(self.species.values())

    @property
    def bytes(self) -> int:
        """Size of its files."""
        return sum(record.size for record in self.files.values())


def write_pending(folder: Path, marker: Marker) -> None:
    """Put the marker into a folder that is still to be moved to its place.

    Raises:
        DownloadError: it cannot be written.
    """
    values = {"format": _FORMAT, **asdict(marker)}
    values["files"] = {path: [r.size, r.digest] for path, r in marker.files.items()}
    with writing(folder):
        write_text(folder / _PENDING, json.dumps(values, ensure_ascii=False, indent=1))


def complete(folder: Path) -> None:
    """Say that the folder is in its place and whole.

    Raises:
        DownloadError: it cannot be written.
    """
    with writing(folder):
        (folder / _PENDING).replace(folder / _NAME)


def is_pending(folder: Path) -> bool:
    """Whether a folder lies in its place without being marked complete yet."""
    return (folder / _PENDING).exists()


def read_marker(folder: Path) -> Marker | None:
    """The marker of a split's folder; None where there is none.

    Raises:
        DownloadError: it is damaged.
    """
    path = folder / _NAME
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT:
            raise DownloadError(f"{path} was written by another version of darksound.")
        values["check"] = Check(**values["check"])
        values["files"] = {name: FileRecord(*record) for name, record in values["files"].items()}
        return Marker(**values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(f"{path} cannot be read ({error}).") from None
