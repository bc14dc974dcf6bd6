"""The figures of a result, and of several runs in comparison, each as PNG and SVG."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from darksound.atomic import write_bytes
from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.report.accumulation import accumulate, accumulation_plot
from darksound.report.activity import Recorded, recorded_times
from darksound.report.activity_figures import activity_map, hour_curves
from darksound.report.activity_table import has_activity, why_no_activity
from darksound.report.figures import (
    COLOURS,
    MARKERS,
    before_after_map,
    cluster_map,
    iterations_plot,
    label_counts_plot,
    label_matrix,
    png,
    sizes_plot,
    svg,
)
from darksound.report.result import MecResult, as_result
from darksound.report.spectrogram_sheets import ClipSpectrogram, n_sheets, sheets, typical_clips
from darksound.rois.review import Review, read_review
from darksound.run.manifest import numeric_differences

__all__ = ["comparison_plot", "write_comparison", "write_figures"]

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
    """Draw the maps, iterations, sizes, accumulation, typical spectrograms and labels.

    Writes `map`, `iterations`, `sizes`, `accumulation`, `sheet-01`, `sheet-02`, ...; unless
    iteration 0 was kept, `before-after`; if there are several sites, `map-sites`; if there are
    labels, `labels` and `label-counts`; and if times and effort of recordings are known,
    `activity`, `activity-hours` and `activity-clusters`.
    Each is written as `.png` at 300 dpi and as `.svg`. Existing files are replaced.

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
    clips = _clip_spectrograms(result)
    recorded = recorded_times(result.rois.table, result.effort, result.sites)
    total = 4 + 2 * (result.labels is not None) + n_sheets(clips)
    total += (result.map_before is not None) + (_sites(result) is not None)
    total += 2 * has_activity(recorded) + (has_activity(recorded) and result.n_clusters > 0)
    return _write(_figures(result, applied, clips, recorded), folder, total, progress)


def write_comparison(
    runs: Sequence[MecResult | str | Path], out: str | Path = "."
) -> tuple[list[Path], dict[str, MecResult]]:
    """Draw the metrics of several runs by iteration into `compare.png` and `compare.svg`.

    Args:
        runs: results of MEC, or their run directories; at least two.
        out: folder. Existing files are replaced.

    Returns:
        The files, and the results by the names in the figure: names of run directories, or whole
        paths where names are equal.

    Raises:
        InputError: fewer than two runs, or one is given twice.
        RunError: one is not a finished MEC run, or a file cannot be written.
    """
    if len(runs) < 2:
        raise InputError("A comparison needs at least two runs; name their directories.")
    results = [as_result(run) for run in runs]
    names = [result.name for result in results]
    if len(set(names)) < len(names):
        names = [str(result.path or result.name) for result in results]
    by_name = dict(zip(names, results, strict=True))
    if len(by_name) < len(results):
        raise InputError("A run is given twice; name different runs.")
    _warn_of_differences(by_name)
    figure = comparison_plot({name: result.iterations for name, result in by_name.items()})
    return _write(iter([("compare", figure)]), Path(out), 1, silent), by_name


def _warn_of_differences(results: Mapping[str, MecResult]) -> None:
    """Log what gives runs other last digits than the first one, besides settings and data."""
    (first_name, first), *others = results.items()
    for name, other in others:
        if first.manifest is None or other.manifest is None:
            continue
        differing = numeric_differences(first.manifest, other.manifest)
        if differing:
            logger.warning(
                "%s and %s were computed with different things (%s), which change last digits, and "
                "so possibly clusters.",
                first_name,
                name,
                "; ".join(differing),
            )


def _write(
    figures: Iterator[tuple[str, Figure]], folder: Path, total: int, progress: Progress
) -> list[Path]:
    """Write each figure as PNG and SVG; return the files."""
    written: list[Path] = []
    progress(_STAGE, 0, total)
    # A dollar sign in a name does not start a formula.
    with rc_context({"text.parse_math": False}):
        for done, (name, figure) in enumerate(figures, start=1):
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
    result: MecResult,
    review: Review | None,
    clips: Mapping[int, Sequence[ClipSpectrogram]],
    recorded: Recorded,
) -> Iterator[tuple[str, Figure]]:
    names = {} if review is None else review.names
    labels, clusters = result.labels, result.clusters["cluster"]
    method = result.map_title
    yield "map", cluster_map(result.clusters, labels, cluster_names=names, method=method)
    if result.map_before is not None:
        yield (
            "before-after",
            before_after_map(result.map_before, result.clusters, labels, names, method=method),
        )
    sites = _sites(result)
    if sites is not None:
        yield (
            "map-sites",
            cluster_map(
                result.clusters, sites, cluster_names=names, method=method, grouping="site"
            ),
        )
    yield "iterations", iterations_plot(result.iterations)
    yield "sizes", sizes_plot(clusters, names)
    yield "accumulation", accumulation_plot(accumulate(result.table, recorded=recorded))
    if has_activity(recorded):
        yield "activity", activity_map(recorded, result.sites)
        yield "activity-hours", hour_curves(recorded)
        if result.n_clusters:
            groups = clusters.to_numpy(np.int64)
            yield "activity-clusters", hour_curves(recorded, groups, names)
    else:
        logger.info("There are no figures of activity: %s", why_no_activity(recorded))
    if labels is not None:
        yield "labels", label_matrix(clusters.to_numpy(), labels, names)
        yield "label-counts", label_counts_plot(labels)
    for number, figure in enumerate(sheets(clips, names), start=1):
        yield f"sheet-{number:02d}", figure


def _sites(result: MecResult) -> npt.NDArray[np.object_] | None:
    """Return the site of each ROI `(n,)`, None where it is not known; None for fewer than two."""
    sites = result.rois.table["site"]
    if sites.nunique() < 2:
        return None
    return sites.astype(object).where(sites.notna(), None).to_numpy()


# Column of iterations.csv and title, one panel each.
_COMPARED = (
    ("n_clusters", "clusters"),
    ("coverage", "coverage"),
    ("dbcv", "DBCV"),
    ("ami_all", "AMI with the labels, all ROIs"),
)
_SHARES = ("coverage", "ami_all")
_LINE_STYLES = ("-", "--", ":")


def comparison_plot(runs: Mapping[str, pd.DataFrame]) -> Figure:
    """Return metrics by iteration, one line a run, with a ring at the kept iteration.

    The metrics are the number of clusters, coverage, DBCV and, if a run has labels, AMI.

    Args:
        runs: by name; columns as in `iterations.csv`.
    """
    shown = [
        (column, title)
        for column, title in _COMPARED
        if any(column in table and table[column].notna().any() for table in runs.values())
    ]
    width = 1 if len(shown) == 1 else 2
    height = -(-len(shown) // width)
    figure = Figure(figsize=(4.2 * width + 2, 2.9 * height), layout="constrained")
    grid = figure.subplots(height, width, squeeze=False).ravel()
    for axes, (column, title) in zip(grid, shown, strict=False):
        for i, (name, table) in enumerate(runs.items()):
            if column in table:
                _draw_run(axes, table, column, name, i)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=column == "n_clusters"))
        axes.grid(axis="y", alpha=0.3)
        if column in _SHARES:
            # Differences of a hundredth do not fill the panel.
            axes.set_ylim(min(axes.get_ylim()[0], 0.9), 1.02)
    for axes in grid[len(shown) :]:
        axes.remove()
    handles: dict[str, Artist] = {}
    for axes in grid[: len(shown)]:
        handles |= {str(line.get_label()): line for line in axes.lines}
    ring = Line2D([], [], ls="", marker="o", ms=12, mfc="none", mec="black", label="kept iteration")
    lines = [handles[name] for name in runs if name in handles]
    figure.legend(handles=[*lines, ring], loc="outside right upper", frameon=False)
    return figure


def _draw_run(axes: Axes, table: pd.DataFrame, column: str, name: str, number: int) -> None:
    colour = COLOURS[number % len(COLOURS)]
    style = _LINE_STYLES[number // len(COLOURS) % len(_LINE_STYLES)]
    marker = MARKERS[number % len(MARKERS)]
    axes.plot(
        table["iteration"], table[column], color=colour, ls=style, marker=marker, ms=5, label=name
    )
    kept = table[table["kept"].astype(bool)]
    axes.plot(kept["iteration"], kept[column], ls="", marker="o", ms=12, mfc="none", mec=colour)
