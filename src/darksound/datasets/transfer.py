"""Download of a file: streaming, resume, retries and the checksum."""

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from darksound.atomic import write_text
from darksound.datasets import failures
from darksound.datasets.archives import looks_like_archive
from darksound.datasets.client import Reply
from darksound.datasets.disk import (
    ByteProgress,
    Digest,
    PartialFile,
    RemoteFile,
    check_free_space,
    hash_file,
    new_md5,
    partial_files,
    write_errors,
)
from darksound.datasets.failures import Cause, MirrorError
from darksound.datasets.retries import RetryPolicy
from darksound.progress import Progress, format_bytes, silent
from darksound.settings import DownloadSettings

__all__ = [
    "ARCHIVE",
    "FileKind",
    "FileRequest",
    "LocalFile",
    "archive_files",
    "delete_archive",
    "delete_partial_files",
    "fetch",
    "find_fetched",
]

logger = logging.getLogger(__name__)

# Most bytes taken from the connection before they are written.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FileKind:
    """What is downloaded.

    Attributes:
        name: for messages.
        checksum: name of the checksum that is published for such files.
        new_digest: returns an empty hash of that kind.
        matches: return whether a file with these first bytes may be of this kind.
        mismatch: the failure where it is not.
        wrong_checksum: the failure where its checksum is another one.
        unpacked_ratio: the space that its content needs beside it, per byte of the file.
    """

    name: str
    checksum: str
    new_digest: Callable[[], Digest]
    matches: Callable[[bytes], bool]
    mismatch: Cause
    wrong_checksum: Cause
    unpacked_ratio: float = 0.0


#: An archive of a published set. Unpacked sound needs at least about the space of its archive.
ARCHIVE = FileKind(
    "archive",
    "md5",
    new_md5,
    looks_like_archive,
    failures.NOT_ARCHIVE,
    failures.CHECKSUM,
    unpacked_ratio=1.0,
)


@dataclass(frozen=True)
class FileRequest:
    """A file to download.

    Attributes:
        path: path of the complete file.
        address: the redacted address.
        checksum: the checksum that it must have, in hexadecimal; None where unknown.
        what: its content, for messages.
        whole_set: whether it holds all splits of a set, in an undocumented folder structure.
        kind: an archive, or what else it is.
        size: the number of bytes that it must have; None where unknown.
    """

    path: Path
    address: str
    checksum: str | None
    what: str
    whole_set: bool = False
    kind: FileKind = ARCHIVE
    size: int | None = None


@dataclass(frozen=True)
class LocalFile:
    """A complete file on disk.

    Attributes:
        path: the file.
        source: redacted address or path that it came from.
        checksum: its checksum, in hexadecimal; of an archive, the md5.
        whole_set: whether it holds all splits of a set, in an undocumented folder structure.
        check: `md5` (or the name of another checksum) where the checksum is the published one,
            `given` where it is the one that the user gave, None where there is nothing to compare
            it to.
    """

    path: Path
    source: str
    checksum: str
    whole_set: bool
    check: str | None


def fetch(
    request: FileRequest,
    send: Callable[[Mapping[str, str]], Reply],
    settings: DownloadSettings,
    retry_policy: RetryPolicy,
    *,
    exclusive: bool = True,
    progress: Progress = silent,
) -> LocalFile:
    """Download a file, resuming what an earlier process received.

    Args:
        request: the file.
        send: sends a request with headers such as `Range` to the mirror.
        settings: the largest size of a file.
        retry_policy: delays and number of attempts.
        exclusive: whether no other process downloads this file.
        progress: receives megabytes.

    Raises:
        MirrorError: the mirror does not deliver the file.
        DownloadError: the disk is full or not writable.
    """
    reading = ByteProgress(f"Read partial download of {request.what}", progress)
    with PartialFile.open(
        request.path, request.address, exclusive, reading.update, request.kind.new_digest
    ) as partial:
        reading.close()
        if partial.size:
            logger.info("%s: resuming after %s.", request.what, format_bytes(partial.size))
        while True:
            try:
                _attempt(request, send, settings, partial, progress)
                return _finish(request, partial)
            except MirrorError as error:
                retry_policy.wait(error, partial.size)


def find_fetched(request: FileRequest, progress: Progress = silent) -> LocalFile | None:
    """Return the file if an earlier process left it complete, else None."""
    try:
        record = json.loads(_record_path(request.path).read_text(encoding="utf-8"))
        source, recorded = record["address"], record[request.kind.checksum]
        size = request.path.stat().st_size
        if request.checksum is None and source != request.address:
            return None
        reading = ByteProgress(f"Read downloaded {request.what}", progress, size)
        checksum = hash_file(request.path, request.kind.new_digest(), reading.update)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    complete = checksum == recorded and request.checksum in {None, checksum}
    return _local_file(request, source, checksum) if complete else None


def archive_files(folder: Path, name: str) -> list[Path]:
    """Return the existing files of a download: archive, record and partial files."""
    final = (folder / name, _record_path(folder / name))
    return [*(path for path in final if path.exists()), *partial_files(folder, name)]


def delete_partial_files(path: Path) -> None:
    """Delete what interrupted downloads of a file left, which no other process writes to."""
    for part in partial_files(path.parent, path.name):
        part.unlink(missing_ok=True)


def delete_archive(archive: Path, exclusive: bool = True) -> None:
    """Delete an archive and its record.

    Args:
        archive: path of the archive.
        exclusive: whether no other process downloads it; then partial files are deleted too.
    """
    folder, name = archive.parent, archive.name
    excluded = [] if exclusive else partial_files(folder, name)
    for path in archive_files(folder, name):
        if path not in excluded:
            path.unlink(missing_ok=True)


def _attempt(
    request: FileRequest,
    send: Callable[[Mapping[str, str]], Reply],
    settings: DownloadSettings,
    partial: PartialFile,
    progress: Progress,
) -> None:
    """Complete `partial` by one response, or raise `MirrorError`."""
    if partial.size and partial.size == partial.remote.total:
        return
    if partial.size and not _can_resume(partial.remote, request.checksum):
        partial.restart()
    reply = send(_range_headers(partial))
    try:
        if _prepare(reply, partial, request):
            return
        total, largest = partial.remote.total, round(settings.max_archive_gb * 1e9)
        if total is not None and total > largest:
            raise MirrorError(
                failures.TOO_LARGE,
                request.address,
                f"would send {format_bytes(total)}, more than download.max_archive_gb allows",
            )
        if None not in (total, request.size) and total != request.size:
            event = f"would send {total} bytes, but the published file has {request.size}"
            raise MirrorError(request.kind.wrong_checksum, request.address, event)
        if total is not None:
            required = total - partial.size + round(request.kind.unpacked_ratio * total)
            with_archive = ", with its archive," if request.kind.unpacked_ratio else ""
            check_free_space(request.path.parent, required, f"{request.what}{with_archive}")
        _receive(reply, partial, total or largest, request, progress)
    finally:
        reply.close()


def _can_resume(remote: RemoteFile, checksum: str | None) -> bool:
    """Return whether a change of the remote file would be detected."""
    return remote.resumable and bool(remote.etag or remote.modified or checksum)


def _range_headers(partial: PartialFile) -> dict[str, str]:
    """Return the headers that request the missing bytes (RFC 9110, sections 13.1.5 and 14.2)."""
    if not partial.size:
        return {}
    headers = {"Range": f"bytes={partial.size}-"}
    validator = partial.remote.etag or partial.remote.modified
    if validator:
        headers["If-Range"] = validator
    return headers


def _prepare(reply: Reply, partial: PartialFile, request: FileRequest) -> bool:
    """Prepare `partial` for the body of a response; return whether it is complete already.

    Raises:
        MirrorError: the response does not fit; the next attempt starts from the first byte.
    """
    start, total = _content_range(reply)
    if reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        if partial.size and total == partial.size:
            partial.set_total(total)
            return True
        partial.restart()
        raise MirrorError(failures.DROPPED, request.address, "has fewer bytes than before")
    if reply.status == HTTPStatus.PARTIAL_CONTENT:
        if start != partial.size or not _is_same_file(reply, total, partial):
            partial.restart()
            event = "sent another range or another file than requested"
            raise MirrorError(failures.DROPPED, request.address, event)
        partial.resumed = True
        if total is not None:
            partial.set_total(total)
        return False
    if partial.size:
        logger.info("%s: the server starts again from the first byte.", request.what)
    partial.restart(_remote_file(reply, request.address))
    kind = request.kind
    if not kind.matches(reply.peek()):
        event = f"returned no {kind.name} (it begins with {reply.peek()[:16]!r})"
        raise MirrorError(kind.mismatch, request.address, event)
    return False


def _content_range(reply: Reply) -> tuple[int | None, int | None]:
    """Return the first byte and the total size in `Content-Range`, None where not stated."""
    pattern = r"\s*bytes (?:(\d+)-\d+|\*)/(\d+|\*)\s*"
    match = re.fullmatch(pattern, reply.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    start, total = match.groups()
    return None if start is None else int(start), None if total == "*" else int(total)


def _is_same_file(reply: Reply, total: int | None, partial: PartialFile) -> bool:
    """Return whether a 206 is a part of the file that `partial` is the beginning of."""
    known = partial.remote
    etag, modified = reply.headers.get("ETag"), reply.headers.get("Last-Modified")
    if reply.encoded or not partial.size:
        return False
    if known.total is not None and total is not None and known.total != total:
        return False
    if known.etag is not None and etag is not None:
        return known.etag == etag
    return known.modified is None or modified is None or known.modified == modified


def _remote_file(reply: Reply, address: str) -> RemoteFile:
    """Return what a response with status 200 states about its file."""
    etag = reply.headers.get("ETag")
    length = reply.headers.get("Content-Length", "")
    return RemoteFile(
        address,
        total=int(length) if not reply.encoded and length.isdigit() else None,
        # A weak tag states that files are equivalent, not that their bytes are equal.
        etag=None if etag is None or etag.startswith("W/") else etag,
        modified=reply.headers.get("Last-Modified"),
        resumable=not reply.encoded and reply.headers.get("Accept-Ranges", "").lower() != "none",
    )


def _receive(
    reply: Reply, partial: PartialFile, limit: int, request: FileRequest, progress: Progress
) -> None:
    """Append the body of a response, of at most `limit` bytes, to `partial`."""
    total = partial.remote.total
    received = ByteProgress(f"Download {request.what}", progress, total, partial.size)
    while data := reply.read(_CHUNK):
        if partial.size + len(data) > limit:
            partial.restart()
            event = f"sent more than the {format_bytes(limit)} that are allowed"
            raise MirrorError(failures.TOO_LARGE, request.address, event)
        partial.append(data)
        received.update(partial.size)
    if total is not None and partial.size < total:
        event = f"ended after {format_bytes(partial.size)} of {format_bytes(total)}"
        raise MirrorError(failures.DROPPED, request.address, event)
    received.close()


def _finish(request: FileRequest, partial: PartialFile) -> LocalFile:
    """Verify the checksum and rename the partial file to the final one.

    Raises:
        MirrorError: the checksum is wrong. Another attempt is allowed where the file was joined
            from parts or may have been cut short, unless the same bytes came before.
    """
    kind, checksum, size = request.kind, partial.checksum, partial.size
    if request.checksum is not None and checksum != request.checksum:
        uncertain = partial.resumed or partial.remote.total is None
        temporary = uncertain and checksum not in partial.rejected
        partial.rejected.add(checksum)
        partial.restart()
        raise MirrorError(
            kind.wrong_checksum,
            request.address,
            f"returned {format_bytes(size)} with the {kind.checksum} {checksum}, but "
            f"{request.checksum} is required",
            temporary=temporary,
        )
    record = {
        "path": request.path.name,
        "address": request.address,
        kind.checksum: checksum,
        "size": size,
        "time": time.time(),
    }
    with write_errors(request.path.parent):
        # In this order, so that there is never a file without a record.
        write_text(_record_path(request.path), json.dumps(record, indent=1))
        partial.finish(request.path)
    return _local_file(request, request.address, checksum)


def _local_file(request: FileRequest, source: str, checksum: str) -> LocalFile:
    check = None if request.checksum is None else request.kind.checksum
    return LocalFile(request.path, source, checksum, request.whole_set, check)


def _record_path(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.json")
