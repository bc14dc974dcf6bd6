"""`darksound review-plan` and `darksound review-report`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.checks import check_runs
from darksound.cli.options import CommonOptions, PageOptions
from darksound.cli.runner import handle_errors, load_cli_settings, show_result

__all__ = ["review_plan", "review_report"]

_RUN = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a MEC run.")]
_ROOT = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Current folder of the recordings, if they were moved."),
]
_NO_REPORT = Annotated[
    bool,
    typer.Option(
        "--no-report", help="Do not write report.html.", rich_help_panel=PageOptions.panel
    ),
]


def review_plan(
    options: PageOptions,
    common: CommonOptions,
    run: _RUN,
    per_cluster: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="ROIs of each cluster to check.", show_default=True),
    ] = 20,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="review.csv that the page starts with; clusters that it rejects are left out.",
        ),
    ] = None,
    root: _ROOT = None,
    no_report: _NO_REPORT = False,
) -> None:
    """Draw which ROIs to check, for the precision of each cluster.

    ROIs are drawn at random from bands of membership probability, from all sites and hours. The
    plan is review_plan.csv in the run; report.html asks about each of these ROIs. Then
    darksound review-report gives the precision.
    """
    with handle_errors(common) as state:
        settings = load_cli_settings(common, options.flags())
        check_runs([run])
        # Imported after the checks, because this import takes seconds.
        from darksound.jobs.review import review_plan_job

        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            result = review_plan_job(
                run,
                settings,
                per_cluster=per_cluster,
                review=review,
                root=root,
                page=not no_report,
                progress=progress,
            )
        show_result(result, state.screen)


def review_report(
    options: PageOptions,
    common: CommonOptions,
    run: _RUN,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="review.csv with verdicts, saved by the page; default: review.csv in the run.",
        ),
    ] = None,
    more: Annotated[
        int,
        typer.Option(
            "--next",
            min=0,
            metavar="N",
            help="Add N ROIs to the plan, those that narrow the intervals most.",
        ),
    ] = 0,
    root: _ROOT = None,
    no_report: _NO_REPORT = False,
) -> None:
    """Give the precision of each group of a review, with 95 % intervals.

    Verdicts on the ROIs of the plan of darksound review-plan are weighted by their strata. The
    table is also review_report.csv in the run.
    """
    with handle_errors(common) as state:
        settings = load_cli_settings(common, options.flags())
        check_runs([run])
        # Imported after the checks, because this import takes seconds.
        from darksound.jobs.review import review_report_job

        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            result = review_report_job(
                run,
                settings,
                review=review,
                more=more,
                root=root,
                page=not no_report,
                progress=progress,
            )
        show_result(result, state.screen)
