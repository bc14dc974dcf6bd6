"""From an archive to whole splits in a folder of ours, looked at before they go anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from darksound.datasets.archives import ArchiveError, opened
from darksound.datasets.checks import archive_check, content_check
from darksound.datasets.guards import Budget, Entry, admitted
from darksound.datasets.layouts import (
    find_split,
    find_splits,
    inner_split,
    is_inner,
    is_sound,
    species_of,
)
from darksound.datasets.marker import Check, Marker, write_pending
from darksound.datasets.place import settle_on_disk
from darksound.datasets.registry import PublishedSplit
from darksound.datasets.space import require_space
from darksound.datasets.unpack import FileRecord, spill, unpack
from darksound.datasets.verify import unreadable_below
from darksound.progress import Progress
from darksound.settings import Settings

__all__ = ["Origin", "Staged", "stage"]


@dataclass(frozen=True)
class Origin:
    """An archive on disk.

    Attributes:
        path: the file.
        source: where it came from, as it may be shown.
        md5: its own, in hexadecimal.
        vouched: `md5` or `given` where that is as it should be; None where nobody can tell.
        whole: whether it holds a set of splits in a layout that nobody promised.
    """

    path: Path
    source: str
    md5: str
    vouched: str | None
    whole: bool


@dataclass(frozen=True)
class Staged:
    """A split that is ready to be moved in.

    Attributes:
        split: which.
        folder: where it lies, its marker pending.
        marker: what vouches for it.
    """

    split: PublishedSplit
    folder: Path
    marker: Marker


@dataclass(frozen=True)
class _Unpacked:
    split: PublishedSplit
    folder: Path
    records: dict[str, FileRecord]
    check: Check | None
    note: str = ""


def stage(
    origin: Origin,
    splits: Sequence[PublishedSplit],
    scratch: Path,
    settings: Settings,
    progress: Progress,
) -> list[Staged]:
    """Unpack the splits that an archive holds, and look at every sound file.

    Args:
        origin: the archive.
        splits: those that are wanted of it: one, or any of a whole set.
        scratch: an empty folder of ours on the disk of the sets.
        settings: limits and workers.
        progress: told of files.

    Returns:
        Those that it holds, in the order of `splits`; at least one.

    Raises:
        ArchiveError: it is damaged, hostile, or holds none of them.
        DownloadError: the disk is full or cannot be written.
    """
    unpacker = _Unpacker(origin, scratch, settings, progress)
    found = unpacker.whole(splits) if origin.whole else [unpacker.single(splits[0])]
    staged = [_looked_at(each, origin, settings, progress) for each in found]
    settle_on_disk(scratch)
    return staged


class _Unpacker:
    def __init__(
        self, origin: Origin, scratch: Path, settings: Settings, progress: Progress
    ) -> None:
        self._origin = origin
        self._scratch = scratch
        self._settings = settings
        self._progress = progress
        self._budget = Budget(settings.download, origin.path.stat().st_size)
        self._unpacked = 0

    def single(self, split: PublishedSplit) -> _Unpacked:
        """The one split that the archive holds."""
        kind = self._origin.vouched
        return self._only(self._origin.path, split, None if kind is None else archive_check(kind))

    def whole(self, splits: Sequence[PublishedSplit]) -> list[_Unpacked]:
        """All splits that the archive holds, as inner archives or as folders."""
        with opened(self._origin.path) as archive:
            entries = admitted(archive.members(), self._budget)
            self._see_room(entries)
            found = self._inner(entries, splits)
            sounds = [entry.path for entry in entries if is_sound(entry.path)]
            rest = [split for split in splits if split.name not in found]
            folders = find_splits(sounds, [split.name for split in rest])
            for split in rest:
                if split.name in folders:
                    found[split.name] = self._folder(entries, folders[split.name], split)
        if not found:
            tops = sorted({entry.path.parts[0] for entry in entries})
            raise ArchiveError(
                f"No split of {splits[0].set_name} is in the archive; it holds "
                f"{', '.join(tops[:8]) or 'nothing'}."
            )
        return [found[split.name] for split in splits if split.name in found]

    def _inner(
        self, entries: Sequence[Entry], splits: Sequence[PublishedSplit]
    ) -> dict[str, _Unpacked]:
        """Splits that lie in the archive as archives of their own."""
        by_md5 = {split.md5: split for split in splits}
        by_name = {split.name: split for split in splits}
        found: dict[str, _Unpacked] = {}
        for number, entry in enumerate(e for e in entries if is_inner(e.path)):
            path = self._scratch / f"inner-{number}"
            md5 = spill(entry, path)
            split = by_md5.get(md5) or by_name.get(inner_split(entry.path, list(by_name)) or "")
            before = None if split is None else found.get(split.name)
            # One that the md5 vouches for takes the place of one that is only called so.
            if split is not None and (
                before is None or (before.check is None and md5 == split.md5)
            ):
                check = archive_check("inner", entry.path.name) if md5 == split.md5 else None
                note = f"the md5 of its inner archive {entry.path.name} is not the published one"
                found[split.name] = self._only(path, split, check, "" if check else note)
            path.unlink()
        return found

    def _only(
        self, path: Path, split: PublishedSplit, check: Check | None, note: str = ""
    ) -> _Unpacked:
        with opened(path) as archive:
            entries = admitted(archive.members(), self._budget)
            self._see_room(entries)
            sounds = [entry.path for entry in entries if is_sound(entry.path)]
            base = find_split(sounds, split.name, split.layout)
            return self._folder(entries, base, split, check, note)

    def _folder(
        self,
        entries: Sequence[Entry],
        base: PurePosixPath,
        split: PublishedSplit,
        check: Check | None = None,
        note: str = "",
    ) -> _Unpacked:
        self._unpacked += 1
        folder = self._scratch / f"{split.name}-{self._unpacked}"
        records = unpack(entries, base, folder, f"Unpack {split.spec} (files)", self._progress)
        return _Unpacked(split, folder, records, check, note)

    def _see_room(self, entries: Sequence[Entry]) -> None:
        need = sum(entry.member.size for entry in entries)
        require_space(self._scratch, need, f"What is in {self._origin.path.name}")


def _looked_at(
    unpacked: _Unpacked, origin: Origin, settings: Settings, progress: Progress
) -> Staged:
    split = unpacked.split
    sounds = [path for path in map(PurePosixPath, unpacked.records) if is_sound(path)]
    species = species_of(sounds)
    unreadable = unreadable_below(
        unpacked.folder, sounds, settings, f"Look at {split.spec} (files)", progress
    )
    check = unpacked.check or content_check(split, species, len(unreadable), unpacked.note)
    marker = Marker(
        set_name=split.set_name,
        split=split.name,
        source=origin.source,
        archive_md5=origin.md5,
        archive_bytes=origin.path.stat().st_size,
        check=check,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("darksound"),
        species=species,
        files=unpacked.records,
        unreadable=unreadable,
    )
    write_pending(unpacked.folder, marker)
    return Staged(split, unpacked.folder, marker)
