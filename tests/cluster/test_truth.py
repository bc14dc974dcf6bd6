"""What a person said, over what the clusterer found."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.cluster.clusterers.base import Clustering, in_order
from darksound.cluster.constraints import NOTHING_SAID, impose
from darksound.cluster.mec import mec_on_images
from darksound.cluster.pseudo_labels import pseudo_labels
from darksound.rois.review import read_review


def clustering(labels):
    labels = np.asarray(labels, dtype=np.int64)
    k = int(labels.max(initial=-1)) + 1
    persistence = np.linspace(0.5, 0.9, k)
    return in_order(
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
def test_groups_are_clusters_and_the_rest_stays_together(case):
    labels, groups = case
    found, said = clustering(labels), np.asarray(groups, dtype=np.int64)
    new = impose(found, said)
    spoken = said >= 0
    # One cluster a group, and one group a cluster.
    pairs = set(zip(said[spoken].tolist(), new.labels[spoken].tolist(), strict=True))
    assert len(pairs) == len({g for g, _ in pairs}) == len({c for _, c in pairs})
    assert (new.probability[spoken] == 1).all()
    # Of the others none changes company: they are together, apart or noise as they were.
    for before, after in ((found.labels, new.labels), (new.labels, found.labels)):
        moved = {(b, a) for b, a in zip(before[~spoken], after[~spoken], strict=True)}
        assert len(moved) == len({b for b, _ in moved})
    np.testing.assert_array_equal(new.labels[~spoken] < 0, found.labels[~spoken] < 0)
    # Clusters are numbered by size, without gaps.
    sizes = np.bincount(new.labels[new.labels >= 0], minlength=new.n_clusters)
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()


def test_a_group_keeps_the_cluster_that_has_most_of_it():
    found = clustering([0, 0, 0, 0, 0, 1, 1, 1, -1])
    groups = np.array([7, 7, 7, -1, 2, 7, -1, -1, 2])
    new = impose(found, groups)
    # 7 takes cluster 0 with the ROIs of which nobody spoke; 2, half noise, becomes a new one.
    assert new.labels.tolist() == [0, 0, 0, 0, 1, 0, 2, 2, 1]
    assert new.persistence.tolist() == [0.5, 0.0, 0.9]


def test_where_nobody_said_anything_nothing_changes():
    found = clustering([0, 0, 1, -1])
    assert impose(found, NOTHING_SAID) is found
    assert impose(found, np.full(4, -1)) is found


def test_a_loop_learns_from_a_review_and_keeps_it(
    make_images, tiny_learner, tiny_settings, tmp_path
):
    images = make_images([12, 12, 12], stray=2)
    ids = images.rois.table["roi_id"]
    groups = np.full(38, -1)
    groups[[0, 1, 2, 12, 13, 14]] = 4  # two sounds that a person takes for one
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
        learnt = pseudo_labels(state.last.clustering, tiny_settings)
        taught = dict(zip(learnt.rows.tolist(), learnt.labels.tolist(), strict=True))
        assert len({taught[i] for i in np.flatnonzero(groups == 4)}) == 1
        assert taught[0] not in {taught[i] for i in np.flatnonzero(groups == 9)}
    cluster = result.clusters["cluster"].to_numpy()
    assert len(set(cluster[groups == 4])) == 1
    assert len(set(cluster[groups == 9])) == 1
    assert cluster[0] != cluster[24]
