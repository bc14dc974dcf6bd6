"""What runs write beside the plain tables: embeddings, the state of MEC, fingerprints."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.iteration import Iteration
from darksound.cluster.state import MecState, Outcome
from darksound.errors import RunError
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.run.files import read_mec_state, write_embeddings, write_mec_state
from darksound.run.manifest import fingerprint


class Stamps:
    def __init__(self, **stamps):
        self.stamps = stamps

    def read(self, root, recording, start_s, end_s, rate):
        raise AssertionError

    def stamp(self, root, recording):
        return self.stamps[recording]


@pytest.fixture
def table():
    return as_roi_table(
        {
            "root": ["/r"] * 3,
            "recording": ["a", "a", "b"],
            "start_s": [0.0, 1.0, 0.0],
            "end_s": [1.0, 2.0, 1.0],
            "label": ["x", None, "y"],
        }
    )


def test_embeddings_as_parquet_are_one_column_of_vectors(table, tmp_path):
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_embeddings(tmp_path / "e.parquet", table, 4, [vectors[:2], vectors[2:]])
    schema = pq.read_schema(tmp_path / "e.parquet")
    assert schema.names == ["roi_id", "recording", "start_s", "end_s", "label", "embedding"]
    assert schema.field("embedding").type.list_size == 4
    back = pd.read_parquet(tmp_path / "e.parquet")
    assert (np.stack(back["embedding"]) == vectors).all()
    assert back["roi_id"].tolist() == table["roi_id"].tolist()


def test_embeddings_as_an_array_have_their_table_beside(table, tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_embeddings(tmp_path / "e.npy", table, 2, [vectors[:1], vectors[1:]])
    assert (np.load(tmp_path / "e.npy", mmap_mode="r") == vectors).all()
    assert pd.read_parquet(tmp_path / "e.rois.parquet")["recording"].tolist() == ["a", "a", "b"]
    with pytest.raises(RunError, match=r"use \.parquet or \.npy"):
        write_embeddings(tmp_path / "e.csv", table, 2, [vectors])


def test_a_fingerprint_follows_rois_and_recordings(table):
    rois = RoiSet(table, Stamps(a="1", b="2"))
    same = fingerprint(RoiSet(table, Stamps(a="1", b="2", c="9")))
    assert fingerprint(rois) == same
    others = [
        RoiSet(table, Stamps(a="1", b="3")),
        rois.take([0, 1]),
        rois.take([1, 0, 2]),
    ]
    assert len({same, *map(fingerprint, others)}) == 4


def state():
    outcome = Outcome(
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
            information=0.3,
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


def test_the_state_of_mec_comes_back_as_it_was(tmp_path):
    path, before = tmp_path / "state.safetensors", state()
    assert read_mec_state(path) is None
    write_mec_state(path, before)
    after = read_mec_state(path)
    assert [i.as_row().keys() for i in after.iterations] == [
        i.as_row().keys() for i in before.iterations
    ]
    assert after.iterations[1].dbcv == before.iterations[1].dbcv
    assert np.isnan(after.iterations[1].ami_previous)
    assert after.notes == before.notes
    assert after.kept == 0
    for ours, theirs in [(after.last, before.last), (after.best, before.best)]:
        assert (ours.embeddings == theirs.embeddings).all()
        assert ours.embeddings.dtype == theirs.embeddings.dtype
        assert (ours.clustering.labels == theirs.clustering.labels).all()
        assert ours.clustering.labels.dtype == theirs.clustering.labels.dtype
        assert ours.weights.keys() == theirs.weights.keys()
        assert all(torch.equal(ours.weights[k], theirs.weights[k]) for k in ours.weights)
    assert torch.equal(after.first_weights["w"], torch.ones(2, 3))


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"x" * 90, lambda b: b""])
def test_a_damaged_state_is_said_to_be_so(damage, tmp_path):
    path = tmp_path / "state.safetensors"
    write_mec_state(path, state())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match="is damaged"):
        read_mec_state(path)
