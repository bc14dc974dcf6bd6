"""Splits and groups of a result, from Python."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from darksound.errors import InputError
from darksound.report.result import read_run
from darksound.report.reviewing import group_rois, save_review, split_cluster


@pytest.fixture
def result(tmp_path, small_run):
    """Return a result of five ROIs, of which cluster 0 has two and noise one."""
    return read_run(small_run())


@pytest.fixture
def two_branches(result):
    """Return the result with all but the noise in one cluster of two tight pairs."""
    clusters = result.clusters.assign(cluster=[0, 0, 0, 0, -1], supercluster=[0, 0, 0, 0, -1])
    x = np.array([[0, 1], [0.01, 1], [1, 0], [1, 0.01], [0, 1.1]], dtype=np.float32)
    return replace(result, clusters=clusters, embeddings=x, tree=linkage(x, "average"))


def test_a_cluster_is_split_by_its_branch_of_the_tree(two_branches, tmp_path):
    review = split_cluster(two_branches, 0, names=["", "owl"])
    save_review(review, two_branches, tmp_path / "review.csv")
    for each in (review, tmp_path / "review.csv"):
        reviewed = two_branches.reviewed(each)
        assert reviewed.clusters["cluster"].tolist() == [0, 0, 1, 1, -1]
        # The parts are in the supercluster of their cluster.
        assert reviewed.clusters["supercluster"].tolist() == [0, 0, 0, 0, -1]
    ids = two_branches.rois.table["roi_id"]
    assert review.constraints(ids).tolist() == [0, 0, 1, 1, -1]


def test_marked_clips_become_a_group_of_their_own(two_branches):
    ids = two_branches.rois.table["roi_id"]
    review = split_cluster(two_branches, 0, marked=[ids[3]], names=["wren", "owl"])
    assert two_branches.reviewed(review).clusters["cluster"].tolist() == [0, 0, 0, 1, -1]
    assert review.names == {0: "wren", 1: "owl"}


def test_a_group_of_noise_is_a_supercluster_of_its_own_and_exports_have_its_name(result, tmp_path):
    ids = result.rois.table["roi_id"]
    review = group_rois(result, [ids[4]], "rattle")
    save_review(review, result, tmp_path / "review.csv")
    reviewed = result.reviewed(tmp_path / "review.csv")
    assert reviewed.clusters["cluster"].tolist() == [0, 1, 1, 0, 2]
    assert reviewed.clusters["supercluster"].tolist() == [0, 1, 1, 0, 2]
    out = tmp_path / "clusters.csv"
    result.export("csv", out, review=tmp_path / "review.csv")
    assert out.read_text().count("rattle") == 1


def test_the_dataset_of_a_review_has_a_folder_for_each_named_part(two_branches, tmp_path):
    review = tmp_path / "review.csv"
    save_review(split_cluster(two_branches, 0, names=["wren", "owl"]), two_branches, review)
    two_branches.export("dataset", tmp_path / "set", review=review)
    counts = {name: len(list((tmp_path / "set" / name).iterdir())) for name in ("wren", "owl")}
    assert counts == {"wren": 2, "owl": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cluster": 9}, "no cluster 9"),
        ({"cluster": -1}, "no cluster -1"),
        ({"cluster": 0, "parts": 1}, "split it into 2 to 4 parts, not 1"),
        ({"cluster": 0, "parts": 5}, "not 5"),
        ({"cluster": 0, "marked": []}, "not all or none"),
        ({"cluster": 0, "marked": ["gone"]}, "no ROI with the roi_id 'gone'"),
    ],
)
def test_impossible_splits_are_errors(two_branches, arguments, message):
    with pytest.raises(InputError, match=message):
        split_cluster(two_branches, **arguments)
