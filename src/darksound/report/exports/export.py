"""Export a result to a file or folder in the format of another tool."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.report.detections import DetectionOptions
from darksound.report.exports import EXPORTERS
from darksound.report.exports.base import AudioFormat, ExportContent, Exporter, provenance
from darksound.report.exports.targets import ERRORS, new_file, new_folder
from darksound.report.exports.validated import of_precise_groups, verified_rois
from darksound.report.result import MecResult, as_result
from darksound.rois.review import read_review
from darksound.rois.roi_set import Problem
from darksound.rois.spreadsheets import csv_text
from darksound.settings import resolve_object

__all__ = ["Exported", "export"]

# Default location, relative to the run directory.
_FOLDER = "exports"
_STEM = "clusters"


@dataclass(frozen=True)
class Exported:
    """A finished export.

    Attributes:
        path: the file or folder.
        files: number of files.
        rois: number of ROIs in them.
        hint: programs that open it.
        problems: what was skipped; a folder lists it in `errors.csv`.
    """

    path: Path
    files: int
    rois: int
    hint: str
    problems: tuple[Problem, ...]


def export(
    run: MecResult | str | Path,
    format: str,
    *,
    out: str | Path | None = None,
    review: str | Path | None = None,
    root: str | Path | None = None,
    audio: AudioFormat = "wav",
    overwrite: bool = False,
    raw_csv: bool = False,
    detections: DetectionOptions | None = None,
    progress: Progress = silent,
) -> Exported:
    """Export a result of MEC in the format of another tool.

    Args:
        run: a result, or its run directory.
        format: a name in `EXPORTERS`.
        out: file or folder; None: `RUN/exports/FORMAT` or `RUN/exports/clusters.SUFFIX`.
        review: path of a `review.csv` of the run.
        root: current folder of the recordings, if they were moved; for a run directory only.
        audio: format of clips, `wav` or `flac`.
        overwrite: replace an earlier export.
        raw_csv: write text in CSV files as it is; by default an apostrophe is put before text that
            a spreadsheet would take for a formula.
        detections: `verified` and `min_precision` restrict the ROIs of all formats; the others are
            of `occupancy` and `darwin-core`. None: all ROIs of clusters, by day.
        progress: called after each part.

    Raises:
        InputError: the format is unknown, the review is of another run, there is nothing to
            export, or `out` is None for a result that is not saved.
        RunError: `run` is not a finished MEC run, the target exists, or cannot be written.
    """
    if format not in EXPORTERS:
        raise InputError(f"There is no format {format!r}; choose one of {', '.join(EXPORTERS)}.")
    exporter: Exporter = resolve_object(EXPORTERS[format])()
    result = as_result(run, root)
    applied = None if review is None else read_review(review)
    content = replace(
        ExportContent.of(result, applied, audio, progress),
        raw_csv=raw_csv,
        detections=detections or DetectionOptions(),
    )
    content = _validated(content, exporter)
    target = _target(exporter, format, result, None if out is None else Path(out))
    about = {
        "format": format,
        **provenance(result),
        "review": "" if applied is None else applied.path.name,
    }
    with _open_target(exporter, target, overwrite, about) as temporary:
        counts = exporter.write(content, temporary)
        if counts.problems and exporter.suffix is None:
            pairs = [(p.recording, p.cause) for p in counts.problems]
            rows = pd.DataFrame(pairs, columns=["recording", "cause"])
            text = csv_text(rows, raw=raw_csv)
            (temporary / ERRORS).write_text(text, encoding="utf-8", newline="")
    return Exported(target, counts.files, counts.rois, exporter.hint, counts.problems)


def _validated(content: ExportContent, exporter: Exporter) -> ExportContent:
    """Return the content without what `detections` leaves out for all formats."""
    options = content.detections
    if options.min_precision is not None:
        content = of_precise_groups(content, options.min_precision)
    # Detection histories have missing cells where ROIs are not verified.
    if options.verified and not getattr(exporter, "has_detections", False):
        content = verified_rois(content)
    return content


def _target(exporter: Exporter, format: str, result: MecResult, out: Path | None) -> Path:
    if exporter.suffix is None:
        return result.directory / _FOLDER / format if out is None else out
    if out is not None and out.suffix.lower() == exporter.suffix:
        return out
    folder = result.directory / _FOLDER if out is None else out
    return folder / f"{_STEM}{exporter.suffix}"


def _open_target(
    exporter: Exporter, target: Path, overwrite: bool, about: dict[str, str]
) -> AbstractContextManager[Path]:
    if exporter.suffix is None:
        return new_folder(target, overwrite, about)
    return new_file(target, overwrite)
