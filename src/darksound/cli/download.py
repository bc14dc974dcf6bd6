"""`darksound download`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.options import CommonOptions, DownloadOptions, flattened
from darksound.cli.perform import endings, settings_from, show
from darksound.errors import InputError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("download")(flattened(download))


def download(
    options: DownloadOptions,
    common: CommonOptions,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET[:SPLIT]|ARCHIVE",
            help="darksound-2023[:SPLIT], darksound-2024[:SPLIT]; or the path or address of one "
            "archive.",
        ),
    ] = None,
) -> None:
    """Fetch published sets, so that --data finds them by name; or verify what is on disk.

    What is there already is read again, and fetched only if it was damaged. An archive that was
    fetched by hand is put in place too.
    """
    with endings(common) as ending:
        from darksound.jobs.download import download_job, list_job, verify_job
        from darksound.settings.compute import credentials_from

        settings = settings_from(common, options.flags())
        ending.resume = "the same command; what has arrived is kept"
        # What decoders complain of is told by the probe, in sentences.
        with ending.screen.at_work(Path(os.devnull)) as progress:
            if options.verifying:
                outcome = verify_job(what or (), settings, progress)
            elif what and not options.listing:
                credentials = credentials_from(os.environ)
                outcome = download_job(
                    what, options.named, options.md5, settings, credentials, progress
                )
            else:
                outcome = list_job(settings)
        show(outcome, ending.screen)
        if not (what or options.listing or options.verifying):
            raise InputError("Name what to fetch, such as darksound-2024:test.")
