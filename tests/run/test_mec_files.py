"""The state of a MEC run. Results are tested in tests/report/test_result.py."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.iteration import Iteration
from darksound.cluster.state import MecState, Snapshot
from darksound.errors import RunError
from darksound.run.mec_files import read_mec_state, remove_mec_state, write_mec_state


def state():
    outcome = Snapshot(
        1,
        {"w": torch.randn(2, 3), "steps": torch.tensor(4)},
        np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32),
        Clustering(
            np.array([0, 0, 1, 1, -1]),
            np.array([1.0, 0.5, 1.0, 0.25, 0.0]),
            np.zeros(5),
            np.array([0.1, 0.2]),
        ),
    )
    nothing = float("nan")
    figures = [
        Iteration(
            iteration=i,
            n_clusters=2,
            coverage=0.8,
            dbcv=0.1 * i,
            weighted_entropy=0.3,
            ami_previous=nothing,
            persistence=0.15,
            scores=None,
            seconds=1.5,
        )
        for i in range(2)
    ]
    weights = {"w": torch.ones(2, 3)}
    first = replace(outcome, iteration=0, weights=weights)
    return MecState(tuple(figures), outcome, first, weights, ("A note.",))


def test_the_state_of_a_run_without_clusters_is_read_as_it_was_written(tmp_path):
    before = state()
    noise = Clustering(np.full(5, -1), np.zeros(5), np.zeros(5), np.zeros(0))
    write_mec_state(tmp_path, replace(before, last=replace(before.last, clustering=noise)))
    after = read_mec_state(tmp_path)
    assert after is not None
    assert after.last.clustering.persistence.shape == (0,)
    assert after.last.clustering.labels.tolist() == [-1] * 5


def test_the_tree_of_the_rois_is_in_the_state(tmp_path):
    before = state()
    tree = np.array([[0, 1, 0.1, 2], [2, 3, 0.2, 2], [4, 5, 0.3, 3], [6, 7, 0.4, 5]])
    clustering = replace(before.last.clustering, tree=tree)
    write_mec_state(tmp_path, replace(before, last=replace(before.last, clustering=clustering)))
    after = read_mec_state(tmp_path)
    assert after is not None
    np.testing.assert_array_equal(after.last.clustering.tree, tree)
    assert after.best.clustering.tree.shape == (0, 4)


def test_a_state_without_a_tree_as_earlier_versions_wrote_it_is_read():
    meta, arrays, tensors = state().to_parts()
    arrays = {name: value for name, value in arrays.items() if not name.endswith(".tree")}
    for row in meta["iterations"]:
        del row["n_superclusters"]
    after = MecState.from_parts(meta, arrays, tensors)
    assert after.last.clustering.tree.shape == (0, 4)
    assert after.iterations[0].n_superclusters is None


def test_the_state_is_read_as_it_was_written(tmp_path):
    before = state()
    assert read_mec_state(tmp_path) is None
    write_mec_state(tmp_path, before)
    after = read_mec_state(tmp_path)
    assert after is not None
    assert [i.as_row().keys() for i in after.iterations] == [
        i.as_row().keys() for i in before.iterations
    ]
    assert after.iterations[1].dbcv == before.iterations[1].dbcv
    assert np.isnan(after.iterations[1].ami_previous)
    assert after.notes == before.notes
    assert after.kept == 0
    for read, written in [(after.last, before.last), (after.best, before.best)]:
        assert (read.embeddings == written.embeddings).all()
        assert read.embeddings.dtype == written.embeddings.dtype
        assert (read.clustering.labels == written.clustering.labels).all()
        assert read.clustering.labels.dtype == written.clustering.labels.dtype
        assert read.weights.keys() == written.weights.keys()
        assert all(torch.equal(read.weights[k], written.weights[k]) for k in read.weights)
    assert torch.equal(after.first_weights["w"], torch.ones(2, 3))
    remove_mec_state(tmp_path)
    assert read_mec_state(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-9],
        lambda b: b"x" * 90,
        lambda b: b"",
        lambda b: b[:-1] + bytes([b[-1] ^ 1]),
        lambda b: b.replace(b'\\"ended\\"', b'\\"endee\\"', 1),
    ],
    ids=["cut", "other", "empty", "one bit of the arrays", "one letter of the text"],
)
def test_a_damaged_state_is_an_error(damage, tmp_path):
    path = tmp_path / "state.safetensors"
    write_mec_state(tmp_path, state())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match="is damaged"):
        read_mec_state(tmp_path)
