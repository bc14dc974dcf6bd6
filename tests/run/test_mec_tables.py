"""Tables and arrays of a run that are damaged, or that another program has written."""

import io
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import linkage

from darksound.errors import RunError
from darksound.run.files import read_problems
from darksound.run.mec_tables import (
    damage_of,
    read_clusters,
    read_embeddings,
    read_iterations,
    read_map_before,
    read_tree,
    write_tree,
)


def clusters(**changes) -> pd.DataFrame:
    columns = {
        "roi_id": ["a", "b", "c"],
        "cluster": [0, 1, -1],
        "probability": [1.0, 0.5, 0.0],
        "outlier_score": [0.0, 0.5, 1.0],
        "assigned_cluster": pd.array([None, None, 0], dtype="Int64"),
        "assigned_probability": [None, None, 0.75],
        "x": np.array([0, 1, 2], np.float32),
        "y": np.array([2, 1, 0], np.float32),
        "persistence": [0.1, 0.2, None],
        "supercluster": [0, 0, -1],
        "stability": [0.9, 0.9, None],
    }
    return pd.DataFrame({**columns, **changes})


def test_clusters_are_read_with_their_types(tmp_path):
    path = tmp_path / "clusters.parquet"
    clusters().to_parquet(path)
    table = read_clusters(path)
    assert table["cluster"].tolist() == [0, 1, -1]
    assert str(table["assigned_cluster"].dtype) == "Int64"
    assert table["assigned_cluster"].isna().tolist() == [True, True, False]
    clusters(assigned_cluster=[np.nan, np.nan, 0.0]).to_parquet(path)
    assert str(read_clusters(path)["assigned_cluster"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"cluster": ["0", "1", "x"]}, "cluster is not a number"),
        ({"cluster": [0.5, 1, -1]}, "cluster has numbers that are no clusters"),
        ({"cluster": [0, 1, -2]}, "cluster has numbers that are no clusters"),
        ({"cluster": [0, 10**15, -1]}, "cluster has numbers that are no clusters"),
        ({"cluster": [True, False, True]}, "cluster is not a number"),
        ({"cluster": [0, None, -1]}, "cluster is missing in 1 rows"),
        ({"assigned_cluster": [1e300, None, 0]}, "assigned_cluster has numbers"),
        ({"probability": [1.0, 1e300, 0.0]}, "a probability is not between 0 and 1"),
        ({"probability": [1.0, None, 0.0]}, "probability is missing"),
        ({"roi_id": [1, 2, 3]}, "roi_id is not text"),
        ({"roi_id": ["a", None, "c"]}, "roi_id is not text"),
        ({"x": [[0], [1], [2]]}, "x is not a number"),
        ({"y": [np.inf, 0, 0]}, "y is infinite"),
        ({"outlier_score": [b"a", b"b", b"c"]}, "outlier_score is not a number"),
    ],
)
def test_clusters_of_other_types_or_values_are_refused(changes, cause, tmp_path):
    path = tmp_path / "clusters.parquet"
    clusters(**changes).to_parquet(path)
    with pytest.raises(RunError, match=rf"clusters\.parquet is damaged \(.*{cause}"):
        read_clusters(path)


def test_clusters_without_a_column_are_refused(tmp_path):
    path = tmp_path / "clusters.parquet"
    clusters().drop(columns=["x", "persistence"]).to_parquet(path)
    with pytest.raises(RunError, match=r"lacks the column\(s\) x, persistence"):
        read_clusters(path)


def test_clusters_of_earlier_versions_have_no_stability(tmp_path):
    path = tmp_path / "clusters.parquet"
    clusters().drop(columns="stability").to_parquet(path)
    assert read_clusters(path)["stability"].isna().all()


def test_clusters_of_earlier_versions_are_superclusters_of_their_own(tmp_path):
    path = tmp_path / "clusters.parquet"
    clusters().drop(columns="supercluster").to_parquet(path)
    assert read_clusters(path)["supercluster"].tolist() == [0, 1, -1]


def test_a_tree_is_read_as_it_was_written_and_has_the_columns_of_scipy(tmp_path):
    path = tmp_path / "tree.parquet"
    assert read_tree(path, clusters()) is None
    tree = linkage(np.array([[0.0], [1.0], [5.0]]), "average")
    write_tree(path, tree)
    np.testing.assert_array_equal(read_tree(path, clusters()), tree)
    table = pd.read_parquet(path)
    assert table.to_dict("list") == {
        "left": [0, 2], "right": [1, 3], "height": [1.0, 4.5], "size": [2, 3]
    }  # fmt: skip


@pytest.mark.parametrize("n_merges", [1, 0])
def test_a_tree_of_clusters_is_read(n_merges, tmp_path):
    path = tmp_path / "tree.parquet"
    write_tree(path, np.array([[0, 1, 0.5, 2.0]])[:n_merges])
    table = clusters(cluster=[0, 1, -1] if n_merges else [-1, -1, -1])
    tree = read_tree(path, table)
    assert tree is not None
    assert tree.shape == (n_merges, 4)


@pytest.mark.parametrize(
    "merges",
    [
        [[0, 1, 0.5, 2]] * 4,
        [[0, 1, 0.5, 2], [0, 2, 1, 3]],
        [[0, 3, 0.5, 2], [1, 2, 1, 3]],
        [[0, 1, np.inf, 2], [2, 3, 1, 3]],
    ],
)
def test_a_tree_that_no_run_writes_is_refused(merges, tmp_path):
    path = tmp_path / "tree.parquet"
    write_tree(path, np.array(merges, float))
    with pytest.raises(RunError, match=r"tree\.parquet is damaged"):
        read_tree(path, clusters())


HEADER = "iteration,n_clusters,coverage,kept\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        HEADER + "0,3,0.5,False\n",
        HEADER + "0,3,0.5,True\n1,3,0.5,True\n",
        HEADER + "0,three,0.5,True\n",
        HEADER + "0,3,0.5,perhaps\n",
        HEADER + "1,3,0.5,True\n",
        HEADER + "0,3,True\n",
        HEADER + f"{'9' * 400},3,0.5,True\n",
        "iteration,n_clusters,coverage\n0,3,0.5\n",
        "n_clusters,coverage,kept\n3,0.5,True\n",
        "kept,kept,iteration\nTrue,True,0\n",
        "\0\0\0",
        "\ud7ff" * 50,
    ],
)
def test_iterations_that_no_run_writes_are_refused(text, tmp_path):
    path = tmp_path / "iterations.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"iterations\.csv is damaged"):
        read_iterations(path)


def test_iterations_are_read_with_their_last_digit_and_missing_values(tmp_path):
    path = tmp_path / "iterations.csv"
    path.write_text(HEADER + "0,3,0.30000000000000004,False\n1,2,,True\n")
    table = read_iterations(path)
    assert table["coverage"][0] == 0.1 + 0.2
    assert np.isnan(table["coverage"][1])
    assert table["kept"].tolist() == [False, True]


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return file.getvalue()


def zipped() -> bytes:
    """Return an archive whose array is a thousand times as large as the file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arr_0.npy", bytes(10_000_000))
    return file.getvalue()


SHAPE = "{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}"
ARRAYS = {
    "empty": b"",
    "text": b"no such thing",
    "pickled": pickled(),
    "zip": zipped(),
    "longer than the file": npy(SHAPE.format("(3, 4)"), bytes(40)),
    "beyond all memory": npy(SHAPE.format("(1000000000000, 1000000)")),
    "beyond all integers": npy(SHAPE.format(f"({10**30}, 4)")),
    "negative": npy(SHAPE.format("(-3, 4)"), bytes(48)),
    "one axis": npy(SHAPE.format("(12,)"), bytes(48)),
    "three axes": npy(SHAPE.format("(3, 2, 2)"), bytes(48)),
    "whole numbers": npy(SHAPE.replace("f4", "i4").format("(3, 4)"), bytes(48)),
    "a structure": npy(SHAPE.replace("'<f4'", "[('a', '<f4')]").format("(3, 4)"), bytes(48)),
    "code": npy("__import__('os').system('false')"),
    "nested": npy("(" * 9000),
    "no shape": npy("{'descr': '<f4', 'fortran_order': False}"),
    "later version": b"\x93NUMPY\x09\x00" + bytes(90),
}


@pytest.mark.parametrize("damage", ARRAYS)
def test_arrays_that_are_no_embeddings_are_refused(damage, tmp_path):
    path = tmp_path / "embeddings.npy"
    path.write_bytes(ARRAYS[damage])
    with pytest.raises(RunError, match=r"embeddings\.npy is damaged"):
        read_embeddings(path)


def test_embeddings_are_not_read_into_memory(tmp_path):
    path = tmp_path / "embeddings.npy"
    np.save(path, np.arange(12, dtype=np.float16).reshape(3, 4))
    array = read_embeddings(path)
    assert isinstance(array, np.memmap)
    assert array.tolist() == np.arange(12).reshape(3, 4).tolist()


def test_a_map_of_other_rois_is_refused(tmp_path):
    path = tmp_path / "map_before.parquet"
    ids = pd.Series(["a", "b"])
    assert read_map_before(path, ids) is None
    pd.DataFrame({"roi_id": ids, "x": [0.0, 1.0], "y": [1.0, 0.0]}).to_parquet(path)
    coordinates = read_map_before(path, ids)
    assert coordinates is not None
    assert coordinates.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    with pytest.raises(RunError, match=r"map_before\.parquet is damaged \(it is not of the ROIs"):
        read_map_before(path, ids[::-1])


@pytest.mark.parametrize("text", ["recording\na.wav\n", "recording,cause\na.wav\n", 'a,b\n"\0'])
def test_damaged_lists_of_skipped_inputs_are_refused(text, tmp_path):
    path = tmp_path / "errors.csv"
    path.write_text(text)
    with pytest.raises(RunError, match=r"errors\.csv is damaged"), damage_of(path):
        read_problems(path)
