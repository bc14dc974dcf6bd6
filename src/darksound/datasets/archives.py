"""Read zip and tar archives, and refuse hostile ones before anything is written.

No member may leave the folder, replace another one or be a link, and all members together may not
fill the disk.
"""

import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from gzip import BadGzipFile
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from darksound.errors import DownloadError
from darksound.progress import format_bytes
from darksound.settings import DownloadSettings

__all__ = [
    "DAMAGE_ERRORS",
    "ArchiveError",
    "Entry",
    "Member",
    "UnpackLimits",
    "accept_members",
    "error_text",
    "is_hidden",
    "looks_like_archive",
    "open_archive",
]

# Enough bytes to recognise a tar archive.
_START_BYTES = 512
_NAME_BYTES = 255
_PATH_BYTES = 1000
_SHOWN_CHARACTERS = 120
# Small archives of silence have high ratios too, and fill no disk.
_RATIO_FROM_BYTES = 100_000_000
# Names of devices on Windows, with any suffix.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: What the readers of archives raise for damage.
DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    LZMAError,
    EOFError,
    BadGzipFile,
)


class ArchiveError(DownloadError):
    """An archive is damaged or hostile, or does not hold what it should."""


@dataclass(frozen=True)
class Member:
    """A member of an archive, as its header describes it.

    Attributes:
        name: the name in the header.
        size: the unpacked size in bytes that the header states.
        is_folder: whether it is a folder.
        unusable: why it is not a plain file or folder; None where it is.
        open: opens it for reading.
    """

    name: str
    size: int
    is_folder: bool
    unusable: str | None
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Entry:
    """A plain file of an archive that may be unpacked.

    Attributes:
        path: its normalised path in the archive.
        member: its header.
    """

    path: PurePosixPath
    member: Member


@contextmanager
def open_archive(path: Path) -> Iterator[Iterable[Member]]:
    """Open an archive and yield its members, in the order in which they are best read.

    Raises:
        ArchiveError: it is no archive or is damaged; also for damage found within the block.
    """
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    openers = [opener for matches, opener in _FORMATS if matches(start)]
    if not openers:
        raise ArchiveError(
            f"It is no archive that can be unpacked: it begins with {start[:16]!r}; a .zip or .tar "
            f"(plain, .gz, .bz2 or .xz) is required."
        )
    try:
        with openers[0](path) as members:
            yield members
    except DAMAGE_ERRORS as error:
        raise ArchiveError(
            f"The archive is damaged or cut short ({error_text(error)}); download it again."
        ) from None


def looks_like_archive(start: bytes) -> bool:
    """Return whether a file with these first bytes may be an archive."""
    return any(matches(start) for matches, _ in _FORMATS)


def error_text(error: Exception) -> str:
    """Return the text of an exception, or its type where there is none."""
    return str(error).rstrip(".") or type(error).__name__


_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1


@contextmanager
def _open_zip(path: Path) -> Iterator[Iterable[Member]]:
    with zipfile.ZipFile(path) as file:
        yield (
            Member(
                # Python cuts `filename` at a zero byte and replaces separators.
                info.orig_filename,
                info.file_size,
                info.is_dir(),
                _zip_unusable(info),
                partial(file.open, info),
            )
            for info in file.infolist()
        )


def _zip_unusable(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a device or another special file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return f"is compressed by method {info.compress_type}, which is not supported"
    return None


@contextmanager
def _open_tar(path: Path) -> Iterator[Iterable[Member]]:
    with tarfile.open(path, "r:*") as file:
        yield (
            Member(
                info.name,
                info.size,
                info.isdir(),
                _tar_unusable(info),
                partial(_open_tar_member, file, info),
            )
            for info in file
        )


def _open_tar_member(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    reader = file.extractfile(info)
    assert reader is not None, "only plain files are opened"
    return reader


def _tar_unusable(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "is a link"
    if info.issparse():
        return "is a sparse file"
    if not (info.isreg() or info.isdir()):
        return "is a device or another special file"
    return None


def _is_zip(start: bytes) -> bool:
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _is_tar(start: bytes) -> bool:
    return start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")) or start[257:262] == b"ustar"


#: Formats of archives: a test of the first bytes, and the function that opens the file.
_FORMATS = ((_is_zip, _open_zip), (_is_tar, _open_tar))


class UnpackLimits:
    """The number of files and bytes that an archive, and archives in it, may unpack to.

    Args:
        settings: the limits.
        archive_bytes: size of the archive.
    """

    def __init__(self, settings: DownloadSettings, archive_bytes: int) -> None:
        self._settings = settings
        self._archive_bytes = archive_bytes
        self._files = 0
        self._bytes = 0

    def count(self, member: Member) -> None:
        """Count a member by the size in its header.

        Raises:
            ArchiveError: a limit is exceeded.
        """
        self._files += 1
        self._bytes += member.size
        limits, size = self._settings, format_bytes(self._archive_bytes)
        if self._files > limits.max_files:
            excess = f"the archive holds more than {limits.max_files} files (download.max_files)"
        elif self._bytes > limits.max_unpacked_gb * 1e9:
            largest = f"{limits.max_unpacked_gb:g} GB (download.max_unpacked_gb)"
            excess = f"the archive unpacks to more than {largest}"
        elif self._bytes > max(limits.max_ratio * self._archive_bytes, _RATIO_FROM_BYTES):
            ratio = f"{limits.max_ratio:g} times their size (download.max_ratio)"
            excess = f"{size} unpack to more than {ratio}, as in an archive bomb"
        else:
            return
        raise ArchiveError(f"{_quoted(member)} is refused: with it {excess}.")


def accept_members(members: Iterable[Member], limits: UnpackLimits) -> list[Entry]:
    """Check every member and return the plain files.

    Raises:
        ArchiveError: a member is not acceptable; the message names it.
    """
    spellings: dict[str, tuple[str, bool]] = {}
    entries: dict[PurePosixPath, Entry] = {}
    for member in members:
        if member.unusable is not None:
            raise _refusal(member, member.unusable)
        path = _safe_path(member)
        if path is None:
            continue
        _check_spelling(path, member, spellings)
        limits.count(member)
        if path in entries:
            raise _refusal(member, "occurs twice")
        if not member.is_folder:
            entries[path] = Entry(path, member)
    return list(entries.values())


def is_hidden(path: PurePosixPath) -> bool:
    """Return whether a file is hidden or was left by a desktop."""
    return "__MACOSX" in path.parts or any(part.startswith(".") for part in path.parts)


def _safe_path(member: Member) -> PurePosixPath | None:
    """Return the path of a member below the target folder; None for that folder itself."""
    name = member.name
    if _CONTROL.search(name):
        raise _refusal(member, "has control characters in its name")
    if "\\" in name:
        raise _refusal(member, "has a backslash in its name, a path separator on Windows")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _refusal(member, "has an absolute path")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    for part in parts:
        if part == "..":
            raise _refusal(member, "leads out of the archive's folder")
        if ":" in part or _DEVICES.fullmatch(part.rstrip(" .")):
            raise _refusal(member, "has a name that is a device on Windows")
        if _byte_count(part, member) > _NAME_BYTES:
            raise _refusal(member, f"has a name of more than {_NAME_BYTES} bytes")
    if _byte_count("/".join(parts), member) > _PATH_BYTES:
        raise _refusal(member, f"has a path of more than {_PATH_BYTES} bytes")
    if not parts and not member.is_folder:
        raise _refusal(member, "has no name")
    return PurePosixPath(*parts) if parts else None


def _check_spelling(
    path: PurePosixPath, member: Member, known: dict[str, tuple[str, bool]]
) -> None:
    """Refuse a path that some file systems take for an earlier file or folder."""
    for depth in range(1, len(path.parts) + 1):
        spelling = "/".join(path.parts[:depth])
        is_folder = member.is_folder or depth < len(path.parts)
        earlier, was_folder = known.setdefault(_normalised(spelling), (spelling, is_folder))
        if earlier != spelling:
            raise _refusal(
                member, f"is the same as {earlier!r} on disks that ignore case or accents"
            )
        if was_folder != is_folder:
            raise _refusal(member, f"makes {spelling!r} both a file and a folder")


def _normalised(spelling: str) -> str:
    parts = unicodedata.normalize("NFC", spelling).casefold().split("/")
    return "/".join(part.rstrip(" .") for part in parts)


def _byte_count(text: str, member: Member) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _refusal(member, "has a name that is not valid text") from None


def _refusal(member: Member, reason: str) -> ArchiveError:
    return ArchiveError(
        f"{_quoted(member)} {reason}. Nothing of this archive is unpacked: download another copy, "
        f"or ask its author to pack it again."
    )


def _quoted(member: Member) -> str:
    return f"The archive's member {member.name[:_SHOWN_CHARACTERS]!r}"
