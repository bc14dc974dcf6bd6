"""What an archive may not do: leave its folder, put one file over another, or fill the disk."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from darksound.datasets.archives import ArchiveError, Member
from darksound.datasets.space import gigabytes
from darksound.settings import DownloadSettings

__all__ = ["Budget", "Entry", "admitted", "is_junk"]

_NAME_BYTES = 255
_PATH_BYTES = 1000
_SHOWN = 120
# Small archives of silence pack well; they fill no disk.
_RATIO_FROM_BYTES = 100_000_000
# Names that are devices on Windows, with any suffix.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Entry:
    """A plain file of an archive that may be unpacked.

    Attributes:
        path: where it lies in the archive, without `.` and doubled slashes.
        member: what the archive says of it.
    """

    path: PurePosixPath
    member: Member


class Budget:
    """How much an archive, and archives inside it, may unpack to.

    Args:
        settings: the limits.
        packed: size of the archive in bytes.
    """

    def __init__(self, settings: DownloadSettings, packed: int) -> None:
        self._settings = settings
        self._packed = packed
        self._files = 0
        self._bytes = 0

    def announce(self, member: Member) -> None:
        """Count what a member says of itself.

        Raises:
            ArchiveError: it is more than is allowed.
        """
        self._files += 1
        self._bytes += member.size
        limits, told = self._settings, f"{_quoted(member)} is refused: with it"
        if self._files > limits.max_files:
            raise ArchiveError(
                f"{told} the archive holds more than {limits.max_files} files (download.max_files)."
            )
        if self._bytes > limits.max_unpacked_gb * 1e9:
            raise ArchiveError(
                f"{told} the archive unpacks to more than {limits.max_unpacked_gb:g} GB "
                f"(download.max_unpacked_gb)."
            )
        if self._bytes > max(limits.max_ratio * self._packed, _RATIO_FROM_BYTES):
            raise ArchiveError(
                f"{told} {gigabytes(self._packed)} unpack to more than {limits.max_ratio:g} times "
                f"as much (download.max_ratio); that is how archive bombs are built."
            )


def admitted(members: Iterable[Member], budget: Budget) -> list[Entry]:
    """The plain files among the members, every member having been looked at.

    Raises:
        ArchiveError: with the name of the member that has no business in an archive of sounds.
    """
    spellings: dict[str, tuple[str, bool]] = {}
    entries: dict[PurePosixPath, Entry] = {}
    for member in members:
        if member.unusable is not None:
            raise _refused(member, member.unusable)
        path = _safe_path(member)
        if path is None:
            continue
        _note_spelling(path, member, spellings)
        budget.announce(member)
        if path in entries:
            raise _refused(member, "is there twice")
        if not member.is_folder:
            entries[path] = Entry(path, member)
    return list(entries.values())


def is_junk(path: PurePosixPath) -> bool:
    """Whether a file is what desktops leave behind, or hidden."""
    return "__MACOSX" in path.parts or any(part.startswith(".") for part in path.parts)


def _safe_path(member: Member) -> PurePosixPath | None:
    """Where a member lies below the folder that it is unpacked to; None for that folder."""
    name = member.name
    if _CONTROL.search(name):
        raise _refused(member, "has control characters in its name")
    if "\\" in name:
        raise _refused(member, "has a backslash in its name, which leads elsewhere on Windows")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _refused(member, "has an absolute path")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    for part in parts:
        if part == "..":
            raise _refused(member, "leads out of the archive's folder")
        if ":" in part or _DEVICES.fullmatch(part.rstrip(" .")):
            raise _refused(member, "has a name that means a device on Windows")
        if _length(part, member) > _NAME_BYTES:
            raise _refused(member, f"has a name of more than {_NAME_BYTES} bytes")
    if _length("/".join(parts), member) > _PATH_BYTES:
        raise _refused(member, f"has a path of more than {_PATH_BYTES} bytes")
    if not parts and not member.is_folder:
        raise _refused(member, "has no name")
    return PurePosixPath(*parts) if parts else None


def _note_spelling(path: PurePosixPath, member: Member, known: dict[str, tuple[str, bool]]) -> None:
    """Refuse what some disk takes for an earlier file or folder."""
    for depth in range(1, len(path.parts) + 1):
        spelled = "/".join(path.parts[:depth])
        is_folder = member.is_folder or depth < len(path.parts)
        before, was_folder = known.setdefault(_same(spelled), (spelled, is_folder))
        if before != spelled:
            raise _refused(
                member, f"cannot be told from {before!r} where case or accents do not count"
            )
        if was_folder != is_folder:
            raise _refused(member, f"makes {spelled!r} both a file and a folder")


def _same(spelled: str) -> str:
    """The same text for names that some disk takes for the same."""
    parts = unicodedata.normalize("NFC", spelled).casefold().split("/")
    return "/".join(part.rstrip(" .") for part in parts)


def _length(text: str, member: Member) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _refused(member, "has a name that is no text") from None


def _refused(member: Member, why: str) -> ArchiveError:
    return ArchiveError(
        f"{_quoted(member)} {why}. Nothing of this archive is unpacked: fetch another copy, or "
        f"have whoever made it pack it again."
    )


def _quoted(member: Member) -> str:
    return f"The archive's member {member.name[:_SHOWN]!r}"
