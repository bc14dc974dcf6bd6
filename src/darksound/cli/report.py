"""`darksound report`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.options import CommonOptions, PageOptions
from darksound.cli.runner import handle_errors, load_cli_settings, show_result

__all__ = ["report"]


def report(
    options: PageOptions,
    common: CommonOptions,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a MEC run.")],
    figures: Annotated[
        bool,
        typer.Option(
            "--figures",
            help="Also draw figures for publications, as PNG and SVG.",
            rich_help_panel=PageOptions.panel,
        ),
    ] = False,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="review.csv to show on the page.",
            rich_help_panel=PageOptions.panel,
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Current folder of the recordings, if they were moved.",
            rich_help_panel=PageOptions.panel,
        ),
    ] = None,
) -> None:
    """Write report.html, a page to listen to clusters, and to name, merge and reject them.

    The page is a single file that works offline in any current browser. darksound mec writes it
    too.
    """
    with handle_errors(common) as state:
        from darksound.jobs.report import report_job

        settings = load_cli_settings(common, options.flags())
        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            result = report_job(
                run, settings, figures=figures, root=root, review=review, progress=progress
            )
        show_result(result, state.screen)
