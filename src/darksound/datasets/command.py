"""Published sets on disk: fetched, imported and verified."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby

from darksound.datasets import registry
from darksound.datasets.archives import ArchiveError
from darksound.datasets.checks import content_check
from darksound.datasets.imports import bring_in
from darksound.datasets.installing import Receipt
from darksound.datasets.layouts import is_sound, species_of
from darksound.datasets.marker import Check
from darksound.datasets.registry import PublishedSplit
from darksound.datasets.sets import Work, ensure
from darksound.datasets.states import State, look, look_at_all, named_splits
from darksound.datasets.verify import Differences, compare, files_below, unreadable_below
from darksound.errors import DownloadError, InputError
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.settings.compute import Credentials

__all__ = ["Verdict", "download", "verify"]


@dataclass(frozen=True)
class Verdict:
    """How a split on disk was found.

    Attributes:
        state: what is there.
        check: what was checked when it was put there, or just now where it was put there by hand.
        clips, species: how many there are.
        differences: what changed since it was put there.
        unreadable: sound files that cannot be read, and why.
        recorded: whether there is a record to hold it against.
    """

    state: State
    check: Check
    clips: int
    species: int
    recorded: bool
    differences: Differences = field(default_factory=Differences)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def damaged(self) -> bool:
        """Whether it is not as it was put there."""
        return bool(self.differences) or self.state.damage is not None


def download(
    *what: str,
    settings: Settings | None = None,
    named: str | None = None,
    md5: str | None = None,
    credentials: Credentials | None = None,
    progress: Progress = silent,
) -> tuple[Receipt, ...]:
    """See that published sets are on disk, whole and unchanged; fetch what is not.

    Args:
        what: published sets such as `darksound-2024:test` or `darksound-2023`; or one archive that
            was fetched by hand, or its address.
        settings: mirrors, limits, and the folder that sets live in; None for the defaults.
        named: the set that an archive is, as `SET` or `SET:SPLIT`; None where its md5 tells.
        md5: what an archive must have.
        credentials: for mirrors that take any; see `darksound.settings.compute`.
        progress: told of megabytes and files.

    Returns:
        A receipt for each split that was asked for, and for others that came along in the same
        archive. `load_rois` finds them by the same names.

    Raises:
        InputError: there is no such set, split or file.
        SettingsError: the mirror's address has braces that mean nothing.
        DownloadError: something cannot be fetched, is damaged, or cannot be written.
    """
    work = Work(settings if settings is not None else Settings(), credentials or {}, progress)
    try:
        foreign = [each for each in what if _is_archive(each)]
        if foreign:
            if len(what) > 1:
                raise InputError(f"{foreign[0]} is an archive; give nothing else beside it.")
            return tuple(bring_in(foreign[0], named, md5, work))
        if named is not None or md5 is not None:
            raise InputError(
                "--as and --md5 say something of an archive; name its path or address."
            )
        splits = dict.fromkeys(split for spec in what for split in named_splits(spec))
        return tuple(_all_sets(list(splits), work))
    finally:
        work.client.close()


def verify(
    *what: str, settings: Settings | None = None, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """Read published sets on disk again and hold them against their records.

    Args:
        what: sets or splits; all that are on disk where none is named.
        settings: where they are, and how many threads; None for the defaults.
        progress: told of files.

    Raises:
        InputError: there is no such set or split.
        DownloadError: one that was named is not on disk.
    """
    settings = settings if settings is not None else Settings()
    if what:
        splits = dict.fromkeys(split for spec in what for split in named_splits(spec))
        states = [look(split, settings) for split in splits]
        for state in states:
            if not state.there:
                raise DownloadError(
                    f"{state.split.spec} is not on disk (looked in {state.folder}); "
                    f"`darksound download {state.split.spec}` fetches it."
                )
    else:
        states = [state for state in look_at_all(settings) if state.there]
    return tuple(_verdict(state, settings, progress) for state in states)


def _is_archive(text: str) -> bool:
    return text.partition(":")[0] not in registry.REGISTRY


def _all_sets(splits: list[PublishedSplit], work: Work) -> list[Receipt]:
    receipts, faults = [], []
    for _, group in groupby(splits, key=lambda split: split.set_name):
        try:
            receipts += ensure(list(group), work)
        except DownloadError as error:
            faults.append(str(error))
    if faults:
        raise DownloadError("\n".join(faults))
    return receipts


def _verdict(state: State, settings: Settings, progress: Progress) -> Verdict:
    stage = f"Verify {state.split.spec} (files)"
    marker = state.marker
    if marker is not None:
        return Verdict(
            state,
            marker.check,
            marker.clips,
            len(marker.species),
            recorded=True,
            differences=compare(state.folder, marker, settings, stage, progress),
            unreadable=marker.unreadable,
        )
    sounds = [path for path in files_below(state.folder) if is_sound(path)]
    try:
        species = species_of(sounds)
    except ArchiveError as error:
        raise DownloadError(f"{state.folder}: {error}") from None
    unreadable = unreadable_below(state.folder, sounds, settings, stage, progress)
    check = content_check(
        state.split, species, len(unreadable), state.damage or "it was put there by hand"
    )
    return Verdict(
        state, check, sum(species.values()), len(species), recorded=False, unreadable=unreadable
    )
