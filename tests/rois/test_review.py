"""Reviews of clusters: reading, applying, and transferring them to a new run."""

from pathlib import Path

import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.rois.review import COLUMNS, apply_review, read_review, transfer_review
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.run.files import write_csv
from darksound.store.readers import DispatchReader

HEADER = ",".join(COLUMNS)


def review(tmp_path: Path, *rows: str, header: str = HEADER):
    path = tmp_path / "review.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_review(path)


def row(roi, cluster, group=None, name="", rejected="false", verdict=""):
    group = cluster if group is None else group
    return f'{roi},"a, ""b"".wav",0.5,1.0,{cluster},{group},{name},{rejected},{verdict}'


def table(**clusters):
    return pd.DataFrame({"roi_id": list(clusters), "cluster": list(clusters.values())})


RUN = table(a=0, b=0, c=1, d=1, e=2, f=3, g=-1)


def test_names_merges_and_rejections_are_applied(tmp_path):
    edits = review(
        tmp_path,
        row("a", 0, 1, '"Wren, the ""small"" one"'),
        row("b", 0, 1, '"Wren, the ""small"" one"'),
        row("c", 1, 1, '"Wren, the ""small"" one"'),
        row("e", 2, rejected="true"),
        row("g", -1, rejected="TRUE"),
    )
    result = apply_review(RUN, edits)
    assert result["roi_id"].tolist() == ["a", "b", "c", "d", "f"]
    # The file does not have d, but it has another ROI of its cluster.
    assert result["group"].tolist() == [1, 1, 1, 1, 3]
    assert result["name"].tolist() == ['Wren, the "small" one'] * 4 + ["cluster 3"]
    assert result.index.tolist() == [0, 1, 2, 3, 5]
    assert edits.constraints(RUN["roi_id"]).tolist() == [1, 1, 1, -1, -1, -1, -1]


def test_without_a_review_clusters_are_named_by_number():
    result = apply_review(RUN, None)
    assert result["group"].tolist() == RUN["cluster"].tolist()
    assert result["name"].tolist()[-2:] == ["cluster 3", "noise"]


@pytest.mark.parametrize(
    ("true", "false"), [("TRUE", "FALSE"), ("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("1", "0")]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_review_that_a_spreadsheet_saved_is_read(tmp_path, true, false, encoding):
    rows = [
        "roi_id;recording;start_s;end_s;cluster;group;name;rejected",
        f"a;x.wav;0,5;1;0;1;Zaunkönig;{false}",
        f"c;x.wav;1,5;2;1;1,0;Zaunkönig ;{false}",
        f"e;x.wav;2,5;3;2;2;;{true}",
        ";;;;;;;",
    ]
    path = tmp_path / "review.csv"
    path.write_bytes("\r\n".join(rows).encode(encoding))
    result = apply_review(RUN, read_review(path))
    assert result["roi_id"].tolist() == list("abcdfg")
    assert result["name"].tolist() == ["Zaunkönig"] * 4 + ["cluster 3", "noise"]


def test_groups_with_the_same_name_are_one_group(tmp_path):
    edits = review(tmp_path, row("a", 0, name="wren"), row("e", 2, name=" wren "), row("f", 3))
    result = apply_review(RUN, edits)
    assert result["group"].tolist() == [0, 0, 1, 1, 0, 3, -1]
    assert edits.names == {0: "wren"}


def test_a_split_cluster_has_several_groups(tmp_path):
    edits = review(tmp_path, row("a", 0), row("b", 0, 4, "owl"), row("c", 1, 0), row("d", 1, 0))
    result = apply_review(RUN, edits)
    assert result["group"].tolist() == [0, 4, 0, 0, 2, 3, -1]
    assert result["name"].tolist()[1] == "owl"
    assert edits.merged == {1: 0}
    assert edits.constraints(RUN["roi_id"]).tolist() == [0, 4, 0, 0, -1, -1, -1]


def test_a_new_group_takes_the_listed_rois_only_also_from_noise(tmp_path):
    # Cluster 1 is called owl too: the groups are one, and the other ROIs of cluster 0 stay in it.
    edits = review(tmp_path, row("a", 0, 4, "owl"), row("g", -1, 4, "owl"), row("c", 1, 1, "owl"))
    result = apply_review(RUN, edits)
    assert result["group"].tolist() == [1, 0, 1, 1, 2, 3, 1]
    assert result["name"].tolist()[:2] == ["owl", "cluster 0"]


def test_rois_of_a_split_cluster_that_are_not_listed_stay_in_it(tmp_path):
    run = table(a=0, b=0, c=0, d=1)
    edits = review(tmp_path, row("a", 0, 1), row("b", 0, 2))
    assert apply_review(run, edits)["group"].tolist() == [1, 2, 0, 1]


def test_partly_rejected_cluster_keeps_its_other_rois(tmp_path):
    edits = review(tmp_path, row("a", 0, rejected="true"), row("b", 0))
    assert apply_review(RUN, edits)["roi_id"].tolist() == list("bcdefg")
    assert edits.constraints(RUN["roi_id"]).tolist() == [-1, 0, -1, -1, -1, -1, -1]


def test_rejected_rois_are_removed_and_reviews_of_other_data_are_errors(tmp_path):
    table = as_roi_table(
        {"root": "r", "recording": list("xyz"), "start_s": [0.0] * 3, "end_s": [1.0] * 3}
    )
    rois = RoiSet(table.assign(roi_id=list("abq")), DispatchReader())
    edits = review(tmp_path, row("a", 0, rejected="true"), row("b", 0))
    assert edits.without_rejected(rois).table["recording"].tolist() == ["y", "z"]
    with pytest.raises(InputError, match="all 1 ROIs are rejected"):
        edits.without_rejected(rois.take([0]))
    with pytest.raises(InputError, match="none of its 2 ROIs is among these 1"):
        edits.without_rejected(rois.take([2]))


def test_review_of_another_run_is_an_error(tmp_path, caplog):
    with pytest.raises(InputError, match=r"another run; 2 of its 2 ROIs .* 1 of them in another"):
        apply_review(RUN, review(tmp_path, row("a", 0), row("c", 0)))
    with pytest.raises(InputError, match="another run; 0 of its 1"):
        apply_review(RUN, review(tmp_path, row("z", 0)))
    apply_review(RUN, review(tmp_path, row("a", 0), row("z", 0)))
    assert "1 of its ROIs are not in this run" in caplog.text


def test_review_is_transferred_to_the_clusters_it_constrained(tmp_path):
    edits = review(
        tmp_path, row("a", 0, 0, "wren"), row("c", 1, 0, "wren"), row("e", 2, rejected="true")
    )
    new = table(a=5, b=2, c=5, d=5).assign(recording="r.wav", start_s=0.0, end_s=1.0)
    path = tmp_path / "transferred.csv"
    transfer_review(edits, new).to_csv(path, index=False)
    result = apply_review(new, read_review(path))
    assert list(pd.read_csv(path).columns) == list(COLUMNS)
    assert result["name"].tolist() == ["wren", "cluster 2", "wren", "wren"]


def test_verdicts_are_read_and_a_denied_roi_is_no_constraint(tmp_path):
    rows = (row("a", 0, verdict="Yes"), row("b", 0, verdict=" no"), row("c", 0, verdict="unsure"))
    given = review(tmp_path, *rows, row("d", 0))
    assert given.table["verdict"].tolist() == ["yes", "no", "unsure", ""]
    assert given.constraints(pd.Series(["a", "b", "c", "d"])).tolist() == [0, -1, 0, 0]


def test_reviews_of_earlier_versions_have_no_verdict(tmp_path):
    header = HEADER.removesuffix(",verdict")
    given = review(tmp_path, row("a", 0).removesuffix(","), header=header)
    assert given.table["verdict"].tolist() == [""]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a", 0), row("a", 0)], "row 3 repeats the roi_id"),
        ([row("", 0)], "row 2 has no roi_id"),
        ([row("a", 0, rejected="perhaps")], "row 2 has neither true nor false"),
        ([row("a", "x")], "row 2 has no cluster number for 'cluster'"),
        ([row("a", 0, "1.5")], "row 2 has no cluster number for 'group'"),
        ([row("b", 0), row("a", 0, "1e300")], "row 3 has no cluster number .*'group', but '1e300'"),
        ([row("a", 0, "nan")], "row 2 has no cluster number for 'group'"),
        ([row("a", 0, "-2")], "row 2 has no cluster number for 'group'"),
        ([row("a", 0, "inf")], "row 2 has no cluster number for 'group'"),
        ([row("a", 0, "")], "row 2 has no cluster number for 'group'"),
        ([row("a", "1e300", 0)], "row 2 has no cluster number for 'cluster'"),
        ([row("1,23E+15".join('""'), 0)], "row 2 has a roi_id that a spreadsheet rounded"),
        ([row("a", 0, verdict="maybe")], "row 2 has none of yes, no, unsure for 'verdict'"),
        ([row("a", 0), 'b,"b.wav",0.5,1.0,0'], "row 3 has only 5 of 9 cells"),
        ([row("a", 0, 0, "x"), row("b", 0, 0, "y")], "row 3 gives its group a second name"),
        (['"a,0'], "cannot be read as a review"),
    ],
)
def test_contradictory_review_is_an_error_with_the_row(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        review(tmp_path, *rows)


def test_other_table_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"cluster, group, name, rejected are missing"):
        review(tmp_path, "a,1", header="roi_id,x")
    with pytest.raises(InputError, match=r"gone\.csv: there is no such file"):
        read_review(tmp_path / "gone.csv")


def test_names_that_are_formulas_come_back_from_a_written_review(tmp_path):
    rows = [("a1", 0, 0, "=1+1", False), ("b2", 1, 1, "'-x", False), ("c3", 2, 2, "owl", False)]
    table = pd.DataFrame(rows, columns=["roi_id", "cluster", "group", "name", "rejected"])
    write_csv(tmp_path / "review.csv", table)
    assert "'=1+1" in (tmp_path / "review.csv").read_text()
    assert read_review(tmp_path / "review.csv").names == {0: "=1+1", 1: "'-x", 2: "owl"}
