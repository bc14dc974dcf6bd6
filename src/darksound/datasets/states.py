"""What is on disk of each split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from darksound.datasets import registry
from darksound.datasets.marker import Marker, read_marker
from darksound.datasets.partial import arrived
from darksound.datasets.registry import PublishedSplit, data_folder, splits_of
from darksound.errors import DownloadError, InputError
from darksound.settings import Settings

__all__ = ["State", "archive_name", "downloads", "look", "look_at_all", "named_splits"]


@dataclass(frozen=True)
class State:
    """What is on disk of one split.

    Attributes:
        split: which.
        folder: where it is, or would be.
        there: whether there is such a folder with anything in it.
        marker: what vouches for it; None where nothing does.
        damage: why its marker cannot be read; None where it can, or there is none.
        arrived: bytes of its archive that were fetched by a process that did not end well.
    """

    split: PublishedSplit
    folder: Path
    there: bool
    marker: Marker | None = None
    damage: str | None = None
    arrived: int = 0

    @property
    def by_hand(self) -> bool:
        """Whether somebody else than `darksound download` put it there."""
        return self.there and self.marker is None and self.damage is None


def downloads(settings: Settings, set_name: str) -> Path:
    """The folder for archives of a set on their way; hidden from whoever reads the set."""
    return data_folder(settings.compute) / set_name / ".download"


def archive_name(set_name: str, split: str | None) -> str:
    """The name of the archive of a split, or of a whole set."""
    return f"{set_name}.archive" if split is None else f"{set_name}-{split}.archive"


def look(split: PublishedSplit, settings: Settings) -> State:
    """What is on disk of a split, by its marker alone."""
    folder = data_folder(settings.compute) / split.set_name / split.name
    there = folder.is_dir() and any(folder.iterdir())
    if not there:
        below = downloads(settings, split.set_name)
        names = (archive_name(split.set_name, None), archive_name(split.set_name, split.name))
        return State(split, folder, False, arrived=max(arrived(below, n) for n in names))
    try:
        return State(split, folder, True, marker=read_marker(folder))
    except DownloadError as error:
        return State(split, folder, True, damage=str(error))


def look_at_all(settings: Settings) -> list[State]:
    """What is on disk of every split, in the order of the registry; touches no network."""
    return [look(split, settings) for split in splits_of(registry.REGISTRY)]


def named_splits(spec: str) -> list[PublishedSplit]:
    """The splits that `SET` or `SET:SPLIT` names.

    Raises:
        InputError: there is no such set or split; it says which there are.
    """
    known: Mapping[str, registry.PublishedSet] = registry.REGISTRY
    name, colon, split = spec.partition(":")
    if name in known and not colon:
        return list(known[name].splits.values())
    if name in known and split in known[name].splits:
        return [known[name].splits[split]]
    listed = ", ".join(each.spec for each in splits_of(known))
    raise InputError(f"There is no published set {spec!r}; there are {listed}.")
