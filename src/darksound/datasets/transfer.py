"""Download of an archive: streaming, resume, retries and the checksum."""

import json
import logging
import random
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
    PartialFile,
    RemoteFile,
    check_free_space,
    hash_file,
    new_md5,
    partial_files,
    write_errors,
)
from darksound.datasets.failures import MirrorError
from darksound.progress import Progress, format_bytes, silent
from darksound.settings import DownloadSettings

__all__ = [
    "ArchiveRequest",
    "LocalArchive",
    "RetryPolicy",
    "archive_files",
    "delete_archive",
    "fetch",
    "find_fetched",
]

logger = logging.getLogger(__name__)

# Most bytes taken from the connection before they are written.
_CHUNK = 1 << 20
# Unpacked sound needs at least about the space of its archive.
_UNPACKED_RATIO = 1.0
# Each delay is longer by a random share of at most this, so that clients do not retry together.
_JITTER = 0.25
# An attempt that brings fewer bytes than this counts as one without progress.
_PROGRESS_BYTES = 1_000_000
_RANDOM = random.SystemRandom()


class RetryPolicy:
    """Exponential backoff, and a limit on consecutive attempts without progress.

    Args:
        settings: number of attempts, and the delays.
        sleep: waits for a number of seconds.
        jitter: returns a number in [0, 1); differs between processes by default, and no result
            depends on it.
    """

    def __init__(
        self,
        settings: DownloadSettings,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._jitter = jitter
        self._failures = 0
        self._largest_size = 0

    def wait(self, error: MirrorError, size: int) -> None:
        """Wait before the next attempt.

        Args:
            error: the error of the last attempt.
            size: number of bytes on disk after it.

        Raises:
            MirrorError: the same error, if another attempt is not allowed or would be useless.
        """
        # A network that worked a moment ago may come back; one that never worked will not.
        if not (error.temporary or (error.cause.network and size)):
            raise error
        if size >= self._largest_size + _PROGRESS_BYTES:
            self._largest_size, self._failures = size, 0
        self._failures += 1
        longest, requested = self._settings.backoff_max_s, error.retry_after_s or 0.0
        if self._failures >= self._settings.max_attempts or requested > longest:
            raise error
        backoff = self._settings.backoff_base_s * 2 ** (self._failures - 1)
        seconds = min(max(backoff * (1 + _JITTER * self._jitter()), requested), longest)
        # The message of the error is logged by the caller, or raised, after the last attempt.
        logger.debug("%s", error)
        logger.info(
            "%s: attempt %d of %d failed; retrying in %.0f s.",
            error.address,
            self._failures,
            self._settings.max_attempts,
            seconds,
        )
        self._sleep(seconds)


@dataclass(frozen=True)
class ArchiveRequest:
    """An archive to download.

    Attributes:
        path: path of the complete archive.
        address: the redacted address.
        md5: the md5 that it must have, in hexadecimal; None where unknown.
        what: its content, for messages.
        whole_set: whether it holds all splits of a set, in an undocumented folder structure.
    """

    path: Path
    address: str
    md5: str | None
    what: str
    whole_set: bool = False


@dataclass(frozen=True)
class LocalArchive:
    """A complete archive on disk.

    Attributes:
        path: the file.
        source: redacted address or path that it came from.
        md5: md5 of the file, in hexadecimal.
        whole_set: whether it holds all splits of a set, in an undocumented folder structure.
        check: `md5` where the md5 is the published one, `given` where it is the one that the user
            gave, None where there is nothing to compare it to.
    """

    path: Path
    source: str
    md5: str
    whole_set: bool
    check: str | None


def fetch(
    request: ArchiveRequest,
    send: Callable[[Mapping[str, str]], Reply],
    settings: DownloadSettings,
    retry_policy: RetryPolicy,
    *,
    exclusive: bool = True,
    progress: Progress = silent,
) -> LocalArchive:
    """Download an archive, resuming what an earlier process received.

    Args:
        request: the archive.
        send: sends a request with headers such as `Range` to the mirror.
        settings: the largest size of an archive.
        retry_policy: delays and number of attempts.
        exclusive: whether no other process downloads this archive.
        progress: receives megabytes.

    Raises:
        MirrorError: the mirror does not deliver the archive.
        DownloadError: the disk is full or not writable.
    """
    reading = ByteProgress(f"Read partial download of {request.what}", progress)
    with PartialFile.open(request.path, request.address, exclusive, reading.update) as partial:
        reading.close()
        if partial.size:
            logger.info("%s: resuming after %s.", request.what, format_bytes(partial.size))
        while True:
            try:
                _attempt(request, send, settings, partial, progress)
                return _finish(request, partial)
            except MirrorError as error:
                retry_policy.wait(error, partial.size)


def find_fetched(request: ArchiveRequest, progress: Progress = silent) -> LocalArchive | None:
    """Return the archive if an earlier process left it complete, else None."""
    try:
        record = json.loads(_record_path(request.path).read_text(encoding="utf-8"))
        source, recorded_md5 = record["address"], record["md5"]
        size = request.path.stat().st_size
        if request.md5 is None and source != request.address:
            return None
        reading = ByteProgress(f"Read downloaded {request.what}", progress, size)
        md5 = hash_file(request.path, new_md5(), reading.update)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    complete = md5 == recorded_md5 and request.md5 in {None, md5}
    return _local_archive(request, source, md5) if complete else None


def archive_files(folder: Path, name: str) -> list[Path]:
    """Return the existing files of a download: archive, record and partial files."""
    final = (folder / name, _record_path(folder / name))
    return [*(path for path in final if path.exists()), *partial_files(folder, name)]


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
    request: ArchiveRequest,
    send: Callable[[Mapping[str, str]], Reply],
    settings: DownloadSettings,
    partial: PartialFile,
    progress: Progress,
) -> None:
    """Complete `partial` by one response, or raise `MirrorError`."""
    if partial.size and partial.size == partial.remote.total:
        return
    if partial.size and not _can_resume(partial.remote, request.md5):
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
        if total is not None:
            required = total - partial.size + round(_UNPACKED_RATIO * total)
            check_free_space(request.path.parent, required, f"{request.what}, with its archive,")
        _receive(reply, partial, total or largest, request, progress)
    finally:
        reply.close()


def _can_resume(remote: RemoteFile, md5: str | None) -> bool:
    """Return whether a change of the remote file would be detected."""
    return remote.resumable and bool(remote.etag or remote.modified or md5)


def _range_headers(partial: PartialFile) -> dict[str, str]:
    """Return the headers that request the missing bytes (RFC 9110, sections 13.1.5 and 14.2)."""
    if not partial.size:
        return {}
    headers = {"Range": f"bytes={partial.size}-"}
    validator = partial.remote.etag or partial.remote.modified
    if validator:
        headers["If-Range"] = validator
    return headers


def _prepare(reply: Reply, partial: PartialFile, request: ArchiveRequest) -> bool:
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
    if not looks_like_archive(reply.peek()):
        event = f"returned no archive (it begins with {reply.peek()[:16]!r})"
        raise MirrorError(failures.NOT_ARCHIVE, request.address, event)
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
    reply: Reply, partial: PartialFile, limit: int, request: ArchiveRequest, progress: Progress
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


def _finish(request: ArchiveRequest, partial: PartialFile) -> LocalArchive:
    """Verify the md5 and rename the partial file to the archive.

    Raises:
        MirrorError: the md5 is wrong. Another attempt is allowed where the file was joined from
            parts or may have been cut short, unless the same bytes came before.
    """
    md5, size = partial.md5, partial.size
    if request.md5 is not None and md5 != request.md5:
        uncertain = partial.resumed or partial.remote.total is None
        temporary = uncertain and md5 not in partial.rejected
        partial.rejected.add(md5)
        partial.restart()
        raise MirrorError(
            failures.CHECKSUM,
            request.address,
            f"returned {format_bytes(size)} with the md5 {md5}, but {request.md5} is required",
            temporary=temporary,
        )
    record = {
        "path": request.path.name,
        "address": request.address,
        "md5": md5,
        "size": size,
        "time": time.time(),
    }
    with write_errors(request.path.parent):
        # In this order, so that there is never an archive without a record.
        write_text(_record_path(request.path), json.dumps(record, indent=1))
        partial.finish(request.path)
    return _local_archive(request, request.address, md5)


def _local_archive(request: ArchiveRequest, source: str, md5: str) -> LocalArchive:
    check = None if request.md5 is None else "md5"
    return LocalArchive(request.path, source, md5, request.whole_set, check)


def _record_path(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.json")
