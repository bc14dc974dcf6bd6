"""`darksound report`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.options import CommonOptions, PageOptions, flattened
from darksound.cli.perform import endings, settings_from, show

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(flattened(report))


def report(
    options: PageOptions,
    common: CommonOptions,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run of mec.")],
    figures: Annotated[
        bool, typer.Option("--figures", help="Draw figures for papers too, as PNG and SVG.")
    ] = False,
    review: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A review.csv that the page starts from."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the recordings lie now, if they were moved."),
    ] = None,
) -> None:
    """Write report.html: look at the clusters, listen to them, name, merge and reject them.

    One file, which needs no network and opens in any current browser. darksound mec writes it too.
    """
    with endings(common) as ending:
        from darksound.jobs.report import report_job

        settings = settings_from(common, options.flags())
        with ending.screen.at_work(Path(os.devnull)) as progress:
            outcome = report_job(
                run, settings, figures=figures, root=root, review=review, progress=progress
            )
        show(outcome, ending.screen)
