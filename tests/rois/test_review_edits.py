"""Splits and new groups from Python."""

import numpy as np
import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.rois.review import apply_review, read_review
from darksound.rois.review_edits import no_review, regroup, review_rows, split_review
from darksound.run.files import write_csv

RUN = pd.DataFrame({"roi_id": list("abcdefg"), "cluster": [0, 0, 1, 1, 2, 3, -1]}).assign(
    recording="r.wav", start_s=range(7), end_s=range(1, 8)
)


def written(review, tmp_path):
    """Return the review after it was written and read."""
    write_csv(tmp_path / "review.csv", review_rows(RUN, review))
    return read_review(tmp_path / "review.csv")


def groups(review):
    return apply_review(RUN, review).set_index("roi_id")["group"].to_dict()


def test_hits_from_several_clusters_and_noise_are_a_new_group(tmp_path):
    review = regroup(RUN, ["g", "a", "c"], " small  owl ")
    for each in (review, written(review, tmp_path)):
        assert groups(each) == {"a": 4, "b": 0, "c": 4, "d": 1, "e": 2, "f": 3, "g": 4}
        assert each.names == {4: "small owl"}
        # The other ROIs of the clusters may be of the same call type.
        assert each.constraints(RUN["roi_id"]).tolist() == [4, -1, 4, -1, -1, -1, 4]


def test_hits_join_the_group_of_their_name_and_leave_their_clusters_where_they_are(tmp_path):
    first = split_review(RUN, RUN["roi_id"][4:5], np.zeros(1, np.int64), ["owl"])
    review = regroup(RUN, ["a"], "owl", first)
    for each in (review, written(review, tmp_path)):
        assert groups(each) == {"a": 2, "b": 0, "c": 1, "d": 1, "e": 2, "f": 3, "g": -1}
        assert each.names == {2: "owl"}
    again = regroup(RUN, ["c"], "owl", review)
    assert groups(again)["c"] == groups(written(again, tmp_path))["c"] == 2


def test_a_cluster_is_split_and_its_parts_are_named(tmp_path):
    parts = np.arange(2, dtype=np.int64)
    review = split_review(RUN, RUN["roi_id"][2:4], parts, ["", "owl"])
    for each in (review, written(review, tmp_path)):
        assert groups(each) == {"a": 0, "b": 0, "c": 1, "d": 4, "e": 2, "f": 3, "g": -1}
        assert each.names == {4: "owl"}
    # A second split has further numbers.
    second = split_review(RUN, RUN["roi_id"][:2], parts, review=review)
    assert groups(written(second, tmp_path))["b"] == 5


def test_names_and_rejections_of_other_rois_stay(tmp_path):
    path = tmp_path / "given.csv"
    path.write_text(
        "roi_id,cluster,group,name,rejected,verdict\na,0,0,wren,false,yes\ne,2,2,,true,\n"
    )
    review = written(regroup(RUN, ["c"], "owl", read_review(path)), tmp_path)
    assert review.names == {0: "wren", 4: "owl"}
    assert review.rejected(RUN["roi_id"]).tolist() == [False] * 4 + [True, False, False]
    assert review.table.set_index("roi_id")["verdict"]["a"] == "yes"


def test_unknown_rois_and_equal_names_are_errors():
    with pytest.raises(InputError, match="no ROI with the roi_id 'z'"):
        regroup(RUN, ["z"])
    with pytest.raises(InputError, match="no ROIs for a group"):
        regroup(RUN, [])
    with pytest.raises(InputError, match="another name"):
        split_review(RUN, RUN["roi_id"][:2], np.arange(2, dtype=np.int64), ["owl", "owl"])
    assert groups(regroup(RUN, ["a"], review=no_review()))["a"] == 4
