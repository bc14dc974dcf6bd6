"""Published sets by name: each split from the first mirror that gives it."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from darksound.datasets import registry
from darksound.datasets.addresses import shown
from darksound.datasets.archives import ArchiveError
from darksound.datasets.client import Client
from darksound.datasets.failures import MirrorError
from darksound.datasets.installing import Receipt, install, stand, sweep, turn
from darksound.datasets.mirrors import ask, chosen_mirror
from darksound.datasets.registry import Mirror, PublishedSplit
from darksound.datasets.staging import Origin
from darksound.datasets.states import archive_name, downloads, look
from darksound.datasets.transfer import Wanted, discard, fetch, kept
from darksound.datasets.waits import Tries
from darksound.errors import DownloadError
from darksound.progress import Progress
from darksound.settings import Settings
from darksound.settings.compute import Credentials

__all__ = ["Needs", "Work", "ensure", "needs", "unwrapping"]

logger = logging.getLogger(__name__)


@dataclass
class Needs:
    """What is to be done about splits of one set.

    Attributes:
        splits: those that are to be fetched.
        broken: of these, the names of those that are there but damaged, and whether what is there
            is kept.
        receipts: by name, of those that are whole.
        faults: why others cannot be had.
    """

    splits: list[PublishedSplit] = field(default_factory=list)
    broken: dict[str, bool] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class Work:
    """What fetching needs, for as long as one call of `download` lasts.

    Args:
        settings: limits, workers, waits and where sets are.
        credentials: by kind of mirror.
        progress: told of megabytes and files.
    """

    def __init__(self, settings: Settings, credentials: Credentials, progress: Progress) -> None:
        self.settings = settings
        self.credentials = credentials
        self.progress = progress
        self.client = Client(settings.download)

    def get(self, wanted: Wanted, mirror: Mirror, alone: bool) -> Origin:
        """The archive of a mirror, on disk.

        Raises:
            MirrorError: the mirror does not give it.
            DownloadError: the disk is full or cannot be written.
        """
        there = kept(wanted, self.progress) if alone else None
        fetched = there or fetch(
            wanted,
            lambda headers: ask(self.client, mirror, headers, self.credentials),
            self.settings.download,
            Tries(self.settings.download),
            alone,
            self.progress,
        )
        vouched = None if wanted.md5 is None else "md5"
        return Origin(fetched.path, fetched.address, fetched.md5, vouched, mirror.whole)


def ensure(splits: Sequence[PublishedSplit], work: Work) -> list[Receipt]:
    """See that splits of one set are on disk, whole and unchanged.

    Returns:
        Their receipts, and those of other splits that an archive brought along.

    Raises:
        DownloadError: some cannot be had; for each, what every mirror gave, and what to do.
    """
    need = needs(splits, work)
    receipts, faults = dict(need.receipts), list(need.faults)
    for split in need.splits:
        if split.name in receipts:
            continue
        try:
            for receipt in _fetched(split, need, work):
                receipts[receipt.split.name] = receipt
        except DownloadError as error:
            faults.append(str(error))
    if faults:
        raise DownloadError("\n".join(faults))
    return list(receipts.values())


def needs(splits: Sequence[PublishedSplit], work: Work) -> Needs:
    """What is to be done about splits of one set; what was damaged is told of."""
    need = Needs()
    for split in splits:
        try:
            standing = stand(split, work.settings, work.progress)
        except DownloadError as error:
            need.faults.append(str(error))
            continue
        if standing.receipt is not None:
            sweep(split, work.settings)
            need.receipts[split.name] = standing.receipt
            continue
        need.splits.append(split)
        if standing.state.there:
            need.broken[split.name] = standing.precious
            lines = standing.differences.lines() or [standing.state.damage or ""]
            logger.warning(
                "%s was damaged and is to be replaced:\n  %s", split.spec, "\n  ".join(lines)
            )
    return need


def _fetched(split: PublishedSplit, need: Needs, work: Work) -> list[Receipt]:
    """The split from the first mirror that gives it, and others that came along.

    Raises:
        DownloadError: none gives it.
    """
    if work.settings.download.offline:
        raise DownloadError(
            f"{split.spec} is not on disk as it should be, and nothing is fetched with --offline. "
            f"{_by_hand(split)}"
        )
    troubles: list[DownloadError] = []
    for mirror in _mirrors(split, work.settings):
        try:
            return _from_mirror(mirror, split, need, work)
        except (MirrorError, ArchiveError) as trouble:
            logger.info("%s", trouble)
            troubles.append(trouble)
    raise _none_left(split, troubles)


def _mirrors(split: PublishedSplit, settings: Settings) -> list[Mirror]:
    chosen = settings.download.mirror
    first = [] if chosen is None else [chosen_mirror(chosen, split)]
    return [*first, *split.mirrors]


def _from_mirror(mirror: Mirror, split: PublishedSplit, need: Needs, work: Work) -> list[Receipt]:
    """The split, and others that its archive brings along.

    Raises:
        MirrorError: the mirror does not give it.
        ArchiveError: it gives an archive that is of no use.
        DownloadError: the disk is full or cannot be written.
    """
    settings, set_name = work.settings, split.set_name
    name = archive_name(set_name, None if mirror.whole else split.name)
    wanted = Wanted(
        name=name,
        folder=downloads(settings, set_name),
        address=shown(mirror.address),
        md5=None if mirror.whole else split.md5,
        what=set_name if mirror.whole else split.spec,
    )
    with turn(set_name, name, settings) as alone:
        now = look(split, settings)
        if now.marker is not None and split.name not in need.broken:
            return [Receipt(split, now.folder, now.marker, fresh=False)]
        origin = work.get(wanted, mirror, alone)
        splits = [split, *_others(split, need, settings)] if mirror.whole else [split]
        with unwrapping(wanted, alone):
            receipts = install(origin, name, splits, need.broken, settings, work.progress)
            if all(receipt.split.name != split.name for receipt in receipts):
                raise ArchiveError(f"The archive holds no {split.name}.")
    return receipts


@contextmanager
def unwrapping(wanted: Wanted, alone: bool) -> Iterator[None]:
    """Do away with an archive once it is unpacked, or turned out to be of no use.

    Where something else went wrong, such as the disk being full, it is kept for the next time.

    Args:
        wanted: the archive.
        alone: whether no other process can be at it.

    Raises:
        ArchiveError: it is of no use; with the address that it came from.
    """
    try:
        yield
    except ArchiveError as error:
        discard(wanted.folder, wanted.name, alone)
        raise ArchiveError(f"{wanted.address}: {error}") from None
    discard(wanted.folder, wanted.name, alone)


def _others(split: PublishedSplit, need: Needs, settings: Settings) -> list[PublishedSplit]:
    """Further splits of a set that a whole archive may fill in, so that it is fetched once."""
    siblings = registry.REGISTRY[split.set_name].splits.values()
    return [
        each
        for each in siblings
        if each != split and (each.name in need.broken or not look(each, settings).there)
    ]


def _none_left(split: PublishedSplit, troubles: Sequence[DownloadError]) -> DownloadError:
    """One error for all mirrors of a split."""
    causes = "".join(f"\n  - {trouble}" for trouble in troubles)
    offline = all(isinstance(each, MirrorError) and each.cause.network for each in troubles)
    said = (
        "This machine seems to be offline, as no mirror can even be reached"
        if offline
        else "No mirror gave it"
    )
    return DownloadError(f"{split.spec} could not be fetched. {said}:{causes}\n{_by_hand(split)}")


def _by_hand(split: PublishedSplit) -> str:
    pages = dict.fromkeys(
        f"{mirror.page} (then --as {split.set_name if mirror.whole else split.spec})"
        for mirror in split.mirrors
    )
    return (
        f"By hand: save the archive from {' or '.join(pages)}, and import it with "
        f"`darksound download ARCHIVE --as ...`."
    )
