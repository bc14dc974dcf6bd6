"""`darksound report`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.checks import check_runs
from darksound.cli.options import CommonOptions, PageOptions
from darksound.cli.runner import handle_errors, load_cli_settings, show_result

__all__ = ["report"]


def report(
    options: PageOptions,
    common: CommonOptions,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Directory of a MEC run; several with --compare."),
    ],
    figures: Annotated[
        bool,
        typer.Option(
            "--figures",
            help="Also draw figures for publications, as PNG and SVG.",
            rich_help_panel=PageOptions.panel,
        ),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Draw the curves of several runs into compare.png and compare.svg, and write no "
            "page.",
            rich_help_panel=PageOptions.panel,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of compare.png and compare.svg; default: the current folder.",
            rich_help_panel=PageOptions.panel,
        ),
    ] = None,
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
    """Write report.html, a page to listen to clusters and review them.

    On the page, clusters are named, merged and rejected. The page is a single file that works
    offline in any current browser. darksound mec writes it too. With --compare, the curves of
    several runs are drawn instead.
    """
    if not compare and len(runs) > 1:
        raise typer.BadParameter("Give one RUN, or --compare to compare several.")
    if not compare and out is not None:
        raise typer.BadParameter("--out is for --compare; the page is written into the run.")
    if compare and (figures or review is not None or root is not None):
        raise typer.BadParameter("--figures, --review and --root are not for --compare.")
    with handle_errors(common) as state:
        settings = load_cli_settings(common, options.flags())
        check_runs(runs)
        # Imported after the checks, because this import takes seconds.
        from darksound.jobs.report import compare_job, report_job

        if compare:
            show_result(compare_job(runs, out or Path()), state.screen)
            return
        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            result = report_job(
                runs[0], settings, figures=figures, root=root, review=review, progress=progress
            )
        show_result(result, state.screen)
