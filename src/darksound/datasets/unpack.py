"""Find the splits in an archive, whatever its folder structure, and unpack them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from darksound.audio.files import SUFFIXES
from darksound.datasets.archives import (
    DAMAGE_ERRORS,
    ArchiveError,
    Entry,
    UnpackLimits,
    accept_members,
    error_text,
    is_hidden,
    open_archive,
)
from darksound.datasets.disk import Digest, check_free_space, new_clip_hash, new_md5, write_errors
from darksound.datasets.marker import Check, FileRecord, archive_check
from darksound.datasets.registry import PublishedSplit
from darksound.datasets.transfer import LocalFile
from darksound.progress import Progress
from darksound.settings import DownloadSettings

__all__ = [
    "UnpackedSplit",
    "clips_per_species",
    "extract",
    "find_single_split",
    "find_split_folders",
    "is_inner_archive",
    "is_sound",
    "split_of_inner_archive",
    "unpack_splits",
]

_BLOCK = 1 << 18
_SHOWN = 5
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
#: Names of the folder or the inner archive of each split, in lower case.
_SPLIT_NAMES: Mapping[str, frozenset[str]] = {
    "train": frozenset({"train", "training"}),
    "val": frozenset({"val", "valid", "validation"}),
    "test": frozenset({"test", "testing"}),
}


@dataclass(frozen=True)
class UnpackedSplit:
    """A split in a staging folder.

    Attributes:
        split: the split.
        folder: its folder.
        files: size and hash of every file, by path in the folder.
        check: the check of its archive; None where there is no md5 to compare to.
        note: what else is known about its archive.
    """

    split: PublishedSplit
    folder: Path
    files: dict[str, FileRecord]
    check: Check | None
    note: str = ""


def unpack_splits(
    archive: LocalFile,
    splits: Sequence[PublishedSplit],
    staging: Path,
    settings: DownloadSettings,
    progress: Progress,
) -> list[UnpackedSplit]:
    """Unpack the splits that an archive holds.

    Args:
        archive: the archive.
        splits: the wanted splits: one, or several of a whole set.
        staging: an empty folder on the disk of the sets.
        settings: the limits.
        progress: receives numbers of files.

    Returns:
        At least one split, in the order of `splits`.

    Raises:
        ArchiveError: the archive is damaged or hostile, or holds none of the splits.
        DownloadError: the disk is full or not writable.
    """
    unpacker = _Unpacker(staging, UnpackLimits(settings, archive.path.stat().st_size), progress)
    if archive.whole_set:
        return unpacker.whole_set(archive.path, splits)
    check = None if archive.check is None else archive_check(archive.check)
    return [unpacker.single_split(archive.path, splits[0], check)]


class _Unpacker:
    def __init__(self, staging: Path, limits: UnpackLimits, progress: Progress) -> None:
        self._staging = staging
        self._limits = limits
        self._progress = progress
        self._n_unpacked = 0

    def single_split(
        self, path: Path, split: PublishedSplit, check: Check | None, note: str = ""
    ) -> UnpackedSplit:
        """Unpack the one split that an archive holds."""
        with open_archive(path) as members:
            entries = accept_members(members, self._limits)
            self._check_space(entries, path)
            sounds = [entry.path for entry in entries if is_sound(entry.path)]
            base = find_single_split(sounds, split.name, split.levels)
            return UnpackedSplit(split, *self._extract(entries, base, split), check, note)

    def whole_set(self, path: Path, splits: Sequence[PublishedSplit]) -> list[UnpackedSplit]:
        """Unpack all splits that an archive holds, as inner archives or as folders."""
        with open_archive(path) as members:
            entries = accept_members(members, self._limits)
            self._check_space(entries, path)
            unpacked = self._inner_archives(entries, splits)
            sounds = [entry.path for entry in entries if is_sound(entry.path)]
            others = {split.name: split for split in splits if split.name not in unpacked}
            for name, base in find_split_folders(sounds, list(others)).items():
                split = others[name]
                parts = self._extract(entries, base, split)
                unpacked[name] = UnpackedSplit(split, *parts, check=None)
        if not unpacked:
            tops = sorted({entry.path.parts[0] for entry in entries})
            raise ArchiveError(
                f"No split of {splits[0].set_name} is in the archive; it holds "
                f"{', '.join(tops[:8]) or 'nothing'}."
            )
        return [unpacked[split.name] for split in splits if split.name in unpacked]

    def _inner_archives(
        self, entries: Sequence[Entry], splits: Sequence[PublishedSplit]
    ) -> dict[str, UnpackedSplit]:
        """Unpack splits that are archives in the archive, by their md5 or else by their names."""
        by_md5 = {split.md5: split for split in splits}
        by_name = {split.name: split for split in splits}
        unpacked: dict[str, UnpackedSplit] = {}
        for number, entry in enumerate(e for e in entries if is_inner_archive(e.path)):
            path = self._staging / f"inner-{number}"
            md5 = _write(entry, path, new_md5()).digest
            named = split_of_inner_archive(entry.path, list(by_name))
            split = by_md5.get(md5) or by_name.get(named or "")
            if split is not None:
                published = md5 == split.md5
                earlier = unpacked.get(split.name)
                # An archive with the published md5 replaces one that only has the name.
                if earlier is None or (earlier.check is None and published):
                    name = entry.path.name
                    check = archive_check("inner", name) if published else None
                    note = f"the md5 of its inner archive {name} is not the published one"
                    unpacked[split.name] = self.single_split(
                        path, split, check, "" if published else note
                    )
            path.unlink()
        return unpacked

    def _extract(
        self, entries: Sequence[Entry], base: PurePosixPath, split: PublishedSplit
    ) -> tuple[Path, dict[str, FileRecord]]:
        self._n_unpacked += 1
        folder = self._staging / f"{split.name}-{self._n_unpacked}"
        stage = f"Unpack {split.spec} (files)"
        return folder, extract(entries, base, folder, stage, self._progress)

    def _check_space(self, entries: Sequence[Entry], path: Path) -> None:
        required = sum(entry.member.size for entry in entries)
        check_free_space(self._staging, required, f"The content of {path.name}")


def extract(
    entries: Sequence[Entry],
    base: PurePosixPath,
    target: Path,
    stage: str,
    progress: Progress,
) -> dict[str, FileRecord]:
    """Write all files below a folder of an archive, except hidden ones.

    Args:
        entries: files of the archive.
        base: the folder in the archive.
        target: a new folder for its content.
        stage: name of the stage for `progress`.
        progress: receives numbers of files.

    Returns:
        Size and hash of every file, by path below `target`.

    Raises:
        ArchiveError: a file is damaged, or longer or shorter than its header states.
        DownloadError: the disk is full or not writable.
    """
    selected = [
        (entry, _relative(entry.path, base))
        for entry in entries
        if _is_below(entry.path, base) and not is_hidden(entry.path)
    ]
    records = {}
    for done, (entry, path) in enumerate(selected):
        progress(stage, done, len(selected))
        records[path.as_posix()] = _write(entry, target / path, new_clip_hash())
    progress(stage, len(selected), len(selected))
    return records


def _write(entry: Entry, target: Path, digest: Digest) -> FileRecord:
    size, expected = 0, entry.member.size
    with write_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    with file:
        try:
            with entry.member.open() as source:
                while block := source.read(_BLOCK):
                    size += len(block)
                    if size > expected:
                        raise _damaged(entry, f"is longer than the {expected} bytes in its header")
                    digest.update(block)
                    with write_errors(target.parent):
                        file.write(block)
        except (*DAMAGE_ERRORS, OSError) as error:
            raise _damaged(entry, f"cannot be read ({error_text(error)})") from None
        with write_errors(target.parent):
            file.flush()
    if size != expected:
        raise _damaged(entry, f"ends after {size} of {expected} bytes")
    return FileRecord(size, digest.hexdigest())


def _damaged(entry: Entry, event: str) -> ArchiveError:
    return ArchiveError(
        f"The archive is damaged: its member {str(entry.path)!r} {event}. Download it again."
    )


def is_sound(path: PurePosixPath) -> bool:
    """Return whether a file of an archive is a sound file, by its suffix."""
    return path.suffix.lower() in SUFFIXES and not is_hidden(path)


def is_inner_archive(path: PurePosixPath) -> bool:
    """Return whether a file of an archive is an archive itself, by its suffix."""
    return path.name.lower().endswith(_ARCHIVE_SUFFIXES) and not is_hidden(path)


def split_of_inner_archive(path: PurePosixPath, splits: Sequence[str]) -> str | None:
    """Return the split in the name of an inner archive, such as `darksound_test.zip`."""
    words = set(re.split(r"[^a-z]+", path.name.lower()))
    named = [split for split in splits if words & _SPLIT_NAMES[split]]
    return named[0] if len(named) == 1 else None


def find_split_folders(
    sounds: Sequence[PurePosixPath], splits: Sequence[str]
) -> dict[str, PurePosixPath]:
    """Return the folder of each split that has one, at any depth in an archive.

    Raises:
        ArchiveError: a split has several such folders.
    """
    folders = {split: _folder_of(sounds, split) for split in splits}
    return {split: folder for split, folder in folders.items() if folder is not None}


def find_single_split(
    sounds: Sequence[PurePosixPath], split: str, levels: Sequence[str]
) -> PurePosixPath:
    """Return the folder of the one split that an archive holds.

    Args:
        sounds: sound files of the archive.
        split: name of the split.
        levels: published folder levels between the split's folder and a clip.

    Raises:
        ArchiveError: there are no sound files, or the archive holds another split.
    """
    if not sounds:
        raise ArchiveError(f"The archive holds no sound files; {split} cannot be in it.")
    folder = _folder_of(sounds, split)
    if folder is not None:
        return folder
    others = find_split_folders(sounds, [name for name in _SPLIT_NAMES if name != split])
    if others:
        raise ArchiveError(
            f"The archive holds {', '.join(others)}, but no folder {split!r}; give the right split "
            f"with --as."
        )
    return _without_wrappers(sounds, len(levels))


def clips_per_species(sounds: Sequence[PurePosixPath]) -> dict[str, int]:
    """Return the number of clips of each species, which is the folder of a clip.

    Args:
        sounds: paths in the split's folder.

    Raises:
        ArchiveError: a clip is not in a folder.
    """
    loose = [path.name for path in sounds if len(path.parts) < 2]
    if loose:
        raise ArchiveError(
            f"{len(loose)} sound files are not in the folder of a species, such as {loose[0]!r}; "
            f"published sets have one folder per species."
        )
    return dict(sorted(Counter(path.parent.name for path in sounds).items()))


def _folder_of(sounds: Sequence[PurePosixPath], split: str) -> PurePosixPath | None:
    """Return the outermost folder named after a split; the innermost of nested ones."""
    names = _SPLIT_NAMES[split]
    candidates = {
        PurePosixPath(*path.parts[: depth + 1])
        for path in sounds
        for depth, part in enumerate(path.parts[:-1])
        if part.lower() in names
    }
    if not candidates:
        return None
    depth = min(len(folder.parts) for folder in candidates)
    outermost = sorted(folder for folder in candidates if len(folder.parts) == depth)
    if len(outermost) > 1:
        raise ArchiveError(
            f"The archive has several folders that may be {split}: "
            f"{', '.join(map(str, outermost[:_SHOWN]))}; unpack the right one by hand."
        )
    folder = outermost[0]
    while True:
        children = {_relative(path, folder).parts[0] for path in sounds if _is_below(path, folder)}
        only = next(iter(children)) if len(children) == 1 else ""
        if only.lower() not in names:
            return folder
        folder /= only


def _without_wrappers(sounds: Sequence[PurePosixPath], depth: int) -> PurePosixPath:
    """Return the folder with clips at most `depth` folders deep, if only one folder leads to it."""
    folder = PurePosixPath()
    while max(len(_relative(path, folder).parts) for path in sounds) - 1 > depth:
        children = {_relative(path, folder).parts[0] for path in sounds}
        if len(children) > 1:
            break
        folder /= next(iter(children))
    return folder


def _is_below(path: PurePosixPath, folder: PurePosixPath) -> bool:
    return path.parts[: len(folder.parts)] == folder.parts


def _relative(path: PurePosixPath, folder: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*path.parts[len(folder.parts) :])
