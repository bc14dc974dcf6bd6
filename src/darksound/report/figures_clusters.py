"""Figures of clusters: their sizes, how they accumulate, and how they go with labels."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.optimize import linear_sum_assignment

from darksound.report.accumulation import Accumulation
from darksound.report.figures import COLOURS, write_shares

__all__ = ["accumulation_plot", "label_matrix", "sizes_plot"]

_BAR, _NOISE, _CURVE, _ESTIMATE = COLOURS[0], "#B4B4B4", COLOURS[0], COLOURS[5]
_MOST_NAMED = 50
_MOST_WRITTEN = 25
_LONGEST = 40


def sizes_plot(clusters: "pd.Series[int]", called: Mapping[int, str]) -> Figure:
    """How many ROIs each cluster has, the largest on top, and how many are noise.

    Args:
        clusters: `(n,)`, -1 noise.
        called: names of clusters that have one.
    """
    sizes = clusters[clusters >= 0].value_counts()
    named = len(sizes) <= _MOST_NAMED
    noise = int((clusters < 0).sum())
    names = [_name(number, called) for number in sizes.index] + ["noise"] * bool(noise)
    counts = [*sizes.tolist(), *([noise] if noise else [])]
    colours = [_BAR] * len(sizes) + [_NOISE] * bool(noise)
    height = 0.9 + 0.24 * len(counts) if named else 6.0
    figure = Figure(figsize=(6.5, max(height, 1.8)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(range(len(counts)), counts, color=colours, height=0.8 if named else 1.0)
    axes.invert_yaxis()
    axes.set_xlabel("ROIs")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    if named:
        axes.set_yticks(range(len(names)), names, fontsize=9)
        axes.bar_label(bars, fontsize=8, padding=3)
    else:
        axes.set_ylabel("clusters, the largest on top" + (" (noise in grey)" if noise else ""))
    return figure


def accumulation_plot(found: Accumulation) -> Figure:
    """The rarefaction curve with its interval, and the estimate of all clusters with its own."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    curve, estimate = found.curve, found.chao2
    axes.axhspan(estimate.low, estimate.high, color=_ESTIMATE, alpha=0.12, lw=0)
    axes.axhline(
        estimate.estimate,
        color=_ESTIMATE,
        ls="--",
        label=f"Chao2: {estimate.estimate:.1f} ({estimate.low:.1f} to {estimate.high:.1f})",
    )
    axes.fill_between(curve["units"], curve["low"], curve["high"], color=_CURVE, alpha=0.2, lw=0)
    # A curve of one point is no line.
    marker = "o" if len(curve) == 1 else ""
    axes.plot(curve["units"], curve["mean"], color=_CURVE, marker=marker, label="expected")
    axes.set_xlabel("recordings" if found.unit == "recording" else "hours of recording")
    axes.set_ylabel("clusters")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    return figure


def label_matrix(
    clusters: npt.NDArray[np.int64],
    labels: npt.NDArray[np.object_],
    called: Mapping[int, str],
) -> Figure:
    """Which clusters the ROIs of each label are in, as shares of the label.

    Clusters stand in the order in which they match the labels best one to one (Kuhn 1955), the
    others behind, noise last.

    Args:
        clusters: `(n,)`, -1 noise.
        labels: `(n,)`, None for a ROI without one; those do not count. One at least has one.
        called: names of clusters that have one.
    """
    known = np.array([label is not None for label in labels], dtype=bool)
    rows, row_of = np.unique(labels[known].astype(str), return_inverse=True)
    columns, column_of = np.unique(clusters[known], return_inverse=True)
    counts = np.zeros((len(rows), len(columns)), dtype=np.int64)
    np.add.at(counts, (row_of, column_of), 1)
    order = _matched(counts, columns)
    shares = counts[:, order] / counts.sum(axis=1, keepdims=True)
    names = ["noise" if columns[i] < 0 else _name(int(columns[i]), called) for i in order]
    return _draw_matrix(shares, [_short(str(name)) for name in rows], names)


def _matched(counts: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> list[int]:
    inside = np.flatnonzero(columns >= 0)
    _, chosen = linear_sum_assignment(-counts[:, inside])
    first = inside[chosen].tolist()
    rest = [int(i) for i in inside if i not in set(first)]
    return [*first, *rest, *np.flatnonzero(columns < 0).tolist()]


def _draw_matrix(shares: npt.NDArray[np.float64], rows: list[str], columns: list[str]) -> Figure:
    height, width = shares.shape
    cell = 0.34 if max(height, width) <= 30 else 10 / max(height, width)
    size = 9 if cell >= 0.3 else max(2.0, 30 * cell)
    # A letter is some half as wide as it is high; a point is the 72nd part of an inch.
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
    if max(height, width) <= _MOST_WRITTEN:
        write_shares(axes, shares)
    return figure


def _name(number: int, called: Mapping[int, str]) -> str:
    return _short(called.get(number, f"cluster {number}"))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
