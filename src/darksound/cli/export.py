"""`darksound export`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.options import CommonOptions, ExportOptions, flattened
from darksound.cli.perform import endings, show

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(flattened(export))


def export(
    options: ExportOptions,
    common: CommonOptions,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run of mec.")],
) -> None:
    """Write what a run found in the format of another tool.

    raven: selection tables; audacity: label tracks; csv, parquet: one table; clips: a sound file a
    ROI in a folder a cluster; dataset: such clips of the clusters (of the named ones, if any), to
    be learnt from.
    """
    with endings(common) as ending:
        from darksound.jobs.base import Outcome
        from darksound.report.exports.export import export as exported_from

        with ending.screen.at_work(Path(os.devnull)) as progress:
            done = exported_from(
                run,
                options.form,
                out=options.out,
                review=options.review,
                root=options.root,
                audio=options.audio,
                overwrite=options.overwrite,
                progress=progress,
            )
        files = f"{done.files} files" if done.files > 1 else "one file"
        sentence = f"{done.rois} ROIs in {files}: {done.path}. {done.hint}"
        if done.problems:
            first = f"{len(done.problems)} were left out (errors.csv); the first: "
            sentence += f" {first}{done.problems[0].cause}"
        show(Outcome((), sentence, len(done.problems)), ending.screen)
