"""Install splits: unpack into a staging folder, verify, and rename to the final place.

Every step can be interrupted; the next process finishes or undoes it. Locks keep two processes from
working on one archive or moving the same folders.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from uuid import uuid4

from filelock import Timeout

from darksound.atomic import acquire_lock
from darksound.datasets import registry
from darksound.datasets.disk import waiting_lock, write_errors
from darksound.datasets.marker import (
    Marker,
    SplitState,
    complete_marker,
    content_check,
    is_pending,
    read_split_state,
    write_pending_marker,
)
from darksound.datasets.registry import PublishedSplit, archive_folder, archive_name, data_folder
from darksound.datasets.transfer import LocalFile, archive_files, delete_archive
from darksound.datasets.unpack import UnpackedSplit, clips_per_species, is_sound, unpack_splits
from darksound.datasets.verify import Differences, compare, find_unreadable
from darksound.errors import DownloadError
from darksound.progress import Progress
from darksound.settings import ComputeSettings, DownloadSettings

__all__ = ["InstallPlan", "InstalledSplit", "archive_lock", "install", "plan_installation"]

logger = logging.getLogger(__name__)

# Name of a folder while it is replaced, of one that is kept afterwards, and then.
_REPLACED = ".{name}.before-"
_TO_BE_KEPT = _REPLACED + "kept-"
_QUARANTINE = ".{name}.kept-"
# Files that file managers of Windows write, beside hidden ones.
_OF_SYSTEMS = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class InstalledSplit:
    """A split in its final place.

    Attributes:
        split: the split.
        folder: its folder.
        marker: what was verified and recorded.
        fresh: whether it was installed by this call.
        quarantine: where the replaced folder is, if it held files that are in no archive.
    """

    split: PublishedSplit
    folder: Path
    marker: Marker
    fresh: bool
    quarantine: Path | None = None


@dataclass
class InstallPlan:
    """What to do about splits of one set.

    Attributes:
        missing: splits to install.
        replaced: names of those that are damaged, and whether their folder goes into quarantine.
        installed: splits that are complete and unchanged, by name.
        errors: why other splits cannot be installed.
    """

    missing: list[PublishedSplit] = field(default_factory=list)
    replaced: dict[str, bool] = field(default_factory=dict)
    installed: dict[str, InstalledSplit] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def plan_installation(
    splits: Sequence[PublishedSplit], settings: ComputeSettings, progress: Progress
) -> InstallPlan:
    """Verify splits on disk, log which of them are damaged, and return what to install."""
    plan = InstallPlan()
    for split in splits:
        try:
            state, differences = _recover_and_verify(split, settings, progress)
        except DownloadError as error:
            plan.errors.append(str(error))
            continue
        if state.marker is not None and not differences:
            _remove_stale_downloads(split, settings)
            complete = InstalledSplit(split, state.folder, state.marker, fresh=False)
            plan.installed[split.name] = complete
            continue
        plan.missing.append(split)
        if state.exists:
            # Neither a damaged marker nor an extra file can be restored from an archive.
            plan.replaced[split.name] = (
                state.marker is None or bool(differences.extra) or _has_other_files(state)
            )
            lines = differences.lines() or [state.marker_error or ""]
            logger.warning(
                "%s is damaged and will be replaced:\n  %s", split.spec, "\n  ".join(lines)
            )
    return plan


def _has_other_files(state: SplitState) -> bool:
    """Return whether a split holds files that were not installed, but for those of the system."""
    assert state.marker is not None
    files = (path for path in state.folder.rglob("*") if path.is_file())
    return any(
        path.relative_to(state.folder).as_posix() not in state.marker.files
        and not path.name.startswith(".")
        and path.name.lower() not in _OF_SYSTEMS
        for path in files
    )


@contextmanager
def archive_lock(set_name: str, name: str, settings: ComputeSettings) -> Iterator[bool]:
    """Hold the lock of an archive, given by its file name, after waiting for other processes.

    Yields:
        Whether no other process can be working on it; False on a disk without locks.
    """
    path = archive_folder(settings, set_name) / f"{name}.lock"
    with waiting_lock(path, f"working on {name.removesuffix('.archive')}") as exclusive:
        if exclusive:
            _remove_staging_folders(set_name, name, settings)
        yield exclusive


def _remove_stale_downloads(split: PublishedSplit, settings: ComputeSettings) -> None:
    """Remove what a killed process left of the archive of an installed split."""
    set_name, folder = split.set_name, archive_folder(settings, split.set_name)
    siblings = registry.REGISTRY[set_name].splits.values()
    names = [archive_name(set_name, split.name)]
    if all(read_split_state(sibling, settings).exists for sibling in siblings):
        names.append(archive_name(set_name, None))
    for name in names:
        # A set that is complete may be on a read-only disk.
        if not (archive_files(folder, name) or _staging_folders(set_name, name, settings)):
            continue
        try:
            with write_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                lock = acquire_lock(folder / f"{name}.lock")
        except Timeout:
            continue
        try:
            if lock.is_locked:
                delete_archive(folder / name)
                _remove_staging_folders(set_name, name, settings)
        finally:
            lock.release()


def _recover_and_verify(
    split: PublishedSplit, settings: ComputeSettings, progress: Progress
) -> tuple[SplitState, Differences]:
    """Return the state of a split and its changes, after recovery from a killed process.

    Raises:
        DownloadError: the folder was not made by `darksound download`, and is not replaced.
    """
    state = read_split_state(split, settings)
    # Nothing is written without need, since sets may be on a read-only disk.
    if _replaced_folders(state.folder) or is_pending(state.folder):
        with _moving_lock(split.set_name, settings):
            _recover(state.folder)
        state = read_split_state(split, settings)
    if state.marker is not None:
        stage = f"Verify {split.spec} (files)"
        return state, compare(state.folder, state.marker, settings, stage, progress)
    if state.exists and state.marker_error is None:
        raise DownloadError(
            f"{state.folder} exists, but has no marker of darksound download; it is not changed. "
            f"Verify it with `darksound download --verify {split.spec}`, or move it away to "
            f"download the published one."
        )
    return state, Differences()


def install(
    archive: LocalFile,
    splits: Sequence[PublishedSplit],
    replaced: Mapping[str, bool],
    *,
    lock_name: str,
    compute: ComputeSettings,
    limits: DownloadSettings,
    progress: Progress,
) -> list[InstalledSplit]:
    """Unpack an archive and move its splits to their final places.

    Args:
        archive: the archive.
        splits: the wanted splits, of one set.
        replaced: names of splits whose folder is replaced, and whether it goes into quarantine.
        lock_name: file name of the archive whose `archive_lock` this process holds.
        compute: the data folder and the number of threads.
        limits: the limits of unpacking.
        progress: receives numbers of files.

    Returns:
        The splits that the archive holds; at least one.

    Raises:
        ArchiveError: the archive is damaged or hostile, or holds none of the splits.
        DownloadError: the disk is full or not writable.
    """
    set_name = splits[0].set_name
    home = data_folder(compute) / set_name
    staging = home / f"{_staging_prefix(lock_name)}{uuid4().hex[:12]}"
    with write_errors(home):
        staging.mkdir(parents=True)
    try:
        unpacked_splits = unpack_splits(archive, splits, staging, limits, progress)
        markers = [_marker_of(each, archive, compute, progress) for each in unpacked_splits]
        for unpacked, marker in zip(unpacked_splits, markers, strict=True):
            write_pending_marker(unpacked.folder, marker)
        _sync(staging)
        with _moving_lock(set_name, compute):
            return [
                _install_split(unpacked, marker, replaced, compute)
                for unpacked, marker in zip(unpacked_splits, markers, strict=True)
            ]
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _marker_of(
    unpacked: UnpackedSplit, archive: LocalFile, settings: ComputeSettings, progress: Progress
) -> Marker:
    split = unpacked.split
    sounds = [path for path in map(PurePosixPath, unpacked.files) if is_sound(path)]
    species = clips_per_species(sounds)
    stage = f"Read {split.spec} (files)"
    unreadable = find_unreadable(unpacked.folder, sounds, settings, stage, progress)
    return Marker(
        set_name=split.set_name,
        split=split.name,
        source=archive.source,
        archive_md5=archive.checksum,
        archive_bytes=archive.path.stat().st_size,
        check=unpacked.check or content_check(split, species, len(unreadable), unpacked.note),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("darksound"),
        species=species,
        files=unpacked.files,
        unreadable=unreadable,
    )


def _install_split(
    unpacked: UnpackedSplit, marker: Marker, replaced: Mapping[str, bool], settings: ComputeSettings
) -> InstalledSplit:
    split = unpacked.split
    state = read_split_state(split, settings)
    if state.marker is not None and split.name not in replaced:
        # Another process was faster.
        return InstalledSplit(split, state.folder, state.marker, fresh=False)
    # A folder that appeared meanwhile holds files of the user.
    keep_old = replaced.get(split.name, True)
    quarantine = _move_into_place(unpacked.folder, state.folder, keep_old)
    level = logging.WARNING if marker.check.kind == "none" else logging.INFO
    logger.log(level, "%s is in %s: %s.", split.spec, state.folder, marker.check.result)
    if quarantine is not None:
        logger.warning("The previous content of %s is in %s.", state.folder, quarantine)
    return InstalledSplit(split, state.folder, marker, fresh=True, quarantine=quarantine)


def _move_into_place(new: Path, final: Path, keep_old: bool) -> Path | None:
    """Rename a folder to its final place and complete its marker.

    An existing folder is first renamed, and back if anything fails; `_recover` finds it after the
    death of the process. With `keep_old` it is kept in quarantine; the result is its new path.
    """
    stamp = f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    prefix = (_TO_BE_KEPT if keep_old else _REPLACED).format(name=final.name)
    replaced = final.with_name(prefix + stamp)
    with write_errors(final.parent):
        with suppress(OSError):  # It does not exist, or is not empty.
            final.rmdir()
        existed = final.exists()
        if existed:
            os.rename(final, replaced)
        try:
            os.rename(new, final)
        except OSError:
            if existed:
                os.rename(replaced, final)
            raise
        complete_marker(final)
        return _put_away(replaced, final) if existed else None


def _put_away(replaced: Path, final: Path) -> Path | None:
    """Move a replaced folder into quarantine and return its path, or remove it: see its name."""
    prefix = _TO_BE_KEPT.format(name=final.name)
    if not replaced.name.startswith(prefix):
        shutil.rmtree(replaced, ignore_errors=True)
        return None
    stamp = replaced.name.removeprefix(prefix)
    quarantine = final.with_name(_QUARANTINE.format(name=final.name) + stamp)
    os.rename(replaced, quarantine)
    return quarantine


def _recover(final: Path) -> None:
    """Finish or undo a replacement of a folder that a killed process began."""
    replaced = _replaced_folders(final)
    with write_errors(final.parent):
        if replaced and not final.exists():
            os.rename(replaced.pop(), final)
        if is_pending(final):
            complete_marker(final)
        for folder in replaced:
            quarantine = _put_away(folder, final)
            if quarantine is not None:
                logger.warning("The previous content of %s is in %s.", final, quarantine)


def _replaced_folders(final: Path) -> list[Path]:
    return sorted(final.parent.glob(_REPLACED.format(name=final.name) + "*"))


def _sync(folder: Path) -> None:
    """Write all files of a folder from memory to the disk."""
    if hasattr(os, "sync"):
        os.sync()
        return
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _moving_lock(set_name: str, settings: ComputeSettings) -> AbstractContextManager[bool]:
    path = archive_folder(settings, set_name) / "moving.lock"
    return waiting_lock(path, f"moving splits of {set_name}")


def _staging_prefix(name: str) -> str:
    return f".unpacking-{name}-"


def _staging_folders(set_name: str, name: str, settings: ComputeSettings) -> list[Path]:
    return list((data_folder(settings) / set_name).glob(f"{_staging_prefix(name)}*"))


def _remove_staging_folders(set_name: str, name: str, settings: ComputeSettings) -> None:
    for folder in _staging_folders(set_name, name, settings):
        shutil.rmtree(folder, ignore_errors=True)
