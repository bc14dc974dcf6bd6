"""Time and memory of clustering by number of ROIs, and agreement of clusters from a sample.

    python benchmarks/scale.py default [--sizes 1000 2000 ...] [--million]
    python benchmarks/scale.py cost [--sizes 1000 2000 ...] [--million] [--figure docs/images/scale]
    python benchmarks/scale.py agreement [--rois 50000]
    python benchmarks/scale.py clusterers [--rois 100000] [--methods hdbscan fast_hdbscan]
    python benchmarks/scale.py pooled SETS.npz [...] [--rois 9000]

The embeddings are synthetic: 512 dimensions of which 64 separate the groups, groups with log-normal
sizes and spreads, more groups for more ROIs, a tenth of the ROIs between two groups. Sizes are in
ascending order, so that the peak memory is that of the largest one; compilation is timed
separately, on other data. `default` times the default way of clustering. `cost` times the stages of
UMAP and HDBSCAN with their defaults, DBCV on at most `mec.max_validity_samples` ROIs, by wall time
and by CPU time, which depends less on other processes. `agreement` compares reductions by the AMI
of the clusters, each noise ROI a cluster of its own; `clusterers` compares clusterers on the same
reduced embeddings. `pooled` joins labelled embeddings, one file a set with the arrays `v` (n, d)
and `labels` (n,), and compares the default with average linkage of all distances, for up to 10,000
ROIs, and with UMAP and HDBSCAN.
"""

import argparse
import csv
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from darksound.cluster.clusterers import CLUSTERERS
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.estimators import needs_reduction
from darksound.cluster.iteration import describe
from darksound.cluster.metrics import adjusted_mutual_information, noise_as_singletons
from darksound.cluster.normalise import is_constant, normalise
from darksound.cluster.structure import cluster, find_clusters, reduce
from darksound.settings import Settings

# For few ROIs too, so that sizes can be compared.
HDBSCAN = Settings().replace(reduction={"method": "umap"}, clustering={"method": "hdbscan"})
SIZES = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
MILLION = 1_000_000
STAGES = ("PCA", "UMAP", "HDBSCAN", "DBCV")
_COLUMNS = ("rois", "stage", "seconds", "cpu_s", "peak_mb")
_BLOCK = 8192
#: A row of the table of `cost`.
Row = dict[str, Any]


def synthetic(n: int, dim: int = 512, seed: int = 1979) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings `(n, dim)` and their groups `(n,)`, -1 for ROIs between two groups."""
    rng = np.random.default_rng(seed)
    groups, inner = max(20, round(4 * n**0.4)), 64
    share = rng.lognormal(0, 1, groups)
    basis = np.linalg.qr(rng.standard_normal((dim, inner)))[0].T.astype(np.float32)
    centres = rng.standard_normal((groups, inner), dtype=np.float32)
    spread = rng.lognormal(np.log(0.35), 0.35, groups).astype(np.float32)
    labels = rng.choice(groups, n, p=share / share.sum())
    between = rng.random(n) < 0.1
    x = np.empty((n, dim), np.float32)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        groups_of, is_between = labels[rows], between[rows]
        points = centres[groups_of]
        others = centres[rng.permutation(groups_of[is_between])]
        points[is_between] = (points[is_between] + others) / 2
        width = np.where(is_between, 2, 1).astype(np.float32) * spread[groups_of]
        points += width[:, None] * rng.standard_normal(points.shape, dtype=np.float32)
        noise = rng.standard_normal((len(groups_of), dim), dtype=np.float32)
        x[rows] = points @ basis + 0.05 * noise
    labels[between] = -1
    return x, labels


def peak_mb() -> float:
    """Peak memory of this process so far, in MB (10^6 bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def compile_all() -> float:
    """Seconds for imports and compilation, once per process."""
    start = time.perf_counter()
    settings = HDBSCAN.replace(reduction={"repeats": 1, "n_epochs": 5})
    # UMAP computes all distances of few ROIs, and searches neighbours of many.
    for n in (1000, 5000):
        x, _ = synthetic(n, dim=64, seed=1)
        clustering = cluster(reduce(x, settings.reduction, 1), settings.clustering)
        describe(x, clustering, settings)
    return time.perf_counter() - start


def one_size(n: int, dim: int) -> list[Row]:
    """Time and peak memory of each stage for `n` ROIs."""
    rows: list[Row] = []

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        start, cpu_start = time.perf_counter(), time.process_time()
        result = work()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        row: Row = dict(zip(_COLUMNS, (n, stage, seconds, cpu, peak_mb()), strict=True))
        rows.append(row)
        print(f"{n:>9,} {stage:<12} {seconds:>8.2f} s, {cpu:>8.2f} s of CPU", end="")
        print(f" {row['peak_mb']:>8.0f} MB", flush=True)
        return result

    settings = HDBSCAN
    x, labels = timed("synthetic", lambda: synthetic(n, dim))
    reduction = settings.reduction
    timed("normalise", lambda: is_constant(normalise(x, reduction.normalise)))
    pca = reduction.replace(method="pca", n_components=50)
    timed("PCA", lambda: reduce(x, pca, 1))
    reduced = timed("UMAP", lambda: reduce(x, reduction, 1))
    clustering = timed("HDBSCAN", lambda: cluster(reduced, settings.clustering))
    timed("DBCV", lambda: describe(x, clustering, settings))
    print(f"{n:>9,} {clustering.n_clusters} clusters, {scores(labels, clustering)}", flush=True)
    return rows


def default(sizes: list[int], dim: int) -> None:
    """Time, memory and agreement of the default way, and of its validity."""
    settings = Settings()
    for n in sorted(sizes):
        x, labels = synthetic(n, dim)
        given_mb = peak_mb()
        start, cpu_start = time.perf_counter(), time.process_time()
        clustering = find_clusters(x, settings)
        seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        describe(x, clustering, settings)
        validity_s = time.perf_counter() - start - seconds
        print(
            f"{n:>9,}: {seconds:.1f} s ({cpu_s:.1f} s of CPU), DBCV {validity_s:.1f} s, "
            f"{peak_mb():.0f} MB, {given_mb:.0f} MB of them before, "
            f"{clustering.n_clusters} clusters, {scores(labels, clustering)}",
            flush=True,
        )


def cost(
    sizes: list[int], dim: int, earlier: Path | None, table: Path | None, figure: Path | None
) -> None:
    print(f"compilation {compile_all():.1f} s, {peak_mb():.0f} MB", flush=True)
    rows = read(earlier) + [row for n in sorted(sizes) for row in one_size(n, dim)]
    if table is not None:
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    for stage in STAGES:
        print(f"slope of {stage}: {slope(rows, stage):.2f}")
    if figure is not None:
        draw(rows, figure)


def read(table: Path | None) -> list[Row]:
    """Rows of a table that `cost` wrote."""
    if table is None:
        return []
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v if k == "stage" else float(v) for k, v in row.items()} for row in rows]


def of_stage(rows: list[Row], stage: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    points = sorted((row["rois"], row[what]) for row in rows if row["stage"] == stage)
    n, values = np.array(points, dtype=float).T
    return n, values


def slope(rows: list[Row], stage: str) -> float:
    """The power of n that seconds grow with, fitted over all sizes; NaN for one size."""
    n, seconds = of_stage(rows, stage, "seconds")
    return float(np.polyfit(np.log(n), np.log(seconds), 1)[0]) if len(n) > 1 else float("nan")


def draw(rows: list[Row], path: Path) -> None:
    """Seconds of each stage and peak memory against the number of ROIs, as PNG and SVG."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(9, 3.8), layout="constrained")
    times, memory = page.subplots(1, 2)
    for stage, marker in zip(STAGES, "osD^", strict=True):
        n, seconds = of_stage(rows, stage, "seconds")
        label = f"{stage}, slope {slope(rows, stage):.2f}"
        times.loglog(n, seconds, marker=marker, markersize=4, label=label)
    n, peak = of_stage(rows, STAGES[-1], "peak_mb")
    memory.semilogx(n, peak / 1000, marker="o", markersize=4, color="black")
    memory.set_ylim(0)
    times.set_ylabel("seconds")
    memory.set_ylabel("peak memory, GB")
    for axes in (times, memory):
        axes.set_xlabel("ROIs")
        axes.grid(alpha=0.3)
    page.legend(loc="outside lower center", ncols=len(STAGES), frameon=False, fontsize=9)
    for suffix in (".png", ".svg"):
        page.savefig(path.with_suffix(suffix), dpi=160)


def scores(groups: np.ndarray, clustering: Clustering) -> str:
    """Coverage, and AMI with the groups: of all ROIs, and of those in a group."""
    inside, clusters = groups >= 0, noise_as_singletons(clustering.labels)
    in_groups = adjusted_mutual_information(groups[inside], clusters[inside])
    everything = adjusted_mutual_information(noise_as_singletons(groups), clusters)
    return (
        f"coverage {clustering.coverage:.3f}, AMI {everything:.3f} "
        f"({in_groups:.3f} of ROIs in groups)"
    )


def agreement(n: int, dim: int) -> None:
    """UMAP of all ROIs compared with its shortcuts, and with another seed."""
    compile_all()
    x, labels = synthetic(n, dim)
    full = {"max_fit_samples": n, "pca_above": n, "repeats": 1}
    variants: dict[str, tuple[dict[str, int], int]] = {
        "all ROIs, all dimensions": (full, 1),
        "all ROIs, another seed": (full, 2),
        "all ROIs, 50 axes": ({**full, "pca_above": 0}, 1),
        "half of them in the sample": ({**full, "max_fit_samples": n // 2}, 1),
        "a quarter in the sample": ({**full, "max_fit_samples": n // 4}, 1),
        "a tenth in the sample": ({**full, "max_fit_samples": n // 10}, 1),
    }
    first = None
    for name, (values, seed) in variants.items():
        settings = HDBSCAN.replace(reduction=values)
        start, cpu_start = time.perf_counter(), time.process_time()
        clustering = cluster(reduce(x, settings.reduction, seed), settings.clustering)
        seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        first = clustering if first is None else first
        same = adjusted_mutual_information(
            noise_as_singletons(first.labels), noise_as_singletons(clustering.labels)
        )
        print(f"{name}: {seconds:.0f} s ({cpu_s:.0f} s of CPU), ", end="")
        print(f"{clustering.n_clusters} clusters, {scores(labels, clustering)}, ", end="")
        print(f"AMI with the first {same:.3f}", flush=True)


def clusterers(n: int, dim: int, methods: list[str]) -> None:
    """Clusterers on the same reduced embeddings, or on embeddings without reduction."""
    compile_all()
    x, labels = synthetic(n, dim)
    settings = HDBSCAN
    reduced = reduce(x, settings.reduction, 1)
    small = synthetic(5000, dim, seed=1)[0]
    first = None
    for method in methods:
        clustering_settings = settings.clustering.replace(method=method)
        if needs_reduction(method):
            points, compile_points = reduced, small[:, :10]
        else:
            points, compile_points = normalise(x, "l2"), small
        cluster(compile_points, clustering_settings)
        start, cpu_start = time.perf_counter(), time.process_time()
        clustering = cluster(points, clustering_settings)
        seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        first = clustering if first is None else first
        same = adjusted_mutual_information(
            noise_as_singletons(first.labels), noise_as_singletons(clustering.labels)
        )
        print(f"{method}: {seconds:.1f} s ({cpu_s:.1f} s of CPU), ", end="")
        print(f"{clustering.n_clusters} clusters, {scores(labels, clustering)}, ", end="")
        print(f"AMI with the first {same:.3f}", flush=True)


def pooled(paths: list[Path], n: int) -> None:
    """The default on real sets together, condensed to fewer micro-clusters or not at all."""
    vectors, names = [], []
    for path in paths:
        with np.load(path) as arrays:
            vectors.append(arrays["v"])
            names += [f"{path.stem}:{label}" for label in arrays["labels"]]
    rows = np.random.default_rng(1).permutation(len(names))[:n]
    x, labels = np.concatenate(vectors)[rows], np.array(names)[rows]
    ways: dict[str, dict[str, Any]] = {
        "default": {},
        "a quarter": {"max_linkage_samples": len(x) // 4},
    }
    if len(x) <= 10_000:
        ways["all distances"] = {"max_linkage_samples": 0, "method": "linkage"}
    ways["UMAP and HDBSCAN"] = {"method": "hdbscan"}
    for name, changes in ways.items():
        start, cpu_start = time.perf_counter(), time.process_time()
        clustering = find_clusters(x, Settings().replace(clustering=changes))
        seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        ami = adjusted_mutual_information(labels, noise_as_singletons(clustering.labels))
        print(f"{len(x):,} {name}: {seconds:.0f} s ({cpu_s:.0f} s of CPU), ", end="")
        print(f"{clustering.n_clusters} clusters, coverage {clustering.coverage:.3f}, ", end="")
        print(f"AMI {ami:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("default", "cost", "agreement", "clusterers", "pooled"))
    parser.add_argument("sets", type=Path, nargs="*", help="of `pooled`")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--million", action="store_true", help="also 1,000,000 ROIs")
    parser.add_argument("--rois", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--methods", nargs="+", default=sorted(CLUSTERERS, reverse=True))
    parser.add_argument("--earlier", type=Path, help="CSV of smaller sizes, to continue from")
    parser.add_argument("--table", type=Path, help="CSV of the results")
    parser.add_argument("--figure", type=Path, help="path of the PNG and SVG files, without suffix")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores", flush=True)
    sizes = [*given.sizes, *([MILLION] if given.million else [])]
    if given.what == "default":
        default(sizes, given.dim)
    elif given.what == "cost":
        cost(sizes, given.dim, given.earlier, given.table, given.figure)
    elif given.what == "pooled":
        pooled(given.sets, given.rois)
    elif given.what == "agreement":
        agreement(given.rois, given.dim)
    else:
        clusterers(given.rois, given.dim, given.methods)


if __name__ == "__main__":
    main()
