"""`darksound export`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from darksound.cli.checks import check_runs
from darksound.cli.options import CommonOptions
from darksound.cli.runner import handle_errors, show_result
from darksound.report.exports import EXPORTERS

__all__ = ["export"]

if TYPE_CHECKING:
    ExportFormat = str
else:
    # Names in registries are not known to type checkers.
    ExportFormat = Literal[tuple(EXPORTERS)]


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where."""

    panel: ClassVar[str] = "Export"

    format: Annotated[
        ExportFormat,
        typer.Option(metavar="NAME", help=f"{', '.join(EXPORTERS)}."),
    ]
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="File or folder to write; default: in RUN/exports."),
    ] = None
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="review.csv of the run: apply its names, merges and rejections."
        ),
    ] = None
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Current folder of the recordings, if they were moved."),
    ] = None
    audio: Annotated[
        Literal["wav", "flac"],
        typer.Option(metavar="NAME", help="Format of clips: wav or flac.", show_default=True),
    ] = "wav"
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = (
        False
    )
    raw_csv: Annotated[
        bool,
        typer.Option(
            "--raw-csv",
            help="For programs: put no apostrophe before text in CSV files that a spreadsheet "
            "would take for a formula.",
        ),
    ] = False


def export(
    options: ExportOptions,
    common: CommonOptions,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a MEC run.")],
) -> None:
    """Export the clusters of a run in the format of another tool.

    raven: selection tables; audacity: label tracks; csv, parquet: one table; clips: one sound file
    per ROI, in one folder per cluster; dataset: such clips for training, of the named clusters
    only if there are names.
    """
    with handle_errors(common) as state:
        check_runs([run])
        # Imported after the check, because this import takes seconds.
        from darksound.jobs.export import export_job

        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            result = export_job(
                run,
                options.format,
                out=options.out,
                review=options.review,
                root=options.root,
                audio=options.audio,
                overwrite=options.overwrite,
                raw_csv=options.raw_csv,
                progress=progress,
            )
        show_result(result, state.screen)
