"""Outlines of clusters, and their numbers or names without overlap, on the figures of maps."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from scipy.spatial import ConvexHull, QhullError

from darksound.cluster.metrics import NOISE

__all__ = ["label_clusters", "outline_clusters"]

# Share of the ROIs of a cluster, those nearest to its middle, that its outline is drawn around.
_OUTLINED = 0.9

# Offsets of a label from its place, as parts of its width and height.
_OFFSETS = ((0, 0), (0, 1), (0, -1), (0.8, 0.6), (-0.8, 0.6), (0.8, -0.6), (-0.8, -0.6))
_FONT_SIZE = 8


def label_clusters(
    figure: Figure, axes: Axes, clusters: pd.DataFrame, names: Mapping[int, str]
) -> None:
    """Write the name or number of each cluster at the median of its ROIs.

    Labels of clusters with more ROIs come first; one without room for it beside the others is left
    out.

    Args:
        figure: the figure of `axes`, complete but for the labels.
        axes: a map.
        clusters: columns `x`, `y` and `cluster` (-1 is noise).
        names: names of clusters; the others are shown by number.
    """
    inside = clusters[clusters["cluster"] != NOISE]
    centres = inside.groupby("cluster")[["x", "y"]].median()
    figure.draw_without_rendering()
    taken: list[Bbox] = []
    for number in inside["cluster"].value_counts(sort=True).index.tolist():
        place = centres.loc[number].to_numpy(np.float64)
        label = axes.text(
            float(place[0]),
            float(place[1]),
            names.get(number) or str(number),
            ha="center",
            va="center",
            fontsize=_FONT_SIZE,
            fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=5,
        )
        box = label.get_window_extent()
        for dx, dy in _OFFSETS:
            moved = box.translated(dx * box.width, dy * box.height)
            if not any(moved.overlaps(other) for other in taken):
                shifted = axes.transData.transform(place)
                shifted = shifted + np.array([dx * box.width, dy * box.height])
                label.set_position(tuple(axes.transData.inverted().transform(shifted)))
                taken.append(moved)
                break
        else:
            label.remove()
    # The layout stays as it was measured.
    figure.set_layout_engine("none")


def outline_clusters(axes: Axes, clusters: pd.DataFrame, colours: Mapping[int, str]) -> None:
    """Draw the convex hull of the nine tenths of each cluster that are nearest to its median.

    Clusters of fewer than three ROIs, or of ROIs on a line, have no outline.

    Args:
        axes: a map.
        clusters: columns `x`, `y` and `cluster` (-1 is noise).
        colours: colour of each cluster.
    """
    inside = clusters[clusters["cluster"] != NOISE]
    for number in inside["cluster"].unique().tolist():
        places = inside.loc[inside["cluster"] == number, ["x", "y"]].to_numpy(np.float64)
        distance = np.linalg.norm(places - np.median(places, axis=0), axis=1)
        n_kept = max(3, int(np.ceil(_OUTLINED * len(places))))
        kept = places[np.argsort(distance, kind="stable")[:n_kept]]
        try:
            corners = kept[ConvexHull(kept).vertices]
        except (QhullError, ValueError):
            continue
        colour = colours[number]
        axes.add_patch(Polygon(corners, fill=False, edgecolor=colour, linewidth=0.8, alpha=0.7))
