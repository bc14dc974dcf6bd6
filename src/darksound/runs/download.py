"""Fetching, verifying and listing published sets, told as any other job."""

from collections.abc import Sequence

from darksound.data.download.command import download, verify
from darksound.data.download.states import look_at_all
from darksound.data.published import data_folder
from darksound.progress import Progress
from darksound.report.downloads import (
    damage_lines,
    receipts_sentence,
    receipts_table,
    states_table,
    verdicts_table,
)
from darksound.runs.outcome import Outcome
from darksound.settings import Settings
from darksound.settings.credentials import Credentials

__all__ = ["download_job", "list_job", "verify_job"]


def list_job(settings: Settings) -> Outcome:
    """What there is to be had and what of it is on disk; touches no network."""
    table = states_table(look_at_all(settings), data_folder(settings))
    return Outcome(
        (table,), "`darksound download SET` fetches one, or one split of it as SET:SPLIT."
    )


def download_job(
    what: Sequence[str],
    named: str | None,
    md5: str | None,
    settings: Settings,
    credentials: Credentials,
    progress: Progress,
) -> Outcome:
    """See that sets are in their place; see `darksound.data.download.command.download`.

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
    return Outcome(
        (receipts_table(receipts),),
        receipts_sentence(receipts),
        sum(len(receipt.marker.unreadable) for receipt in receipts),
    )


def verify_job(what: Sequence[str], settings: Settings, progress: Progress) -> Outcome:
    """Hold what is on disk against its record; see `darksound.data.download.command.verify`.

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
        lines.append(f"No published set is in {data_folder(settings)}.")
    problems = len(damaged) + sum(len(verdict.unreadable) for verdict in verdicts)
    return Outcome((verdicts_table(verdicts),), "\n".join(lines), problems)
