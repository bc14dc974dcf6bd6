"""`darksound export`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from darksound.cli.checks import check_runs
from darksound.cli.options import CommonOptions
from darksound.cli.runner import handle_errors, show_result
from darksound.errors import SettingsError
from darksound.report.exports import EXPORTERS

__all__ = ["export"]

if TYPE_CHECKING:
    ExportFormat = str
else:
    # Names in registries are not known to type checkers.
    ExportFormat = Literal[tuple(EXPORTERS)]


# Formats on which an option has an effect.
_USED_BY = {
    "occasion": ("occupancy",),
    "level": ("occupancy",),
    "min_probability": ("occupancy", "darwin-core"),
}


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


@dataclass(frozen=True)
class DetectionOptions:
    """Which ROIs are detections, and the occasions of detection histories."""

    panel: ClassVar[str] = "ROIs to export"

    occasion: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="day (the default), night, week, a number of days such as 3d, or a number of "
            "occasions.",
        ),
    ] = None
    level: Annotated[
        Literal["name", "cluster"] | None,
        typer.Option(
            metavar="NAME",
            help="name (the default): each name of the review, or each cluster without one; "
            "cluster: each cluster.",
        ),
    ] = None
    min_probability: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Leave out ROIs with a lower membership probability (default 0).",
        ),
    ] = None
    verified: Annotated[
        bool,
        typer.Option(
            "--verified",
            help="Only ROIs with the verdict yes in the review; cells of detection histories with "
            "others only are NA.",
        ),
    ] = False
    min_precision: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Only groups whose precision by the review is at least P, at the lower end of its "
            "95 % interval (darksound review-report).",
        ),
    ] = None


def export(
    options: ExportOptions,
    detections: DetectionOptions,
    common: CommonOptions,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a MEC run.")],
) -> None:
    """Export the clusters of a run in the format of another tool.

    raven: selection tables; audacity: label tracks; csv, parquet: one table; clips: one sound file
    per ROI, in one folder per cluster; dataset: such clips for training, of the named clusters
    only if there are names; activity: calls an hour; occupancy: detection histories, site by
    occasion, for R; darwin-core, data-package, aoef: tables and projects for archives.
    """
    with handle_errors(common) as state:
        given = {
            name: value for name, value in vars(detections).items() if value not in (None, False)
        }
        _check_used(options.format, given)
        check_runs([run])
        # Imported after the check, because this import takes seconds.
        from darksound.jobs.export import export_job
        from darksound.report import detections as histories

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
                detections=histories.DetectionOptions(**given),
                progress=progress,
            )
        show_result(result, state.screen)


def _check_used(format: str, given: dict[str, object]) -> None:
    """Raise a `SettingsError` if an option was given that has no effect on the format."""
    for name in given:
        if format not in _USED_BY.get(name, (format,)):
            raise SettingsError(
                f"--{name.replace('_', '-')} needs --format {' or '.join(_USED_BY[name])}."
            )
