"""Figures: maps, iterations, cluster sizes, accumulation, confusion and label matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment

from darksound.report.map_labels import label_clusters, outline_clusters

__all__ = [
    "COLOURS",
    "MARKERS",
    "before_after_map",
    "cluster_map",
    "confusion_matrix",
    "iterations_plot",
    "label_counts_plot",
    "label_matrix",
    "png",
    "sizes_plot",
    "svg",
    "write_shares",
]

#: Colours of Okabe and Ito (2008), the most distinct first.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
#: Markers of series, in the same order.
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">", "p", "h")
_GREY, _DARK_GREY = "#B4B4B4", "#555555"
_LEGEND_ROWS = 24
_MAX_LEGEND = 60
# Vector files with more points are too large for most programs; these are rasterised.
_MAX_VECTOR_POINTS = 20_000


def png(figure: Figure, dpi: int = 150) -> bytes:
    """Return the figure as a PNG file; the same figure gives the same bytes."""
    FigureCanvasAgg(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """Return the figure as an SVG file with text as text; the same figure gives the same bytes."""
    buffer = BytesIO()
    with rc_context({"svg.hashsalt": "darksound", "svg.fonttype": "none"}):
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def confusion_matrix(counts: npt.NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Return a confusion matrix, normalised by the true class.

    Args:
        counts: `(n, n)`, rows are true classes, columns predicted ones.
        classes: `n` names.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(classes)
    side = min(4.0 + 0.28 * n, 16.0)
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    size = 9 if n <= 20 else max(2.0, min(6.0, 480 / n))
    axes.set_xticks(range(n), list(classes), rotation=90, fontsize=size)
    axes.set_yticks(range(n), list(classes), fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if n <= 20:
        write_shares(axes, shares)
    return figure


def write_shares(axes: Axes, shares: npt.NDArray[np.float64]) -> None:
    """Write the shares `(n, m)` of a matrix into its cells in percent, without zeros."""
    for (i, j), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.6 else "black"
            text = f"{100 * share:.0f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)


def cluster_map(
    clusters: pd.DataFrame,
    labels: npt.NDArray[np.object_] | None = None,
    title: str = "",
    cluster_names: Mapping[int, str] | None = None,
    *,
    method: str | None = None,
    grouping: str = "label",
) -> Figure:
    """Return the map of ROIs, coloured by cluster and, if labels exist, also by label.

    Args:
        clusters: columns `x`, `y` and `cluster` (-1 is noise, grey).
        labels: `(n,)`, None for a ROI without a label (grey).
        grouping: what the labels are, such as sites.
        title: title of the figure.
        cluster_names: names of clusters; the others are shown by number.
        method: title of the method that made the map, for the caption.
    """
    colourings = _colourings(clusters, labels, cluster_names or {}, grouping)
    figure = Figure(figsize=(12 if len(colourings) > 1 else 7, 5.4), layout="constrained")
    axes = figure.subplots(1, len(colourings), squeeze=False)[0]
    for panel, colouring in zip(axes, colourings, strict=True):
        _scatter(panel, clusters, colouring)
        panel.set_title(colouring.title)
    if title:
        figure.suptitle(title)
    _write_method(figure, method)
    colours = {
        number: COLOURS[colourings[0].order.index(name) % len(COLOURS)]
        for number, name in zip(clusters["cluster"], colourings[0].groups, strict=True)
        if name is not None
    }
    outline_clusters(axes[0], clusters, colours)
    label_clusters(figure, axes[0], clusters, cluster_names or {})
    return figure


def _write_method(figure: Figure, method: str | None) -> None:
    if method is not None:
        caption = f"Map of the embeddings by {method}; its axes have no unit."
        figure.supxlabel(caption, fontsize=8, color=_DARK_GREY)


def before_after_map(
    before: npt.NDArray[np.float32],
    clusters: pd.DataFrame,
    labels: npt.NDArray[np.object_] | None = None,
    cluster_names: Mapping[int, str] | None = None,
    *,
    method: str | None = None,
) -> Figure:
    """Return the maps of the embeddings before MEC and of the kept iteration, side by side.

    Both are coloured by the clusters of the kept iteration and, if labels exist, below also by
    label. The map before MEC is turned and mirrored so that it is most like the other one, since
    the axes of a map have no meaning.

    Args:
        before: `(n, 2)` coordinates of iteration 0.
        clusters: columns `x`, `y` and `cluster` of the kept iteration (-1 is noise, grey).
        labels: `(n,)`, None for a ROI without a label (grey).
        cluster_names: names of clusters; the others are shown by number.
        method: title of the method that made both maps, for the caption.
    """
    colourings = _colourings(clusters, labels, cluster_names or {})
    after = clusters[["x", "y"]].to_numpy(dtype=np.float64)
    centred = before - before.mean(axis=0, dtype=np.float64)
    rotation, _ = orthogonal_procrustes(centred, after - after.mean(axis=0))
    aligned = pd.DataFrame(centred @ rotation, columns=["x", "y"])
    rows = len(colourings)
    figure = Figure(figsize=(11.5, 0.4 + 4.6 * rows), layout="constrained")
    for panels, colouring in zip(figure.subplots(rows, 2, squeeze=False), colourings, strict=True):
        _scatter(panels[0], aligned, colouring, legend=False)
        _scatter(panels[1], clusters, colouring)
        panels[0].set_ylabel(colouring.title, fontsize=11)
        panels[0].set_title("before MEC")
        panels[1].set_title("after MEC")
    _write_method(figure, method)
    return figure


def iterations_plot(iterations: pd.DataFrame) -> Figure:
    """Return the metrics by iteration, with a line at the kept iteration.

    Args:
        iterations: columns as in `iterations.csv`.
    """
    shown = [
        ("coverage", "coverage"),
        ("dbcv", "DBCV"),
        ("ami_previous", "AMI with the previous iteration"),
        ("ami_all", "AMI over all ROIs"),
        ("ari_all", "ARI over all ROIs"),
    ]
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for (column, name), colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
        if column in iterations.columns and iterations[column].notna().any():
            x, y = iterations["iteration"], iterations[column]
            axes.plot(x, y, color=colour, marker=marker, label=name)
    for kept in iterations.loc[iterations["kept"].astype(bool), "iteration"]:
        axes.axvline(kept, color=_GREY, linestyle="--", label="kept", zorder=0)
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.set_ylim(top=1.02)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


@dataclass(frozen=True)
class _Colouring:
    """Groups of the points of a map.

    Attributes:
        title: what the groups are.
        groups: `(n,)` name of the group of each point, None for none.
        order: names of the groups, in the order of the legend.
        no_group: name of the points without a group.
    """

    title: str
    groups: Sequence[Any]
    order: Sequence[str]
    no_group: str


def _colourings(
    clusters: pd.DataFrame,
    labels: npt.NDArray[np.object_] | None,
    cluster_names: Mapping[int, str],
    grouping: str = "label",
) -> list[_Colouring]:
    """Return the colouring by cluster and, if there are labels, the one by label."""
    numbers = sorted({int(c) for c in clusters["cluster"] if c >= 0})
    titles = {c: cluster_names.get(c, f"cluster {c}") for c in numbers}
    groups = [titles.get(c) for c in clusters["cluster"]]
    colourings = [_Colouring("by cluster", groups, list(dict.fromkeys(titles.values())), "noise")]
    if labels is not None and any(label is not None for label in labels):
        present = sorted({label for label in labels if label is not None})
        colourings.append(_Colouring(f"by {grouping}", list(labels), present, f"no {grouping}"))
    return colourings


def _scatter(axes: Axes, points: pd.DataFrame, colouring: _Colouring, legend: bool = True) -> None:
    names, order = colouring.groups, colouring.order
    name_of_row = np.asarray(["" if name is None else name for name in names], dtype=object)
    size = float(np.clip(20_000 / max(len(points), 1), 3, 28))
    groups = [(colouring.no_group, "", _GREY, ".")]
    for i, name in enumerate(order):
        groups.append((name, name, COLOURS[i % len(COLOURS)], _marker(i)))
    for label, name, colour, marker in groups:
        rows = name_of_row == name
        if rows.any():
            x, y = points["x"].to_numpy()[rows], points["y"].to_numpy()[rows]
            axes.scatter(
                *(x, y), s=size, c=colour, marker=marker, linewidths=0, label=label,
                rasterized=len(points) > _MAX_VECTOR_POINTS,
            )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    if legend and 0 < len(order) <= _MAX_LEGEND:
        axes.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            ncols=1 + len(order) // _LEGEND_ROWS,
            fontsize=8,
            frameon=False,
            markerscale=max(1.0, (25 / size) ** 0.5),
        )


def _marker(i: int) -> str:
    return MARKERS[(i // len(COLOURS)) % len(MARKERS)]


_BAR = COLOURS[0]
_MAX_NAMED_BARS = 50
_MAX_CELLS_WITH_TEXT = 25
_MAX_NAME_LENGTH = 40


def sizes_plot(clusters: "pd.Series[int]", cluster_names: Mapping[int, str]) -> Figure:
    """Return the number of ROIs of each cluster, the largest on top, and of noise.

    Args:
        clusters: `(n,)`, -1 is noise.
        cluster_names: names of clusters; the others are shown by number.
    """
    sizes = clusters[clusters >= 0].value_counts()
    names = [_name(number, cluster_names) for number in sizes.index]
    named = list(zip(names, sizes.tolist(), strict=True))
    return _bars("clusters", named, "noise", int((clusters < 0).sum()))


def label_counts_plot(labels: npt.NDArray[np.object_]) -> Figure:
    """Return the number of ROIs of each label, the largest on top, and of ROIs without a label.

    Args:
        labels: `(n,)`, None for a ROI without a label.
    """
    counts = pd.Series(labels, dtype=object).value_counts()
    named = [(_short(str(name)), int(n)) for name, n in counts.items()]
    return _bars("labels", named, "no label", len(labels) - int(counts.sum()))


def _bars(what: str, sizes: Sequence[tuple[str, int]], rest: str, n_rest: int) -> Figure:
    """Return horizontal bars, in grey and last the one of the `n_rest` ROIs without a group."""
    has_names = len(sizes) <= _MAX_NAMED_BARS
    names = [name for name, _ in sizes] + [rest] * bool(n_rest)
    counts = [n for _, n in sizes] + [n_rest] * bool(n_rest)
    colours = [_BAR] * len(sizes) + [_GREY] * bool(n_rest)
    height = 0.9 + 0.24 * len(counts) if has_names else 6.0
    figure = Figure(figsize=(6.5, max(height, 1.8)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(range(len(counts)), counts, color=colours, height=0.8 if has_names else 1.0)
    axes.invert_yaxis()
    axes.set_xlabel("ROIs")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    if has_names:
        axes.set_yticks(range(len(names)), names, fontsize=9)
        axes.bar_label(bars, fontsize=8, padding=3)
    else:
        axes.set_ylabel(f"{what}, the largest on top" + (f" ({rest} in grey)" if n_rest else ""))
    return figure


def label_matrix(
    clusters: npt.NDArray[np.int64],
    labels: npt.NDArray[np.object_],
    cluster_names: Mapping[int, str],
) -> Figure:
    """Return the clusters of the ROIs of each label, as shares of the label.

    Clusters are ordered by the best one-to-one match to the labels (Kuhn 1955), followed by the
    other clusters and noise.

    Args:
        clusters: `(n,)`, -1 is noise.
        labels: `(n,)`, None for a ROI without a label, which is not counted; at least one label.
        cluster_names: names of clusters; the others are shown by number.
    """
    labelled = np.array([label is not None for label in labels], dtype=bool)
    rows, row_of = np.unique(labels[labelled].astype(str), return_inverse=True)
    columns, column_of = np.unique(clusters[labelled], return_inverse=True)
    counts = np.zeros((len(rows), len(columns)), dtype=np.int64)
    np.add.at(counts, (row_of, column_of), 1)
    order = _matched_order(counts, columns)
    shares = counts[:, order] / counts.sum(axis=1, keepdims=True)
    names = ["noise" if columns[i] < 0 else _name(int(columns[i]), cluster_names) for i in order]
    return _draw_matrix(shares, [_short(str(name)) for name in rows], names)


def _matched_order(counts: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> list[int]:
    clusters = np.flatnonzero(columns >= 0)
    _, matches = linear_sum_assignment(-counts[:, clusters])
    matched = clusters[matches].tolist()
    others = [int(i) for i in clusters if i not in set(matched)]
    return [*matched, *others, *np.flatnonzero(columns < 0).tolist()]


def _draw_matrix(shares: npt.NDArray[np.float64], rows: list[str], columns: list[str]) -> Figure:
    height, width = shares.shape
    cell = 0.34 if max(height, width) <= 30 else 10 / max(height, width)
    size = 9 if cell >= 0.3 else max(2.0, 30 * cell)
    # A letter is about half as wide as high; a point is 1/72 inch.
    left, below = (0.55 * size / 72 * max(map(len, names)) for names in (rows, columns))
    figure = Figure(
        figsize=(1.6 + left + cell * width, max(0.4 + below + cell * height, 2.2)),
        layout="compressed",
    )
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="equal")
    figure.colorbar(image, ax=axes, label="share of the label", shrink=0.7, aspect=16)
    axes.set_xticks(range(width), columns, rotation=90, fontsize=size)
    axes.set_yticks(range(height), rows, fontsize=size)
    axes.set_ylabel("label")
    if max(height, width) <= _MAX_CELLS_WITH_TEXT:
        write_shares(axes, shares)
    return figure


def _name(number: int, cluster_names: Mapping[int, str]) -> str:
    return _short(cluster_names.get(number, f"cluster {number}"))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_NAME_LENGTH else f"{text[: _MAX_NAME_LENGTH - 1]}…"
