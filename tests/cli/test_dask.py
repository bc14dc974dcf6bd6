"""Whole commands on a Dask cluster, and embedding that was killed and resumed."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from darksound.cluster import embedding

# Kills itself with SIGKILL before it writes the third file of embeddings.
_KILLED = """
import os, signal, sys
import numpy as np
from darksound.cluster import embedding_shards
from darksound.cli.app import main
embedding_shards.SHARD_ROIS = 48
real, calls = np.save, []

def save_or_die(*args, **kwargs):
    calls.append(args)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    real(*args, **kwargs)

np.save = save_or_die
main()
"""


@pytest.fixture
def table(world, tmp_path):
    """600 ROIs of 0.3 s; the recordings of two of them are missing."""
    sounds = sorted(p.relative_to(world) for p in (world / "sounds").rglob("*.wav"))
    rows = [
        {"recording": str(sounds[i % len(sounds)]), "start_s": s, "end_s": s + 0.3}
        for i, s in enumerate(np.linspace(0, 0.2, 600).round(4))
    ]
    rows[10]["recording"] = rows[300]["recording"] = "sounds/gone.wav"
    path = tmp_path / "rois.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def embed(darksound, world, table):
    """Run `darksound embed` on the table."""
    return lambda *arguments: darksound(
        *("embed", "--config", world / "tiny.toml", "--data", table, "--root", world),
        *("--set", "backbone.weights=none", *arguments),
    )


def test_a_dask_cluster_gives_the_same_images_and_embeddings(
    embed, dask_address, tmp_path, monkeypatch
):
    local = embed("--out", "local.npy", "--set", f"compute.cache_dir={tmp_path / 'a'}")
    assert local.exit_code == 3, local.output
    monkeypatch.setattr(embedding, "_JOB_ROIS", 64)
    on_dask = ("--set", f"compute.cache_dir={tmp_path / 'b'}", "--dask", dask_address)
    remote = embed("--out", "remote.npy", *on_dask)
    assert remote.exit_code == 3, remote.output
    expected, actual = np.load("local.npy"), np.load("remote.npy")
    assert expected.shape == (598, 16)
    assert (expected == actual).all()
    for kind in ("local", "remote"):
        assert len(pd.read_parquet(f"{kind}.rois.parquet")) == 598
    local_files = {
        p.relative_to(tmp_path / "a"): p.read_bytes() for p in (tmp_path / "a").rglob("*.images")
    }
    remote_files = {
        p.relative_to(tmp_path / "b"): p.read_bytes() for p in (tmp_path / "b").rglob("*.images")
    }
    assert len(local_files) == 3
    assert local_files == remote_files


def test_mec_on_dask_gives_the_same_embeddings(darksound, world, dask_address):
    arguments = ("--config", world / "tiny.toml", "--data", world / "sounds", "--no-report")
    local = darksound("mec", *arguments, "--out", "local")
    remote = darksound("mec", *arguments, "--out", "remote", "--dask", dask_address)
    assert (local.exit_code, remote.exit_code) == (0, 0), remote.output
    expected, actual = (np.load(f"{name}/embeddings.npy") for name in ("local", "remote"))
    assert (expected == actual).all()
    assert not os.path.exists("remote/embedding")


def test_embedding_that_was_killed_resumes_where_it_stopped(embed, world, table, tmp_path, caplog):
    arguments = [
        "--config",
        world / "tiny.toml",
        "--data",
        table,
        "--root",
        world,
        "--out",
        "killed",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, "embed", *arguments, "--set", "backbone.weights=none"],
        cwd=tmp_path,
        env={**os.environ, "DARKSOUND_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    files = sorted((tmp_path / "killed" / "embedding").rglob("*.npy"))
    assert [np.load(file).shape for file in files] == [(48, 16)] * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("darksound.cluster.embedding_shards.SHARD_ROIS", 48)
        resumed = embed("--out", "killed", "--resume")
    assert resumed.exit_code == 3, resumed.output
    assert "96 of 598 ROIs are done." in resumed.output
    assert not (tmp_path / "killed" / "embedding").exists()
    assert embed("--out", "uninterrupted").exit_code == 3
    actual, expected = (
        pd.read_parquet(f"{name}/embeddings.parquet") for name in ("killed", "uninterrupted")
    )
    pd.testing.assert_frame_equal(
        actual.drop(columns="embedding"), expected.drop(columns="embedding")
    )
    assert (
        np.stack(actual["embedding"].tolist()) == np.stack(expected["embedding"].tolist())
    ).all()


def test_an_unreachable_scheduler_is_one_sentence(embed, monkeypatch):
    monkeypatch.setattr("darksound.parallel.dask_cluster._CONNECT_TIMEOUT_S", 0.5)
    refused = embed("--out", "e.npy", "--dask", "tcp://127.0.0.1:1")
    assert refused.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in refused.output
    assert "Traceback" not in refused.output
