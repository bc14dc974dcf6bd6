"""The job of `darksound export`."""

from pathlib import Path

from darksound.jobs.base import JobResult
from darksound.progress import Progress
from darksound.report.detections import DetectionOptions
from darksound.report.exports.base import AudioFormat
from darksound.report.exports.export import export
from darksound.report.exports.targets import ERRORS

__all__ = ["export_job"]


def export_job(
    run: Path,
    format: str,
    *,
    out: Path | None,
    review: Path | None,
    root: Path | None,
    audio: AudioFormat,
    overwrite: bool,
    raw_csv: bool,
    detections: DetectionOptions,
    progress: Progress,
) -> JobResult:
    """Export the clusters of a run; see `darksound.report.exports.export.export`.

    Returns:
        The number of ROIs and files, and where they are. Clips that cannot be read are skipped.

    Raises:
        InputError, RunError: as there.
    """
    exported = export(
        run,
        format,
        out=out,
        review=review,
        root=root,
        audio=audio,
        overwrite=overwrite,
        raw_csv=raw_csv,
        detections=detections,
        progress=progress,
    )
    files = f"{exported.files} files" if exported.files > 1 else "one file"
    message = f"{exported.rois} ROIs in {files}: {exported.path}. {exported.hint}"
    return JobResult((), message, exported.problems, exported.path / ERRORS)
