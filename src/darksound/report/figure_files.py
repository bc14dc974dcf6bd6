"""The figures of a result for publications, each as PNG and SVG."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from darksound.atomic import write_bytes
from darksound.progress import Progress, silent
from darksound.report.accumulation import accumulate
from darksound.report.figures import (
    accumulation_plot,
    cluster_map,
    iterations_plot,
    label_matrix,
    png,
    sizes_plot,
    svg,
)
from darksound.report.result import MecResult, as_result
from darksound.report.spectrogram_sheets import ClipSpectrogram, n_sheets, sheets, typical_clips
from darksound.rois.review import Review, read_review

__all__ = ["write_figures"]

logger = logging.getLogger(__name__)

_DPI = 300
_STAGE = "figures"


def write_figures(
    run: MecResult | str | Path,
    out: str | Path | None = None,
    *,
    review: str | Path | None = None,
    root: str | Path | None = None,
    progress: Progress = silent,
) -> list[Path]:
    """Draw the map, iterations, sizes, accumulation, typical spectrograms and labels.

    Writes `map`, `iterations`, `sizes`, `accumulation`, `sheet-01`, `sheet-02`, ... and, if there
    are labels, `labels`, each as `.png` at 300 dpi and as `.svg`. Existing files are replaced.

    Args:
        run: a result of MEC, or its run directory.
        out: folder; None: `figures` in the run directory.
        review: path of a `review.csv` of the run; its names, merges and rejections are applied.
        root: current folder of the recordings, if they were moved; for a run directory only.
            Without the recordings there are no sheets.
        progress: called after each figure.

    Returns:
        The files.

    Raises:
        RunError: `run` is not a finished MEC run, or a file cannot be written.
        InputError: the review is of another run, or `out` is None for an unsaved result.
    """
    result = as_result(run, root)
    applied = None if review is None else read_review(review)
    if applied is not None:
        result = result.reviewed(applied)
    folder = result.directory / "figures" if out is None else Path(out)
    written: list[Path] = []
    clips = _clip_spectrograms(result)
    total = 4 + (result.labels is not None) + n_sheets(clips)
    progress(_STAGE, 0, total)
    # A dollar sign in a name does not start a formula.
    with rc_context({"text.parse_math": False}):
        for done, (name, figure) in enumerate(_figures(result, applied, clips), start=1):
            pixels = png(figure, _DPI)
            # The layout is final; computing it again for the SVG would take most of the time.
            figure.set_layout_engine("none")
            for suffix, content in ((".png", pixels), (".svg", svg(figure))):
                path = folder / f"{name}{suffix}"
                write_bytes(path, content)
                written.append(path)
            progress(_STAGE, done, total)
    return written


def _clip_spectrograms(result: MecResult) -> Mapping[int, Sequence[ClipSpectrogram]]:
    clips, cause = typical_clips(result)
    if cause is not None:
        logger.warning("Some ROIs are missing on the sheets, since they cannot be read: %s", cause)
    return clips


def _figures(
    result: MecResult, review: Review | None, clips: Mapping[int, Sequence[ClipSpectrogram]]
) -> Iterator[tuple[str, Figure]]:
    names = {} if review is None else review.names
    labels, clusters = result.labels, result.clusters["cluster"]
    yield "map", cluster_map(result.clusters, labels, cluster_names=names)
    yield "iterations", iterations_plot(result.iterations)
    yield "sizes", sizes_plot(clusters, names)
    yield "accumulation", accumulation_plot(accumulate(result.table))
    if labels is not None:
        yield "labels", label_matrix(clusters.to_numpy(), labels, names)
    for number, figure in enumerate(sheets(clips, names), start=1):
        yield f"sheet-{number:02d}", figure
