"""Whole commands on a Dask cluster, and embedding that was killed."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from darksound.cluster import embedding

# Dies, as `kill -9` would have it, when the third file of embeddings is to be written.
_KILLED = """
import os, signal, sys
import numpy as np
from darksound.cluster import embedding_shards
from darksound.cli.app import main
embedding_shards.SHARD_ROIS = 48
real, calls = np.save, []

def deadly(*args, **more):
    calls.append(args)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    real(*args, **more)

np.save = deadly
main()
"""


@pytest.fixture
def table(world, tmp_path):
    """600 ROIs of half a second, in recordings that can be read but for two."""
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
    """Calls `darksound embed` on the table."""
    return lambda *words: darksound(
        *("embed", "--config", world / "tiny.toml", "--data", table, "--root", world),
        *("--set", "backbone.weights=none", *words),
    )


def test_a_dask_cluster_gives_the_same_images_and_embeddings(
    embed, dask_address, tmp_path, monkeypatch
):
    alone = embed("--out", "alone.npy", "--set", f"compute.cache_dir={tmp_path / 'a'}")
    assert alone.exit_code == 3, alone.output
    monkeypatch.setattr(embedding, "_JOB_ROIS", 64)
    shared = ("--set", f"compute.cache_dir={tmp_path / 'b'}", "--dask", dask_address)
    together = embed("--out", "together.npy", *shared)
    assert together.exit_code == 3, together.output
    ours, theirs = np.load("alone.npy"), np.load("together.npy")
    assert ours.shape == (598, 16)
    assert (ours == theirs).all()
    for kind in ("alone", "together"):
        assert len(pd.read_parquet(f"{kind}.rois.parquet")) == 598
    made = {
        p.relative_to(tmp_path / "a"): p.read_bytes() for p in (tmp_path / "a").rglob("*.images")
    }
    others = {
        p.relative_to(tmp_path / "b"): p.read_bytes() for p in (tmp_path / "b").rglob("*.images")
    }
    assert len(made) == 3
    assert made == others


def test_mec_embeds_on_dask_too(darksound, world, dask_address):
    words = ("--config", world / "tiny.toml", "--data", world / "sounds", "--no-report")
    alone = darksound("mec", *words, "--out", "alone")
    together = darksound("mec", *words, "--out", "together", "--dask", dask_address)
    assert (alone.exit_code, together.exit_code) == (0, 0), together.output
    one, other = (np.load(f"{name}/embeddings.npy") for name in ("alone", "together"))
    assert (one == other).all()
    assert not os.path.exists("together/embedding")


def test_embedding_that_was_killed_goes_on_where_it_was(embed, world, table, tmp_path, caplog):
    words = ["--config", world / "tiny.toml", "--data", table, "--root", world, "--out", "killed"]
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, "embed", *words, "--set", "backbone.weights=none"],
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
    assert "96 of 598 ROIs were embedded before." in resumed.output
    assert not (tmp_path / "killed" / "embedding").exists()
    assert embed("--out", "straight").exit_code == 3
    one, other = (pd.read_parquet(f"{name}/embeddings.parquet") for name in ("killed", "straight"))
    pd.testing.assert_frame_equal(one.drop(columns="embedding"), other.drop(columns="embedding"))
    assert (np.stack(one["embedding"]) == np.stack(other["embedding"])).all()


def test_a_cluster_that_is_not_there_is_one_sentence(embed, monkeypatch):
    monkeypatch.setattr("darksound.parallel.dask_cluster._ANSWER_S", 0.5)
    refused = embed("--out", "e.npy", "--dask", "tcp://127.0.0.1:1")
    assert refused.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in refused.output
    assert "Traceback" not in refused.output
