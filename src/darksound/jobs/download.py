"""Download, verify and list published sets."""

import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from darksound.datasets import registry
from darksound.datasets.client import host_of
from darksound.datasets.download import download
from darksound.datasets.install import InstalledSplit
from darksound.datasets.marker import CHECKS, SplitState, all_split_states, read_split_state
from darksound.datasets.registry import data_folder, select_splits
from darksound.datasets.verify import Verification, verify
from darksound.jobs.base import JobResult
from darksound.progress import Progress, format_bytes
from darksound.report.tables import Table
from darksound.rois.roi_set import Problem
from darksound.settings import Settings
from darksound.settings.compute import Credentials
from darksound.text import printable

__all__ = ["describe_download", "download_job", "list_job", "verify_job"]

_NONE = "-"
_SHOWN = 20


def list_job(settings: Settings) -> JobResult:
    """List all published splits and what is on disk of them, without using the network."""
    folder = data_folder(settings.compute)
    rows = tuple(
        (state.split.spec, _archive_size(state), *_on_disk(state))
        for state in all_split_states(settings.compute)
    )
    columns = ("set", "archive", "on disk", "what was verified")
    return JobResult(
        (Table(f"Published sets, in {folder}", columns, rows),),
        f"`darksound download SET` downloads a set, or one split of it as SET:SPLIT; without a "
        f"name, it downloads {registry.DEFAULT_SET}.",
    )


def describe_download(what: Sequence[str], settings: Settings) -> str:
    """Return what a download of published sets installs, how much, from where and where to.

    Args:
        what: names of sets or splits.
        settings: the data folder and the mirror.

    Raises:
        InputError: there is no such set or split.
    """
    splits = select_splits(*what)
    states = [read_split_state(split, settings.compute) for split in splits]
    folder = data_folder(settings.compute)
    addresses = [settings.download.mirror or ""]
    addresses += [mirror.address for split in splits for mirror in split.mirrors]
    hosts = dict.fromkeys(host_of(address) for address in addresses if address)
    lines = [f"Downloading {', '.join(what)} to {folder}, where {_free_space(folder)} is free:"]
    lines += [f"  {state.split.spec}: {_amount(state)}" for state in states]
    lines.append(f"from {', or else '.join(hosts)}")
    return "\n".join(lines)


def _amount(state: SplitState) -> str:
    """Return how much a split is, as far as it is known before the download."""
    if state.marker is not None:
        return f"{_on_disk(state)[0]}, on disk already; only verified"
    split = state.split
    counts = "number of clips not published"
    if split.n_clips is not None:
        counts = f"{split.n_clips} clips of {split.n_species} species as published"
    partial = f", {format_bytes(state.partial_bytes)} on disk" if state.partial_bytes else ""
    return f"{counts}; the server states the size of the archive{partial}"


def _free_space(folder: Path) -> str:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return format_bytes(shutil.disk_usage(existing).free)


def download_job(
    what: Sequence[str],
    settings: Settings,
    *,
    named: str | None,
    md5: str | None,
    credentials: Credentials,
    progress: Progress,
) -> JobResult:
    """Install published sets; see `darksound.datasets.download.download`.

    Returns:
        The installed splits; sound files that cannot be read count as skipped.

    Raises:
        InputError, SettingsError, DownloadError: as there.
    """
    installed = download(
        *what,
        settings=settings,
        named=named,
        md5=md5,
        credentials=credentials,
        progress=progress,
    )
    problems = [
        problem
        for each in installed
        for problem in _unreadable_clips(each.split.spec, each.marker.unreadable)
    ]
    return JobResult((_installed_table(installed),), _installed_message(installed), tuple(problems))


def verify_job(what: Sequence[str], settings: Settings, progress: Progress) -> JobResult:
    """Compare published sets on disk to their markers; see `darksound.datasets.verify.verify`.

    Returns:
        The differences; changed files and those that cannot be read count as skipped.

    Raises:
        InputError, DownloadError: as there.
    """
    results = verify(*what, settings=settings, progress=progress)
    lines = [line for result in results for line in _damage_lines(result)]
    damaged = [result.state.split.spec for result in results if result.damaged]
    if damaged:
        lines.append(
            f"`darksound download {' '.join(damaged)}` downloads and replaces what is damaged."
        )
    elif not results:
        lines.append(f"No published set is in {data_folder(settings.compute)}.")
    problems = [
        Problem(spec, "changed since its installation, or without a marker") for spec in damaged
    ]
    for result in results:
        problems += _unreadable_clips(result.state.split.spec, result.unreadable)
    return JobResult((_verification_table(results),), "\n".join(lines), tuple(problems))


def _unreadable_clips(spec: str, unreadable: Mapping[str, str]) -> list[Problem]:
    return [Problem(f"{spec}: {path}", reason) for path, reason in unreadable.items()]


def _archive_size(state: SplitState) -> str:
    return "unknown" if state.marker is None else format_bytes(state.marker.archive_bytes)


def _on_disk(state: SplitState) -> tuple[str, str]:
    """Return the table cells on what is on disk and what was verified."""
    if state.marker is not None:
        marker = state.marker
        verified = CHECKS[marker.check.kind]
        if marker.unreadable:
            verified += f"; {len(marker.unreadable)} cannot be read"
        counts = f"{marker.n_clips} clips of {len(marker.species)} species"
        return f"{counts}, {format_bytes(marker.n_bytes)}", verified
    if state.marker_error is not None:
        return "with a damaged marker", CHECKS["none"]
    if state.exists:
        return "put there by hand", CHECKS["none"]
    if state.partial_bytes:
        return f"{format_bytes(state.partial_bytes)} of its archive", _NONE
    return _NONE, _NONE


def _installed_table(installed: Iterable[InstalledSplit]) -> Table:
    rows = tuple(
        (
            each.split.spec,
            f"{each.marker.n_clips}",
            f"{len(each.marker.species)}",
            "now" if each.fresh else "before",
            CHECKS[each.marker.check.kind],
        )
        for each in installed
    )
    columns = ("set", "clips", "species", "installed", "what was verified")
    return Table("Installed", columns, rows)


def _installed_message(installed: Sequence[InstalledSplit]) -> str:
    """Return what was verified, which files cannot be read, how to use the sets and cite them."""
    lines = [f"{each.split.spec}: {each.marker.check.result}." for each in installed]
    for each in installed:
        lines += _unreadable_lines(each.split.spec, each.marker.unreadable)
    specs = " ".join(f"--data {each.split.spec}" for each in installed)
    folders: set[Path] = {each.folder.parents[1] for each in installed}
    is_default = folders == {data_folder(Settings().compute)}
    suffix = "" if is_default else f" with DARKSOUND_DATA={shlex.quote(str(*folders))}"
    lines.append(f"Use it as {specs}{suffix}.")
    for name in dict.fromkeys(each.split.set_name for each in installed):
        published = registry.REGISTRY[name]
        lines.append(f"Licence: {published.licence}. Please cite: {published.citation}")
    return "\n".join(lines)


def _verification_table(results: Iterable[Verification]) -> Table:
    rows = tuple(
        (
            result.state.split.spec,
            f"{result.n_clips}",
            f"{result.n_species}",
            _summary(result),
            CHECKS[result.check.kind],
        )
        for result in results
    )
    columns = ("set", "clips", "species", "files", "what was verified")
    return Table("Compared to the markers", columns, rows)


def _summary(result: Verification) -> str:
    if not result.has_marker:
        return "no marker"
    counts = {kind: len(paths) for kind, paths in result.differences.by_kind().items()}
    return ", ".join(f"{n} {kind}" for kind, n in counts.items() if n) or "unchanged"


def _damage_lines(result: Verification) -> list[str]:
    """Return what is wrong with a split, one line per file."""
    spec = result.state.split.spec
    lines = [f"{spec}: {printable(line)}" for line in result.differences.lines()]
    if not result.has_marker:
        lines.append(f"{spec}: {result.check.result}")
    return lines + _unreadable_lines(spec, result.unreadable)


def _unreadable_lines(spec: str, unreadable: Mapping[str, str]) -> list[str]:
    lines = [
        printable(f"{spec}: cannot be read: {path}: {reason}")
        for path, reason in list(unreadable.items())[:_SHOWN]
    ]
    if len(unreadable) > _SHOWN:
        lines.append(f"{spec}: cannot be read: and {len(unreadable) - _SHOWN} more")
    return lines
