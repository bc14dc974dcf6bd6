"""`darksound download`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.options import CommonOptions, DownloadOptions
from darksound.cli.runner import handle_errors, load_cli_settings, show_result
from darksound.errors import InputError

__all__ = ["download"]


def download(
    options: DownloadOptions,
    common: CommonOptions,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET[:SPLIT]|ARCHIVE",
            help="darksound-2023[:SPLIT] or darksound-2024[:SPLIT]; or the path or address of "
            "an archive.",
        ),
    ] = None,
) -> None:
    """Download published sets, so that --data finds them by name; or verify those on disk.

    Sets on disk are verified, and downloaded again only if they are damaged. An archive that you
    downloaded is installed too.
    """
    with handle_errors(common) as state:
        from darksound.jobs.download import download_job, list_job, verify_job
        from darksound.settings.compute import credentials_from

        settings = load_cli_settings(common, options.flags())
        state.resume = "the same command; it resumes the download"
        # Messages of decoders are hidden, since unreadable files are listed at the end.
        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            if options.verifying:
                result = verify_job(what or (), settings, progress)
            elif what and not options.listing:
                credentials = credentials_from(os.environ)
                result = download_job(
                    what,
                    settings,
                    named=options.named,
                    md5=options.md5,
                    credentials=credentials,
                    progress=progress,
                )
            else:
                result = list_job(settings)
        show_result(result, state.screen)
        if not (what or options.listing or options.verifying):
            raise InputError("Name what to download, such as darksound-2024:test.")
