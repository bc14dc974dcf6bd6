"""The figures of a run for papers, each as PNG and as SVG."""

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
from darksound.report.spectrogram_sheets import Clip, n_sheets, sheets, typical_clips
from darksound.rois.review import Review, read_review
from darksound.run.reading import RunResult, read_result

__all__ = ["write_figures"]

logger = logging.getLogger(__name__)

_DPI = 300
_STAGE = "figures"


def write_figures(
    run: str | Path,
    out: str | Path | None = None,
    *,
    review: str | Path | None = None,
    root: str | Path | None = None,
    progress: Progress = silent,
) -> list[Path]:
    """Draw a run of MEC: map, iterations, sizes, accumulation, typical spectrograms, labels.

    Writes `map`, `iterations`, `sizes`, `accumulation`, `sheet-01`, `sheet-02`, ... and where
    there are labels `labels`, each as `.png` at 300 dots an inch and as `.svg`. Files of these
    names are replaced.

    Args:
        run: the run's directory.
        out: the folder; `figures` in the run where None.
        review: a `review.csv` of the run, whose names, merges and rejections count.
        root: where the recordings lie now, if they were moved; without them there are no sheets.
        progress: told of figures that were written.

    Returns:
        The files.

    Raises:
        RunError: `run` is no finished run of MEC, or a file cannot be written.
        InputError: the review is of another run.
    """
    result = read_result(run, root)
    said = None if review is None else read_review(review)
    if said is not None:
        result = result.reviewed(said)
    folder = result.path / "figures" if out is None else Path(out)
    written: list[Path] = []
    clips = _heard(result)
    total = 4 + (result.labels is not None) + n_sheets(clips)
    progress(_STAGE, 0, total)
    # A dollar in a name is no formula.
    with rc_context({"text.parse_math": False}):
        for done, (name, figure) in enumerate(_figures(result, said, clips), start=1):
            pixels = png(figure, _DPI)
            # Everything has its place; finding it again takes longer than all the rest.
            figure.set_layout_engine("none")
            for suffix, content in ((".png", pixels), (".svg", svg(figure))):
                path = folder / f"{name}{suffix}"
                write_bytes(path, content)
                written.append(path)
            progress(_STAGE, done, total)
    return written


def _heard(result: RunResult) -> Mapping[int, Sequence[Clip]]:
    clips, cause = typical_clips(result)
    if cause is not None:
        logger.warning("Some ROIs are not on the sheets, since they cannot be heard: %s", cause)
    return clips


def _figures(
    result: RunResult, review: Review | None, clips: Mapping[int, Sequence[Clip]]
) -> Iterator[tuple[str, Figure]]:
    called = {} if review is None else review.names
    labels, clusters = result.labels, result.clusters["cluster"]
    yield "map", cluster_map(result.clusters, labels, called=called)
    yield "iterations", iterations_plot(result.iterations)
    yield "sizes", sizes_plot(clusters, called)
    yield "accumulation", accumulation_plot(accumulate(result.table))
    if labels is not None:
        yield "labels", label_matrix(clusters.to_numpy(), labels, called)
    for number, figure in enumerate(sheets(clips, called), start=1):
        yield f"sheet-{number:02d}", figure
