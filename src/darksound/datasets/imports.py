"""An archive that a person fetched, or an address of their own, as a published set."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from darksound.datasets import registry
from darksound.datasets.addresses import is_address, shown
from darksound.datasets.archives import ArchiveError
from darksound.datasets.hashing import md5_of
from darksound.datasets.installing import Receipt, install, turn
from darksound.datasets.registry import Mirror, PublishedSplit, splits_of
from darksound.datasets.sets import Needs, Work, needs, unwrapping
from darksound.datasets.staging import Origin
from darksound.datasets.states import archive_name, downloads, named_splits
from darksound.datasets.telling import Megabytes
from darksound.datasets.transfer import Wanted
from darksound.errors import DownloadError, InputError

__all__ = ["bring_in"]


def bring_in(where: str, named: str | None, md5: str | None, work: Work) -> list[Receipt]:
    """Put the splits of an archive in their places.

    Args:
        where: the archive's path or address.
        named: the `SET` or `SET:SPLIT` that it is; None where its md5 tells.
        md5: what the archive must have; None where nobody told.
        work: what fetching needs.

    Returns:
        A receipt for each split that it holds and was named.

    Raises:
        InputError: there is no such file, or nothing tells which set it is.
        DownloadError: the md5 is another one, the address does not give it, it is damaged or
            hostile, or what is on disk is not ours to replace.
    """
    if md5 is not None and not re.fullmatch(r"[0-9a-fA-F]{32}", md5):
        raise InputError(f"--md5 {md5!r} is no md5, which has 32 digits from 0 to f.")
    wished = None if md5 is None else md5.lower()
    found = _from_address if is_address(where) else _from_file
    return found(where, named, wished, work)


def _from_file(where: str, named: str | None, md5: str | None, work: Work) -> list[Receipt]:
    path = Path(where).expanduser().resolve()
    if path.is_dir():
        raise InputError(
            f"{path} is a folder, not an archive; sound files in a folder need no import: "
            f"--data {where} reads them."
        )
    if not path.is_file():
        raise InputError(
            f"{where} is neither a published set nor an archive that is there; sets are "
            f"{', '.join(registry.REGISTRY)}."
        )
    tell = Megabytes(f"Read {path.name}", work.progress, path.stat().st_size)
    found = md5_of(path, tell.tell)
    tell.end()
    if md5 is not None and found != md5:
        raise DownloadError(
            f"{path} has the md5 {found}, but {md5} is wanted: it is another archive, or was "
            f"damaged on its way; fetch it again."
        )
    splits, whole = _identified(path.name, named, found)
    need = needs(splits, work)
    name = archive_name(splits[0].set_name, None if whole else splits[0].name)
    with turn(splits[0].set_name, name, work.settings):
        origin = Origin(path, str(path), found, _vouched(found, md5, splits, whole), whole)
        try:
            return _installed(origin, name, need, work)
        except ArchiveError as error:
            raise ArchiveError(f"{path}: {error}") from None


def _from_address(where: str, named: str | None, md5: str | None, work: Work) -> list[Receipt]:
    address = shown(where)
    if work.settings.download.offline:
        raise DownloadError(
            f"{address} is not asked with --offline; save it on another machine and import the "
            f"file."
        )
    splits, whole = _identified(address, named, md5)
    set_name = splits[0].set_name
    need = needs(splits, work)
    if not need.splits:
        return _installed(None, "", need, work)
    # Archives of one split from several addresses must not be taken for each other.
    unique = hashlib.sha256(where.encode()).hexdigest()[:8]
    part = unique if whole else f"{splits[0].name}-{unique}"
    name = archive_name(set_name, part)
    what = set_name if whole else splits[0].spec
    wanted = Wanted(name, downloads(work.settings, set_name), address, md5, what)
    mirror = Mirror("url", where, page=address, whole=whole)
    with turn(set_name, name, work.settings) as alone:
        origin = work.get(wanted, mirror, alone)
        origin = replace(origin, vouched=_vouched(origin.md5, md5, splits, whole))
        with unwrapping(wanted, alone):
            return _installed(origin, name, need, work)


def _installed(origin: Origin | None, name: str, need: Needs, work: Work) -> list[Receipt]:
    if need.faults:
        raise DownloadError("\n".join(need.faults))
    receipts = list(need.receipts.values())
    if need.splits and origin is not None:
        receipts += install(origin, name, need.splits, need.broken, work.settings, work.progress)
    return receipts


def _identified(what: str, named: str | None, md5: str | None) -> tuple[list[PublishedSplit], bool]:
    """The splits that an archive is of, and whether it is of a whole set.

    Raises:
        InputError: nothing tells, or what was said and the md5 contradict each other.
    """
    by_md5 = {split.md5: split for split in splits_of(registry.REGISTRY)}
    told = None if md5 is None else by_md5.get(md5)
    if named is None:
        if told is None:
            raise InputError(
                f"Nothing tells which set {what} is: its md5 is none of the published ones. Say it "
                f"with --as, such as --as darksound-2024:test, or --as darksound-2023 for an "
                f"archive of all splits."
            )
        return [told], False
    splits = named_splits(named)
    if told is not None:
        if told not in splits:
            raise InputError(f"{what} is {told.spec} by its md5, not {named}; mend --as.")
        return [told], False
    return splits, ":" not in named


def _vouched(
    found: str, wished: str | None, splits: list[PublishedSplit], whole: bool
) -> str | None:
    """What the md5 of an archive is: published, given by hand, or neither."""
    if not whole and found == splits[0].md5:
        return "md5"
    return None if wished is None else "given"
