"""`darksound download`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from darksound.cli.completion import complete_published
from darksound.cli.options import CommonOptions, Flags
from darksound.cli.runner import handle_errors, load_cli_settings, show_result

__all__ = ["download"]


@dataclass(frozen=True)
class DownloadOptions:
    """What to do with published sets."""

    panel: ClassVar[str] = "Download"

    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of published sets; default: DARKSOUND_DATA."),
    ] = None
    list_sets: Annotated[
        bool, typer.Option("--list", help="List the published sets, and what is on disk.")
    ] = False
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the files on disk with their checksums.")
    ] = False
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Mirror to try first, with {set} and {split} in it."),
    ] = None
    md5: Annotated[
        str | None, typer.Option(metavar="MD5", help="Expected checksum of the archive.")
    ] = None
    archive_set: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="SET[:SPLIT]", help="Published set that the archive contains."
        ),
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {
            "compute": {"data_dir": self.root},
            "download": {"offline": self.offline or None, "mirror": self.mirror},
        }


def download(
    options: DownloadOptions,
    common: CommonOptions,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET[:SPLIT]|ARCHIVE",
            autocompletion=complete_published,
            help="darksound-2023[:SPLIT] or darksound-2024[:SPLIT]; or the path or address of "
            "an archive; default: darksound-2023, all splits.",
        ),
    ] = None,
) -> None:
    """Download published sets, or verify those on disk.

    --data then finds them by name. Without a name, darksound-2023 is downloaded. Sets on disk are
    verified, and downloaded again only if they are damaged. An archive that you downloaded is
    installed too.
    """
    with handle_errors(common) as state:
        from darksound.datasets.registry import DEFAULT_SET
        from darksound.jobs.download import describe_download, download_job, list_job, verify_job
        from darksound.settings.compute import credentials_from

        settings = load_cli_settings(common, options.flags())
        state.resume = "the same command; it resumes the download"
        # Messages of decoders are hidden, since unreadable files are listed at the end.
        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            if options.verify:
                result = verify_job(what or (), settings, progress)
            elif options.list_sets:
                result = list_job(settings)
            else:
                credentials = credentials_from(os.environ)
                if not (what or settings.download.offline):
                    for line in describe_download([DEFAULT_SET], settings).splitlines():
                        state.screen.info(line)
                result = download_job(
                    what or [DEFAULT_SET],
                    settings,
                    named=options.archive_set,
                    md5=options.md5,
                    credentials=credentials,
                    progress=progress,
                )
        show_result(result, state.screen)
