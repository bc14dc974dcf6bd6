"""Constraints of a review on a clustering."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.cluster.clusterers.base import Clustering, number_by_size
from darksound.cluster.mec import mec_on_images
from darksound.cluster.pseudo_labels import NO_CONSTRAINTS, apply_constraints, pseudo_labels
from darksound.rois.review import read_review


def clustering(labels):
    labels = np.asarray(labels, dtype=np.int64)
    k = int(labels.max(initial=-1)) + 1
    persistence = np.linspace(0.5, 0.9, k)
    return number_by_size(
        Clustering(labels, np.where(labels < 0, 0, 0.4), np.zeros(labels.size), persistence)
    )


cases = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-1, 4), min_size=n, max_size=n).map(
            lambda labels: [sorted({*labels} - {-1}).index(x) if x >= 0 else -1 for x in labels]
        ),
        st.lists(st.integers(-1, 3), min_size=n, max_size=n),
    )
)


@given(cases)
@settings(max_examples=300, deadline=None)
def test_each_group_is_in_one_cluster_and_other_rois_keep_theirs(case):
    labels, groups = case
    before, groups = clustering(labels), np.asarray(groups, dtype=np.int64)
    after = apply_constraints(before, groups)
    reviewed = groups >= 0
    # One cluster per group, and one group per cluster.
    pairs = set(zip(groups[reviewed].tolist(), after.labels[reviewed].tolist(), strict=True))
    assert len(pairs) == len({g for g, _ in pairs}) == len({c for _, c in pairs})
    assert (after.probability[reviewed] == 1).all()
    # The other ROIs are in the same cluster, in different ones or noise, as before.
    old, new = before.labels[~reviewed], after.labels[~reviewed]
    for first, second in ((old, new), (new, old)):
        moves = set(zip(first.tolist(), second.tolist(), strict=True))
        assert len(moves) == len({start for start, _ in moves})
    np.testing.assert_array_equal(new < 0, old < 0)
    # Clusters are numbered by size, without gaps.
    sizes = np.bincount(after.labels[after.labels >= 0], minlength=after.n_clusters)
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()


def test_a_group_gets_the_cluster_with_most_of_its_rois():
    before = clustering([0, 0, 0, 0, 0, 1, 1, 1, -1])
    groups = np.array([7, 7, 7, -1, 2, 7, -1, -1, 2])
    after = apply_constraints(before, groups)
    # Group 7 gets cluster 0 with its ROIs that were not reviewed; group 2 becomes a new cluster.
    assert after.labels.tolist() == [0, 0, 0, 0, 1, 0, 2, 2, 1]
    assert after.persistence.tolist() == [0.5, 0.0, 0.9]


def test_rois_without_a_group_go_with_the_nearest_part_of_a_split_cluster():
    before = clustering([0] * 7 + [1, 1, 1])
    groups = np.array([4, 4, 4, 5, 5, -1, -1, -1, -1, -1])
    x = np.array([[1, 0]] * 3 + [[0, 1]] * 2 + [[1, 0.2], [0.2, 1]] + [[0, 1]] * 3, np.float32)
    after = apply_constraints(before, groups, x)
    # Group 5 is a new cluster, with the ROI near it; cluster 1 has no group and is as before.
    assert after.labels[:7].tolist() == [0, 0, 0, 1, 1, 0, 1]
    assert after.labels[7:].tolist() == [2, 2, 2]
    assert apply_constraints(before, groups).labels[:7].tolist() == [0, 0, 0, 2, 2, 0, 0]


def test_rois_of_a_cluster_with_one_group_stay_in_it():
    before = clustering([0, 0, 0, 1, 1])
    groups = np.array([4, -1, -1, -1, -1])
    x = np.array([[1, 0], [0, 1], [0, 1], [1, 0], [1, 0]], np.float32)
    assert apply_constraints(before, groups, x).labels.tolist() == [0, 0, 0, 1, 1]


def test_without_reviewed_rois_nothing_changes():
    before = clustering([0, 0, 1, -1])
    assert apply_constraints(before, NO_CONSTRAINTS) is before
    assert apply_constraints(before, np.full(4, -1)) is before


def test_the_loop_applies_a_review_in_every_iteration(
    make_images, tiny_learner, tiny_settings, tmp_path
):
    images = make_images([12, 12, 12], stray=2)
    ids = images.rois.table["roi_id"]
    groups = np.full(38, -1)
    groups[[0, 1, 2, 12, 13, 14]] = 4  # two call types that a reviewer merged
    groups[[24, 25, 26]] = 9
    path = tmp_path / "review.csv"
    lines = [f"{ids[i]},r,0,1,{groups[i]},{groups[i]},,false" for i in np.flatnonzero(groups >= 0)]
    path.write_text(
        "roi_id,recording,start_s,end_s,cluster,group,name,rejected\n" + "\n".join(lines)
    )
    states = []
    result = mec_on_images(
        images,
        tiny_learner,
        tiny_settings.replace(mec={"iterations": 1, "min_probability": 0.9}),
        on_iteration=lambda figures, state: states.append(state),
        review=read_review(path),
    )
    assert len(states) == 2
    for state in states:
        pseudo = pseudo_labels(state.last.clustering, tiny_settings.episodes, 0.5)
        label_of = dict(zip(pseudo.rows.tolist(), pseudo.labels.tolist(), strict=True))
        assert len({label_of[i] for i in np.flatnonzero(groups == 4)}) == 1
        assert label_of[0] not in {label_of[i] for i in np.flatnonzero(groups == 9)}
    cluster = result.clusters["cluster"].to_numpy()
    assert len(set(cluster[groups == 4])) == 1
    assert len(set(cluster[groups == 9])) == 1
    assert cluster[0] != cluster[24]
