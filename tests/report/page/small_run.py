"""A small run on disk, with sound and with hostile file names."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from darksound.cluster.result import CLUSTER_SCHEMA
from darksound.rois.roi_set import as_roi_table, write_roi_table
from darksound.run.manifest import Inputs, Manifest, write_manifest
from darksound.settings import Settings, to_toml

#: Paths of recordings; all are valid names on Linux.
HOSTILE = (
    "a/<script>window.hurt=1<\\script>.wav",
    "a/<script>window.hurt=1</script>.wav",
    'b/"><img src=x onerror="window.hurt=1">.wav',
    "b/' onload='window.hurt=1'\u2028\u2029&amp;, {{ 7 * 7 }}.wav",
    "c/]]>--><!--<script>\n,=1+1.wav",
    "c/ok_20220131_051500.wav",
)
RATE = 16_000


def _sounds(root: Path) -> None:
    time = np.arange(2 * RATE) / RATE
    rng = np.random.default_rng(3)
    for number, name in enumerate(HOSTILE):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        wave = 0.3 * np.sin(2 * np.pi * (1500 + 900 * number) * time)
        soundfile.write(root / name, wave + rng.normal(scale=0.01, size=len(time)), RATE)


def small_run(place: Path, superclusters: tuple[int, int, int] = (0, 1, 2)) -> Path:
    """Write a run of 36 ROIs: clusters 0, 1 and 2 of 15, 9 and 6, and 6 noise ROIs.

    Args:
        place: folder of the run and its sounds.
        superclusters: supercluster of each cluster.
    """
    folder = place / "run <b>&"
    root = folder.parent / "sounds"
    folder.mkdir()
    _sounds(root)
    rows = [(name, k) for name in HOSTILE for k in range(6)]
    n = len(rows)
    rois = as_roi_table(
        {
            "root": [str(root)] * n,
            "recording": [name for name, _ in rows],
            "start_s": [0.3 * k for _, k in rows],
            "end_s": [0.3 * k + 0.25 for _, k in rows],
            "label": ["<i>wren</i>" if i % 2 else None for i in range(n)],
            "recorded_at": ["2022-01-31T05:59:59.000" if i % 3 else None for i in range(n)],
            "quality_flags": ["rain wind" if i % 9 == 0 or i == n - 1 else None for i in range(n)],
        }
    )
    write_roi_table(rois, folder / "rois.parquet")
    cluster = np.repeat([0, 1, 2, -1], [15, 9, 6, 6])
    rng = np.random.default_rng(4)
    inside = cluster >= 0
    clusters = pd.DataFrame(
        {
            "roi_id": rois["roi_id"],
            "cluster": cluster,
            "probability": np.where(inside, rng.uniform(0.3, 1, n), 0),
            "outlier_score": rng.uniform(0, 1, n),
            "assigned_cluster": pd.array([pd.NA if i else 1 for i in inside], dtype="Int64"),
            "assigned_probability": np.where(inside, np.nan, 0.9),
            "x": (cluster * 5 + rng.normal(size=n)).astype(np.float32),
            "y": rng.normal(size=n).astype(np.float32),
            "persistence": np.where(inside, 0.1 * (cluster + 1), np.nan),
            "supercluster": np.append(superclusters, -1)[cluster],
            "stability": np.where(cluster >= 0, 0.8, np.nan),
        }
    )
    table = pa.Table.from_pandas(clusters, schema=CLUSTER_SCHEMA, preserve_index=False)
    pq.write_table(table, folder / "clusters.parquet")
    np.save(folder / "embeddings.npy", rng.normal(loc=cluster[:, None], size=(n, 8)))
    (folder / "iterations.csv").write_text(
        "iteration,n_clusters,coverage,dbcv,weighted_entropy,ami_previous,persistence,seconds,kept\n"
        "0,2,0.7,0.1,0.5,,0.2,1.0,False\n1,3,0.83,0.3,0.9,0.8,0.2,1.0,True\n"
    )
    settings = Settings().replace(compute={"workers": 1}, audio={"roi_s": 0.25})
    (folder / "settings.toml").write_text(to_toml(settings))
    manifest = Manifest(
        command="mec", argv=("mec", "--data", "</script>"), inputs=Inputs(("x",)),
        settings=settings.model_dump(mode="json"),
        seed=1979, versions={"darksound": "0.1.0"}, status="done",
        started="2026-01-01T00:00:00+00:00", fingerprint="f00d", recorded_s=1200.0,
    )  # fmt: skip
    write_manifest(folder, manifest)
    note = {"event": "result", "notes": ["A <em>note</em>."]}
    (folder / "journal.jsonl").write_text(json.dumps(note) + '\n{"torn')
    return folder
