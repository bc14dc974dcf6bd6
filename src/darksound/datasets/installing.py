"""From an archive on disk to splits in their place, one process at a time."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from darksound.datasets import registry
from darksound.datasets.locks import lock_if_free, waiting_lock
from darksound.datasets.marker import Marker
from darksound.datasets.place import heal, is_hurt, move_in
from darksound.datasets.registry import PublishedSplit
from darksound.datasets.space import writing
from darksound.datasets.staging import Origin, Staged, stage
from darksound.datasets.states import State, archive_name, downloads, look
from darksound.datasets.transfer import discard, leftovers
from darksound.datasets.verify import Differences, compare
from darksound.errors import DownloadError
from darksound.progress import Progress
from darksound.settings import Settings

__all__ = ["Receipt", "Standing", "install", "stand", "sweep", "turn"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Receipt:
    """A split that is in its place.

    Attributes:
        split: which.
        folder: where it is.
        marker: what vouches for it, and what is in it.
        fresh: whether it was put there just now.
        kept: where what was there before was moved to, as it held files of somebody's own; None
            where nothing was.
    """

    split: PublishedSplit
    folder: Path
    marker: Marker
    fresh: bool
    kept: Path | None = None


@dataclass(frozen=True)
class Standing:
    """How a split on disk stands, its files having been read.

    Attributes:
        state: what is there.
        differences: what changed since it was put there.
    """

    state: State
    differences: Differences

    @property
    def receipt(self) -> Receipt | None:
        """For a split that is whole and unchanged; None for any other."""
        if self.state.marker is None or self.differences:
            return None
        return Receipt(self.state.split, self.state.folder, self.state.marker, fresh=False)

    @property
    def precious(self) -> bool:
        """Whether its folder holds files that no archive brings back."""
        return self.state.damage is not None or bool(self.differences.extra)


@contextmanager
def turn(set_name: str, name: str, settings: Settings) -> Iterator[bool]:
    """Wait until no other process works on this archive of a set, and keep others waiting.

    Args:
        set_name: the set.
        name: the archive's.
        settings: where sets are.

    Yields:
        Whether no other process can be at it.
    """
    lock = downloads(settings, set_name) / f"{name}.lock"
    with waiting_lock(lock, f"at work on {name.removesuffix('.archive')}") as alone:
        if alone:
            for left in _scratches(set_name, name, settings):
                shutil.rmtree(left, ignore_errors=True)
        yield alone


def sweep(split: PublishedSplit, settings: Settings) -> None:
    """Remove what a killed process left of the archive of a split that is in its place.

    Raises:
        DownloadError: the disk does not let it.
    """
    set_name, folder = split.set_name, downloads(settings, split.set_name)
    siblings = registry.REGISTRY[set_name].splits.values()
    names = [archive_name(set_name, split.name)]
    if all(look(each, settings).there for each in siblings):
        names.append(archive_name(set_name, None))
    for name in names:
        scratches = _scratches(set_name, name, settings)
        if not scratches and not leftovers(folder, name):
            continue
        with lock_if_free(folder / f"{name}.lock") as free:
            # Where it is not, it is no leftover: another process is at it.
            if free:
                discard(folder, name)
                for scratch in scratches:
                    shutil.rmtree(scratch, ignore_errors=True)


def stand(split: PublishedSplit, settings: Settings, progress: Progress) -> Standing:
    """How a split stands; what a killed process left half-done is finished or undone first.

    Raises:
        DownloadError: somebody put it there by hand, and it is not ours to replace.
    """
    state = look(split, settings)
    # Nothing is written where there is nothing to mend: sets may lie on a disk to be read only.
    if is_hurt(state.folder):
        with _moving(split.set_name, settings):
            heal(state.folder)
        state = look(split, settings)
    if state.by_hand:
        raise DownloadError(
            f"{state.folder} is there, but darksound download did not put it there and nothing "
            f"vouches for it; it is left as it is. `darksound download --verify {split.spec}` "
            f"looks at it; move it away to have the published one fetched."
        )
    if state.marker is None:
        return Standing(state, Differences())
    stage_name = f"Verify {split.spec} (files)"
    return Standing(state, compare(state.folder, state.marker, settings, stage_name, progress))


def install(
    origin: Origin,
    name: str,
    splits: Sequence[PublishedSplit],
    broken: Mapping[str, bool],
    settings: Settings,
    progress: Progress,
) -> list[Receipt]:
    """Unpack an archive and move its splits to their places.

    Args:
        origin: the archive.
        name: of the archive, which this process has its `turn` on.
        splits: those that are wanted of it, of one set.
        broken: names of splits whose folder is to be replaced, and whether that one is kept.
        settings: limits, workers and where sets are.
        progress: told of files.

    Returns:
        One receipt for each split that the archive holds.

    Raises:
        ArchiveError: it is damaged, hostile, or holds none of them.
        DownloadError: the disk is full or cannot be written.
    """
    set_name = splits[0].set_name
    scratch = _home(set_name, settings) / f"{_scratch_name(name)}{uuid4().hex[:12]}"
    with writing(scratch.parent):
        scratch.mkdir(parents=True)
    try:
        staged = stage(origin, splits, scratch, settings, progress)
        with _moving(set_name, settings):
            return [_moved(each, broken, settings) for each in staged]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _moved(staged: Staged, broken: Mapping[str, bool], settings: Settings) -> Receipt:
    split = staged.split
    state = look(split, settings)
    if state.marker is not None and split.name not in broken:
        # Another process was faster.
        return Receipt(split, state.folder, state.marker, fresh=False)
    # What appeared there meanwhile is somebody's own.
    kept = move_in(staged.folder, state.folder, keep_old=broken.get(split.name, True))
    marker = staged.marker
    level = logging.WARNING if marker.check.kind == "none" else logging.INFO
    logger.log(level, "%s is in %s: %s.", split.spec, state.folder, marker.check.said)
    if kept is not None:
        logger.warning("What was in %s before is in %s.", state.folder, kept)
    return Receipt(split, state.folder, marker, fresh=True, kept=kept)


@contextmanager
def _moving(set_name: str, settings: Settings) -> Iterator[None]:
    lock = downloads(settings, set_name) / "moving.lock"
    with waiting_lock(lock, f"moving splits of {set_name}"):
        yield


def _home(set_name: str, settings: Settings) -> Path:
    return downloads(settings, set_name).parent


def _scratches(set_name: str, archive: str, settings: Settings) -> list[Path]:
    return list(_home(set_name, settings).glob(f"{_scratch_name(archive)}*"))


def _scratch_name(archive: str) -> str:
    return f".unpacking-{archive}-"
