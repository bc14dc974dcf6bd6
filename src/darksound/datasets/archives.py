"""Archives: what they say they hold, before anything of it is believed or written."""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import BadGzipFile
from lzma import LZMAError
from pathlib import Path
from typing import IO, Protocol

from darksound.errors import DownloadError

__all__ = ["DAMAGE", "Archive", "ArchiveError", "Member", "looks_like_archive", "opened", "said"]

# Enough to tell a tar archive by.
_START = 512
#: What the readers of archives raise where one is damaged.
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, BadGzipFile)


class ArchiveError(DownloadError):
    """An archive is damaged, hostile, or does not hold what it should."""


@dataclass(frozen=True)
class Member:
    """One entry, as the archive describes it.

    Attributes:
        name: as it is written there.
        size: in bytes, once unpacked, as it says.
        is_folder: whether it is a folder.
        unusable: why it is not a plain file or folder; None where it is.
        open: reads its bytes.
    """

    name: str
    size: int
    is_folder: bool
    unusable: str | None
    open: Callable[[], IO[bytes]]


class Archive(Protocol):
    """An open archive."""

    def members(self) -> Iterator[Member]:
        """Its entries in the order in which they are best read, each told of before it is read."""


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An archive to read.

    Raises:
        ArchiveError: it is none, or is damaged; also where the block finds the damage.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    kinds = [opener for begins, opener in _KINDS if begins(start)]
    if not kinds:
        raise ArchiveError(
            f"It is no archive that can be unpacked: it begins with {start[:16]!r}; a .zip or .tar "
            f"(plain, .gz, .bz2 or .xz) is wanted."
        )
    try:
        with kinds[0](path) as archive:
            yield archive
    except DAMAGE as error:
        raise ArchiveError(
            f"The archive is damaged or cut short ({said(error)}); fetch it again."
        ) from None


def looks_like_archive(start: bytes) -> bool:
    """Whether a file that begins like this may be an archive."""
    return any(begins(start) for begins, _ in _KINDS)


def said(error: Exception) -> str:
    """What a reader says is wrong, or what it is called."""
    return str(error).rstrip(".") or type(error).__name__


class _Zip:
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    def members(self) -> Iterator[Member]:
        """See `Archive`."""
        for info in self._file.infolist():
            yield Member(
                # Python cuts `filename` at a zero byte and turns separators round.
                info.orig_filename,
                info.file_size,
                info.is_dir(),
                _zip_unusable(info),
                _zip_opener(self._file, info),
            )


def _zip_opener(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: file.open(info)


_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1


def _zip_unusable(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a device or another special file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return f"is packed by method {info.compress_type}, which cannot be read"
    return None


class _Tar:
    def __init__(self, file: tarfile.TarFile) -> None:
        self._file = file

    def members(self) -> Iterator[Member]:
        """See `Archive`."""
        for info in self._file:
            yield Member(
                info.name,
                info.size,
                info.isdir(),
                _tar_unusable(info),
                _tar_opener(self._file, info),
            )


def _tar_opener(file: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def open_member() -> IO[bytes]:
        reader = file.extractfile(info)
        assert reader is not None, "only plain files are opened"
        return reader

    return open_member


def _tar_unusable(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "is a link"
    if info.issparse():
        return "is a sparse file"
    if not (info.isreg() or info.isdir()):
        return "is a device or another special file"
    return None


@contextmanager
def _open_zip(path: Path) -> Iterator[Archive]:
    with zipfile.ZipFile(path) as file:
        yield _Zip(file)


@contextmanager
def _open_tar(path: Path) -> Iterator[Archive]:
    with tarfile.open(path, "r:*") as file:
        yield _Tar(file)


def _begins_like_zip(start: bytes) -> bool:
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _begins_like_tar(start: bytes) -> bool:
    return start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")) or start[257:262] == b"ustar"


#: Kinds of archives: how one begins, and what opens it.
_KINDS = ((_begins_like_zip, _open_zip), (_begins_like_tar, _open_tar))
