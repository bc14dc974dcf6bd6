"""A finished MEC run on disk, written by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from darksound.cluster.result import CLUSTER_SCHEMA
from darksound.report.result import read_run
from darksound.rois.effort import EFFORT_SCHEMA, as_effort_table
from darksound.rois.roi_set import as_roi_table, write_roi_table
from darksound.run.files import write_parquet
from darksound.run.manifest import Inputs, Manifest, write_manifest
from darksound.settings import Settings, to_toml

RATE = 16_000


def write_sound(path: Path, seconds: float = 3.0, rate: int = RATE, hertz: float = 2000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * time), rate)


def manifest(**changes) -> Manifest:
    settings = Settings()
    fields = {
        "command": "mec",
        "argv": (),
        "inputs": Inputs(),
        "settings": settings.model_dump(mode="json"),
        "seed": settings.seed,
        "versions": {"darksound": "9.9.9"},
        "status": "done",
    }
    return Manifest(**{**fields, **changes})


def write_run(folder: Path, rois: dict, cluster: list[int]) -> Path:
    """Write a run of these ROIs (columns of the ROI table) in these clusters."""
    folder.mkdir(parents=True, exist_ok=True)
    table = as_roi_table(rois)
    n = len(table)
    inside = np.asarray(cluster) >= 0
    write_roi_table(table, folder / "rois.parquet")
    rng = np.random.default_rng(0)
    clusters = pd.DataFrame(
        {
            "roi_id": table["roi_id"],
            "cluster": cluster,
            "probability": np.where(inside, 0.75, 0.0),
            "outlier_score": 0.25,
            "assigned_cluster": pd.array([pd.NA if i else 0 for i in inside], dtype="Int64"),
            "assigned_probability": np.where(inside, np.nan, 0.5),
            "x": rng.normal(size=n).astype(np.float32),
            "y": rng.normal(size=n).astype(np.float32),
            "persistence": np.where(inside, 0.1, np.nan),
            "supercluster": cluster,
            "stability": np.where(np.asarray(cluster) >= 0, 0.8, np.nan),
        }
    )
    table = pa.Table.from_pandas(clusters, schema=CLUSTER_SCHEMA, preserve_index=False)
    pq.write_table(table, folder / "clusters.parquet")
    vectors = rng.normal(loc=np.asarray(cluster)[:, None], size=(n, 4))
    np.save(folder / "embeddings.npy", vectors.astype(np.float32))
    iterations = "iteration,n_clusters,coverage,dbcv,ami_previous,kept\n0,2,0.8,0.1,,True\n"
    (folder / "iterations.csv").write_text(iterations)
    (folder / "settings.toml").write_text(to_toml(Settings()))
    write_manifest(folder, manifest())
    return folder


def with_effort(run: Path) -> Path:
    """Write the effort of the recordings of a run, all at one site on one day."""
    table = read_run(run).rois.table[["root", "recording"]].drop_duplicates()
    effort = table.assign(site="A", recorded_at="2022-01-31T23:00:00+02:00", used_s=3.0)
    write_parquet(run / "effort.parquet", as_effort_table(effort), EFFORT_SCHEMA)
    return run


@pytest.fixture
def small_run(tmp_path) -> Callable[..., Path]:
    """Return a function that writes a run of five ROIs of three recordings.

    The clusters are 0, 0, 1, 1 and noise.
    """

    def make(sound: bool = True) -> Path:
        root = tmp_path / "sounds"
        names = ("night/a.wav", "night/a.flac", "b.wav")
        if sound:
            for name, rate in zip(names, (16_000, 22_050, 48_000), strict=True):
                write_sound(root / name, rate=rate)
        rois = {
            "root": [str(root)] * 5,
            "recording": ["night/a.wav", "b.wav", "night/a.flac", "night/a.wav", "b.wav"],
            "start_s": [1.5, 0.25, 0.0, 0.5, 2.0],
            "end_s": [2.0, 1.0, 1.0, 1.25, 2.5],
            "low_hz": [1000.0, np.nan, np.nan, 1500.5, 900.0],
            "high_hz": [3000.0, np.nan, 4000.0, 2500.0, np.nan],
            "label": ["wren", "owl", None, "wren", None],
            "recorded_at": ["2022-01-31T23:59:59+02:00"] * 5,
        }
        return write_run(tmp_path / "run", rois, [0, 1, 1, 0, -1])

    return make
