"""Time and memory of exports of a large run.

Writes a run without sound and exports it in each format that needs no sound, each in a new process.
Prints seconds, megabytes on disk and the peak resident memory of the process, also for reading the
run only.

    python benchmarks/exports.py --rois 1000000
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.cluster.result import CLUSTER_SCHEMA
from darksound.report.accumulation import accumulate
from darksound.report.confounders import confounders
from darksound.report.exports.export import export
from darksound.report.result import read_run
from darksound.rois.roi_set import as_roi_table, write_roi_table
from darksound.run.manifest import Inputs, Manifest, write_manifest
from darksound.settings import Settings, to_toml

ROIS_A_RECORDING = 100


def make_run(folder: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    start = np.arange(n) % ROIS_A_RECORDING * 1.0
    recording = np.arange(n) // ROIS_A_RECORDING
    rois = as_roi_table(
        {
            "root": "/recordings",
            "recording": [f"site-{r % 20}/SM{r % 20:03d}_{r:06d}.wav" for r in recording],
            "start_s": start,
            "end_s": start + rng.uniform(0.1, 0.9, n),
            "low_hz": rng.uniform(500, 2000, n),
            "high_hz": rng.uniform(3000, 9000, n),
            "recorded_at": [f"2022-01-{1 + r % 28:02d}T05:00:00" for r in recording],
            "recorder": [f"SM{r % 20:03d}" for r in recording],
        }
    )
    write_roi_table(rois, folder / "rois.parquet")
    cluster = rng.zipf(1.5, n) % 400 - 1
    inside = cluster >= 0
    clusters = pd.DataFrame(
        {
            "roi_id": rois["roi_id"],
            "cluster": cluster,
            "probability": np.where(inside, 0.9, 0.0),
            "outlier_score": 0.1,
            "assigned_cluster": pd.array(np.where(inside, -1, 0), dtype="Int64"),
            "assigned_probability": 0.5,
            "x": rng.normal(size=n).astype(np.float32),
            "y": rng.normal(size=n).astype(np.float32),
            "persistence": np.where(inside, 0.1, np.nan),
            "supercluster": np.where(inside, cluster // 4, -1),
        }
    )
    table = pa.Table.from_pandas(clusters, schema=CLUSTER_SCHEMA, preserve_index=False)
    pq.write_table(table, folder / "clusters.parquet")
    np.save(folder / "embeddings.npy", np.zeros((n, 8), dtype=np.float16))
    (folder / "iterations.csv").write_text("iteration,kept\n0,True\n")
    settings = Settings()
    (folder / "settings.toml").write_text(to_toml(settings))
    manifest = Manifest("mec", (), Inputs(), {}, settings.seed, status="done")
    write_manifest(folder, manifest)
    return folder


def measure(
    run: Path, task: str, queue: "multiprocessing.Queue[tuple[float, float, float]]"
) -> None:
    start = time.perf_counter()
    size = 0
    if task == "reading only":
        len(read_run(run).table)
    elif task == "accumulation and confounders":
        table = read_run(run).table
        accumulate(table)
        accumulate(table, "hour")
        confounders(table)
    else:
        path = export(run, task).path
        parts = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        size = sum(part.stat().st_size for part in parts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    queue.put((time.perf_counter() - start, size / 1e6, peak))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rois", type=int, default=100_000)
    n = parser.parse_args().rois
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), n)
        print(f"{n} ROIs of {-(-n // ROIS_A_RECORDING)} recordings")
        for task in ("reading only", "accumulation and confounders", "csv", "parquet", "raven",
                     "audacity"):  # fmt: skip
            queue = context.Queue()
            process = context.Process(target=measure, args=(run, task, queue))
            process.start()
            seconds, size, peak = queue.get()
            process.join()
            print(f"{task:30s} {seconds:7.1f} s {size:8.1f} MB on disk {peak:8.0f} MB of memory")


if __name__ == "__main__":
    main()
