"""From a mirror to a file: streamed, gone on with, tried again, and its hash held against."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

from darksound.atomic import write_text
from darksound.datasets import failures
from darksound.datasets.answers import about_whole, asking, can_go_on, continues, whole_of
from darksound.datasets.archives import looks_like_archive
from darksound.datasets.client import Reply
from darksound.datasets.failures import MirrorError
from darksound.datasets.hashing import md5_of
from darksound.datasets.partial import About, Partial, partials
from darksound.datasets.space import gigabytes, require_space, writing
from darksound.datasets.telling import Megabytes
from darksound.datasets.waits import Tries
from darksound.progress import Progress, silent
from darksound.settings import DownloadSettings

__all__ = ["Fetched", "Wanted", "discard", "fetch", "kept", "leftovers"]

logger = logging.getLogger(__name__)

# At most this much is taken from the connection at once, and written before more is taken.
_CHUNK = 1 << 20
# An archive of sound unpacks to at least about its own size.
_UNPACKED = 1.0

#: Asks the mirror with such headers as `Range`.
Ask = Callable[[Mapping[str, str]], Reply]


@dataclass(frozen=True)
class Wanted:
    """An archive to fetch.

    Attributes:
        name: of the file that it becomes.
        folder: where.
        address: where it comes from, as it may be shown.
        md5: what it must have, in hexadecimal; None where that is not known.
        what: it holds, for messages.
    """

    name: str
    folder: Path
    address: str
    md5: str | None
    what: str

    @property
    def path(self) -> Path:
        """Where the archive is once it is whole."""
        return self.folder / self.name


@dataclass(frozen=True)
class Fetched:
    """An archive on disk.

    Attributes:
        path: the file.
        address: where it came from, as it may be shown.
        md5: of its bytes, in hexadecimal.
        size: in bytes.
    """

    path: Path
    address: str
    md5: str
    size: int


def fetch(
    wanted: Wanted,
    ask: Ask,
    settings: DownloadSettings,
    tries: Tries,
    alone: bool = True,
    progress: Progress = silent,
) -> Fetched:
    """Fetch an archive, going on from what an earlier process left.

    Args:
        wanted: the archive.
        ask: asks the mirror.
        settings: how long an archive may be.
        tries: when to try again.
        alone: whether no other process works on this archive.
        progress: told of megabytes.

    Raises:
        MirrorError: the mirror does not give it, or gives something else.
        DownloadError: the disk is full or cannot be written.
    """
    again = Megabytes(f"Read again what is there of {wanted.what}", progress)
    with Partial.found_or_new(
        wanted.folder, wanted.name, wanted.address, alone, again.tell
    ) as partial:
        again.end()
        if partial.size:
            logger.info("%s: going on after %s.", wanted.what, gigabytes(partial.size))
        while True:
            try:
                _one_try(wanted, ask, settings, partial, progress)
                return _finished(wanted, partial)
            except MirrorError as trouble:
                tries.after(trouble, partial.size)


def kept(wanted: Wanted, progress: Progress = silent) -> Fetched | None:
    """The archive where an earlier process left it whole; None where it did not."""
    try:
        record = json.loads(_record(wanted.path).read_text(encoding="utf-8"))
        size = wanted.path.stat().st_size
        if wanted.md5 is None and record["address"] != wanted.address:
            return None
        tell = Megabytes(f"Read again {wanted.what}", progress, size)
        found = Fetched(wanted.path, record["address"], md5_of(wanted.path, tell.tell), size)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = found.md5 == record.get("md5") and wanted.md5 in {None, found.md5}
    return found if whole else None


def leftovers(folder: Path, name: str) -> list[Path]:
    """An archive, and all that is left of its way here."""
    whole = (folder / name, _record(folder / name))
    return [*(path for path in whole if path.exists()), *partials(folder, name)]


def discard(folder: Path, name: str, alone: bool = True) -> None:
    """Remove an archive and all that is left of its way here.

    Args:
        folder: where it is.
        name: the archive's.
        alone: whether its partial files cannot be another process' own.
    """
    others = [] if alone else partials(folder, name)
    for path in leftovers(folder, name):
        if path not in others:
            path.unlink(missing_ok=True)


def _one_try(
    wanted: Wanted, ask: Ask, settings: DownloadSettings, partial: Partial, progress: Progress
) -> None:
    """Bring `partial` to its end with one answer.

    Raises:
        MirrorError: that did not work.
    """
    if partial.size and partial.size == partial.about.total:
        return
    if partial.size and not can_go_on(partial.about, wanted.md5):
        partial.forget()
    reply = ask(asking(partial))
    try:
        if _adjusted(reply, partial, wanted):
            return
        limit = _limit(partial.about, settings)
        _refuse_endless(partial.about.total or 0, settings, wanted)
        _see_room(partial, wanted)
        _receive(reply, partial, limit, wanted, progress)
    finally:
        reply.close()


def _adjusted(reply: Reply, partial: Partial, wanted: Wanted) -> bool:
    """Bring `partial` in line with how the server answers; whether nothing is left to fetch.

    Raises:
        MirrorError: what came fits nowhere; the next try starts from nothing.
    """
    if reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        total = whole_of(reply)
        if partial.size and total == partial.size:
            partial.learn(total)
            return True
        partial.forget()
        raise MirrorError(failures.DROPPED, wanted.address, "has fewer bytes than it had before")
    if reply.status == HTTPStatus.PARTIAL_CONTENT:
        if not continues(reply, partial):
            partial.forget()
            raise MirrorError(
                failures.DROPPED,
                wanted.address,
                "went on with another part or another file than what is there already",
            )
        partial.joined = True
        total = whole_of(reply)
        if total is not None:
            partial.learn(total)
        return False
    if partial.size:
        logger.info("%s: the server starts from the beginning again.", wanted.what)
    partial.begin(about_whole(reply, wanted.address))
    if not looks_like_archive(reply.peek()):
        raise MirrorError(
            failures.NOT_ARCHIVE,
            wanted.address,
            f"gave what is no archive (it begins with {reply.peek()[:16]!r})",
        )
    return False


def _limit(about: About, settings: DownloadSettings) -> int:
    return about.total or round(settings.max_archive_gb * 1e9)


def _refuse_endless(size: int, settings: DownloadSettings, wanted: Wanted) -> None:
    most = settings.max_archive_gb * 1e9
    if size > most:
        raise MirrorError(
            failures.ENDLESS,
            wanted.address,
            f"would send {gigabytes(size)}, more than download.max_archive_gb allows",
        )


def _see_room(partial: Partial, wanted: Wanted) -> None:
    if partial.about.total is not None:
        rest = partial.about.total - partial.size + round(_UNPACKED * partial.about.total)
        require_space(wanted.folder, rest, f"{wanted.what}, with its archive,")


def _receive(
    reply: Reply, partial: Partial, limit: int, wanted: Wanted, progress: Progress
) -> None:
    """Write what comes.

    Raises:
        MirrorError: it ended too early, or does not end.
    """
    tell = Megabytes(f"Download {wanted.what}", progress, partial.about.total, partial.size)
    while data := reply.read(_CHUNK):
        if partial.size + len(data) > limit:
            came = f"goes on after the {gigabytes(limit)} that it may have"
            partial.forget()
            raise MirrorError(failures.ENDLESS, wanted.address, came)
        partial.append(data)
        tell.tell(partial.size)
    total = partial.about.total
    if total is not None and partial.size < total:
        raise MirrorError(
            failures.DROPPED,
            wanted.address,
            f"ended after {gigabytes(partial.size)} of {gigabytes(total)}",
        )
    tell.end()


def _finished(wanted: Wanted, partial: Partial) -> Fetched:
    """The archive in its place.

    Raises:
        MirrorError: its md5 is wrong. That passes where it was put together from parts or may have
            been cut short, unless the same bytes came before.
    """
    md5, size = partial.md5, partial.size
    if wanted.md5 is not None and md5 != wanted.md5:
        uncertain = partial.joined or partial.about.total is None
        passing = uncertain and md5 not in partial.rejected
        partial.rejected.add(md5)
        partial.forget()
        raise MirrorError(
            failures.CHECKSUM,
            wanted.address,
            f"gave {gigabytes(size)} with the md5 {md5}, but {wanted.md5} is wanted",
            passing=passing,
        )
    fetched = Fetched(wanted.path, wanted.address, md5, size)
    record = {**asdict(fetched), "path": wanted.name, "time": time.time()}
    with writing(wanted.folder):
        # In this order, so that there is never an archive that nothing is known of.
        write_text(_record(wanted.path), json.dumps(record, indent=1))
        partial.finish(wanted.path)
    return fetched


def _record(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.json")
