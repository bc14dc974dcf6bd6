"""Outlines of clusters on the figures of maps."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from darksound.report.map_labels import outline_clusters


def test_an_outline_leaves_out_the_tenth_that_is_farthest() -> None:
    # Nine points of a grid of 2 x 2, one far away; two points; three on a line; noise.
    grid = [(float(x), float(y)) for x in (0, 1, 2) for y in (0, 1, 2)]
    places = [*grid, (50.0, 50.0), (7.0, 7.0), (8.0, 8.0), (10, 0), (11, 0), (12, 0), (90, 90)]
    numbers = [0] * 10 + [1] * 2 + [2] * 3 + [-1]
    table = pd.DataFrame(places, columns=["x", "y"]).assign(cluster=numbers)
    axes = Figure().subplots()
    outline_clusters(axes, table, {0: "red", 1: "blue", 2: "green"})
    (outline,) = (patch for patch in axes.patches if isinstance(patch, Polygon))
    corners = {tuple(corner) for corner in np.round(outline.get_xy()).tolist()}
    assert {(0, 0), (0, 2), (2, 2), (2, 0)} <= corners <= set(grid)
    assert outline.get_edgecolor()[:3] == (1, 0, 0)
