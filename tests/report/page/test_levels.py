"""The levels of the page, and its plan of ROIs to check."""

import numpy as np

from darksound.report.page.levels import page_levels
from darksound.report.page.plan import planned_rows
from darksound.report.review_plan import review_plan


def test_leaves_are_parts_of_clusters_and_the_merges_join_them_first(result):
    levels = page_levels(result)
    cluster = result.clusters["cluster"].to_numpy()
    inside = cluster >= 0
    assert (levels.leaf[~inside] == -1).all()
    assert (levels.cluster[levels.leaf[inside]] == cluster[inside]).all()
    assert sorted(set(levels.leaf[inside])) == list(range(len(levels.cluster)))
    p = len(levels.cluster)
    assert levels.merges.shape == (p - 1, 3)
    # After the first p - 3 merges, each of the three clusters is one node.
    node = list(range(p))
    for number, (a, b, _) in enumerate(levels.merges[: p - 3], start=p):
        node = [number if each in (a, b) else each for each in node]
    assert len(set(node)) == 3
    assert all(len({node[i] for i in np.flatnonzero(levels.cluster == c)}) == 1 for c in range(3))


def test_without_a_plan_the_page_asks_about_the_one_that_is_drawn_by_default(result):
    rows = planned_rows(result)
    ids = result.rois.table["roi_id"].iloc[rows].tolist()
    assert ids == review_plan(result)["roi_id"].tolist()
    assert (result.clusters["cluster"].iloc[rows] >= 0).all()
