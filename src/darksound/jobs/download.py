"""Fetching, verifying and listing published sets, told as any other job."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from darksound.datasets import registry
from darksound.datasets.checks import KINDS
from darksound.datasets.command import Verdict, download, verify
from darksound.datasets.installing import Receipt
from darksound.datasets.registry import data_folder
from darksound.datasets.space import gigabytes
from darksound.datasets.states import State, look_at_all
from darksound.jobs.base import JobResult
from darksound.progress import Progress
from darksound.report.tables import Table
from darksound.settings import Settings
from darksound.settings.compute import Credentials

__all__ = [
    "damage_lines",
    "download_job",
    "list_job",
    "receipts_sentence",
    "receipts_table",
    "states_table",
    "verdicts_table",
    "verify_job",
]

_NOTHING = "-"
_SHOWN = 20


def states_table(states: Iterable[State], folder: Path) -> Table:
    """What there is to be had, and what of it is on disk.

    Args:
        states: of all splits.
        folder: the one that sets live in.
    """
    rows = tuple((state.split.spec, _archive_size(state), *_on_disk(state)) for state in states)
    return Table(
        f"Published sets, in {folder}", ("set", "archive", "on disk", "what was checked"), rows
    )


def receipts_table(receipts: Iterable[Receipt]) -> Table:
    """What is in its place."""
    rows = tuple(
        (
            receipt.split.spec,
            f"{receipt.marker.clips}",
            f"{len(receipt.marker.species)}",
            "now" if receipt.fresh else "before",
            KINDS[receipt.marker.check.kind],
        )
        for receipt in receipts
    )
    return Table("In place", ("set", "clips", "species", "since", "what was checked"), rows)


def receipts_sentence(receipts: Sequence[Receipt]) -> str:
    """What was checked of each, what cannot be read, how to use it and what to cite."""
    lines = [f"{each.split.spec}: {each.marker.check.said}." for each in receipts]
    for each in receipts:
        lines += _unreadable_lines(each.split.spec, each.marker.unreadable)
    specs = " ".join(f"--data {each.split.spec}" for each in receipts)
    folders = {each.folder.parents[1] for each in receipts}
    default = {data_folder(Settings().compute)}
    where = "" if folders == default else f" with DARKSOUND_DATA={shlex.quote(str(*folders))}"
    lines.append(f"Use it as {specs}{where}.")
    for name in dict.fromkeys(each.split.set_name for each in receipts):
        published = registry.REGISTRY[name]
        lines.append(f"Licence: {published.licence}. Please cite: {published.citation}")
    return "\n".join(lines)


def verdicts_table(verdicts: Iterable[Verdict]) -> Table:
    """What was found on disk."""
    rows = tuple(
        (
            each.state.split.spec,
            f"{each.clips}",
            f"{each.species}",
            _found(each),
            KINDS[each.check.kind],
        )
        for each in verdicts
    )
    columns = ("set", "clips", "species", "files", "what was checked")
    return Table("Verified against what was recorded", columns, rows)


def damage_lines(verdict: Verdict) -> list[str]:
    """What is wrong with a split, one line a file."""
    spec = verdict.state.split.spec
    lines = [f"{spec}: {line}" for line in verdict.differences.lines(_SHOWN)]
    if not verdict.recorded:
        lines.append(f"{spec}: {verdict.check.said}")
    return lines + _unreadable_lines(spec, verdict.unreadable)


def _unreadable_lines(spec: str, unreadable: Mapping[str, str]) -> list[str]:
    lines = [
        f"{spec}: cannot be read: {path}: {cause}"
        for path, cause in list(unreadable.items())[:_SHOWN]
    ]
    if len(unreadable) > _SHOWN:
        lines.append(f"{spec}: cannot be read: and {len(unreadable) - _SHOWN} more")
    return lines


def _found(verdict: Verdict) -> str:
    if not verdict.recorded:
        return "no record"
    differences = verdict.differences
    counts = {
        "missing": len(differences.missing),
        "changed": len(differences.changed),
        "extra": len(differences.extra),
    }
    return ", ".join(f"{n} {kind}" for kind, n in counts.items() if n) or "as recorded"


def _archive_size(state: State) -> str:
    size = state.marker.archive_bytes if state.marker is not None else None
    return "unknown" if size is None else gigabytes(size)


def _on_disk(state: State) -> tuple[str, str]:
    if state.marker is not None:
        marker = state.marker
        checked = KINDS[marker.check.kind]
        if marker.unreadable:
            checked += f"; {len(marker.unreadable)} cannot be read"
        on_disk = f"{marker.clips} clips of {len(marker.species)} species"
        return f"{on_disk}, {gigabytes(marker.bytes)}", checked
    if state.damage is not None:
        return "with a damaged record", KINDS["none"]
    if state.there:
        return "put there by hand", KINDS["none"]
    if state.arrived:
        return f"{gigabytes(state.arrived)} of its archive", _NOTHING
    return _NOTHING, _NOTHING


def list_job(settings: Settings) -> JobResult:
    """What there is to be had and what of it is on disk; touches no network."""
    table = states_table(look_at_all(settings), data_folder(settings.compute))
    return JobResult(
        (table,), "`darksound download SET` fetches one, or one split of it as SET:SPLIT."
    )


def download_job(
    what: Sequence[str],
    named: str | None,
    md5: str | None,
    settings: Settings,
    credentials: Credentials,
    progress: Progress,
) -> JobResult:
    """See that sets are in their place; see `darksound.datasets.command.download`.

    Returns:
        What is in place; sound files that cannot be read count as problems.

    Raises:
        InputError, SettingsError, DownloadError: as there.
    """
    receipts = download(
        *what,
        settings=settings,
        named=named,
        md5=md5,
        credentials=credentials,
        progress=progress,
    )
    return JobResult(
        (receipts_table(receipts),),
        receipts_sentence(receipts),
        sum(len(receipt.marker.unreadable) for receipt in receipts),
    )


def verify_job(what: Sequence[str], settings: Settings, progress: Progress) -> JobResult:
    """Hold what is on disk against its record; see `darksound.datasets.command.verify`.

    Returns:
        What was found; files that are not as they were, or cannot be read, count as problems.

    Raises:
        InputError, DownloadError: as there.
    """
    verdicts = verify(*what, settings=settings, progress=progress)
    lines = [line for verdict in verdicts for line in damage_lines(verdict)]
    damaged = [verdict.state.split.spec for verdict in verdicts if verdict.damaged]
    if damaged:
        lines.append(
            f"`darksound download {' '.join(damaged)}` fetches and replaces what is damaged."
        )
    elif not verdicts:
        lines.append(f"No published set is in {data_folder(settings.compute)}.")
    problems = len(damaged) + sum(len(verdict.unreadable) for verdict in verdicts)
    return JobResult((verdicts_table(verdicts),), "\n".join(lines), problems)
