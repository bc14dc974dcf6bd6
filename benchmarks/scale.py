"""What finding clusters costs as the number of ROIs grows, and what a sample costs in agreement.

    python benchmarks/scale.py cost [--sizes 1000 2000 ...] [--million] [--figure docs/images/scale]
    python benchmarks/scale.py agreement [--rois 50000]
    python benchmarks/scale.py clusterers [--rois 100000] [--methods hdbscan fast_hdbscan]

The embeddings are made up: 512 dimensions of which 64 tell groups apart, unequal groups (log-normal
sizes and spreads, more of them where there are more ROIs), a tenth of the ROIs strewn between two
groups. Sizes come in ascending order, so that the most memory so far is the largest one's;
compilation is timed apart, on other data. `cost` times the stages of the package with its defaults,
DBCV on at most `mec.max_validity_samples` ROIs, by the clock and by processor time, which tells more where
others use the machine. `agreement` compares ways to reduce by the AMI of what is found, each noise
ROI apart; `clusterers` compares clusterers on the same reduced embeddings.
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

from darksound.cluster.clusterers import CLUSTERERS, cluster
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.iteration import describe
from darksound.cluster.metrics import adjusted_mutual_information, noise_apart
from darksound.cluster.normalise import all_alike, normalise
from darksound.cluster.notes import Stopwatch
from darksound.cluster.reducers import reduce
from darksound.settings import Settings

# Of few ROIs too, so that sizes can be compared.
HDBSCAN = Settings().replace(reduction={"method": "umap"}, clustering={"method": "hdbscan"})
SIZES = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
MILLION = 1_000_000
STAGES = ("PCA", "UMAP", "HDBSCAN", "DBCV")
_COLUMNS = ("rois", "stage", "seconds", "cpu_s", "peak_mb")
_BLOCK = 8192


def made_up(n: int, dim: int = 512, seed: int = 1979) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings `(n, dim)` and the groups they are of `(n,)`, -1 for those between two groups."""
    rng = np.random.default_rng(seed)
    groups, inner = max(20, round(4 * n**0.4)), 64
    share = rng.lognormal(0, 1, groups)
    basis = np.linalg.qr(rng.standard_normal((dim, inner)))[0].T.astype(np.float32)
    centres = rng.standard_normal((groups, inner), dtype=np.float32)
    spread = rng.lognormal(np.log(0.35), 0.35, groups).astype(np.float32)
    labels = rng.choice(groups, n, p=share / share.sum())
    strewn = rng.random(n) < 0.1
    x = np.empty((n, dim), np.float32)
    for start in range(0, n, _BLOCK):
        own, out = labels[start : start + _BLOCK], strewn[start : start + _BLOCK]
        inside = centres[own]
        inside[out] = (inside[out] + centres[rng.permutation(own[out])]) / 2
        width = np.where(out, 2, 1).astype(np.float32) * spread[own]
        inside += width[:, None] * rng.standard_normal(inside.shape, dtype=np.float32)
        noise = rng.standard_normal((len(own), dim), dtype=np.float32)
        x[start : start + _BLOCK] = inside @ basis + 0.05 * noise
    labels[strewn] = -1
    return x, labels


def peak_mb() -> float:
    """Most memory that this process has held so far, in MB (10^6 bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def compile_all() -> float:
    """Seconds that compilation and imports take, once a process."""
    began = time.perf_counter()
    settings = HDBSCAN.replace(reduction={"repeats": 1, "n_epochs": 5})
    # UMAP takes all distances of a few, and seeks neighbours of many.
    for n in (1000, 5000):
        x, _ = made_up(n, dim=64, seed=1)
        found = cluster(reduce(x, settings.reduction, 1), settings.clustering)
        describe(0, x, found, None, None, settings, Stopwatch())
    return time.perf_counter() - began


def one_size(n: int, dim: int) -> list[dict[str, float | str]]:
    """Seconds and peak memory of each stage for `n` ROIs."""
    rows: list[dict[str, float | str]] = []

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        began, busy = time.perf_counter(), time.process_time()
        result = work()
        seconds, cpu = time.perf_counter() - began, time.process_time() - busy
        row = dict(zip(_COLUMNS, (n, stage, seconds, cpu, peak_mb()), strict=True))
        rows.append(row)
        print(f"{n:>9,} {stage:<12} {seconds:>8.2f} s, {cpu:>8.2f} s of CPU", end="")
        print(f" {row['peak_mb']:>8.0f} MB", flush=True)
        return result

    settings = HDBSCAN
    x, labels = timed("made up", lambda: made_up(n, dim))
    how = settings.reduction
    timed("normalise", lambda: all_alike(normalise(x, how.normalise)))
    fifty = how.model_copy(update={"method": "pca", "n_components": 50})
    timed("PCA", lambda: reduce(x, fifty, 1))
    reduced = timed("UMAP", lambda: reduce(x, how, 1))
    found = timed("HDBSCAN", lambda: cluster(reduced, settings.clustering))
    timed("DBCV", lambda: describe(0, x, found, None, None, settings, Stopwatch()))
    print(f"{n:>9,} {found.n_clusters} clusters, {told(labels, found)}", flush=True)
    return rows


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


def read(table: Path | None) -> list[dict[str, float | str]]:
    """Rows of a table that `cost` wrote."""
    if table is None:
        return []
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v if k == "stage" else float(v) for k, v in row.items()} for row in rows]


def of_stage(rows: list[dict], stage: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    own = sorted((row["rois"], row[what]) for row in rows if row["stage"] == stage)
    n, values = np.array(own, dtype=float).T
    return n, values


def slope(rows: list[dict], stage: str) -> float:
    """The power of n that seconds grow with, fitted over all sizes; NaN for one size."""
    n, seconds = of_stage(rows, stage, "seconds")
    return float(np.polyfit(np.log(n), np.log(seconds), 1)[0]) if len(n) > 1 else float("nan")


def draw(rows: list[dict], path: Path) -> None:
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
    memory.set_ylabel("most memory, GB")
    for axes in (times, memory):
        axes.set_xlabel("ROIs")
        axes.grid(alpha=0.3)
    page.legend(loc="outside lower center", ncols=len(STAGES), frameon=False, fontsize=9)
    for suffix in (".png", ".svg"):
        page.savefig(path.with_suffix(suffix), dpi=160)


def told(truth: np.ndarray, found: Clustering) -> str:
    """Coverage, and AMI with the truth: of all ROIs, and of those that are of a group."""
    inside, apart = truth >= 0, noise_apart(found.labels)
    of_groups = adjusted_mutual_information(truth[inside], apart[inside])
    everything = adjusted_mutual_information(noise_apart(truth), apart)
    return f"coverage {found.coverage:.3f}, AMI {everything:.3f} ({of_groups:.3f} without strewn)"


def agreement(n: int, dim: int) -> None:
    """The full way beside its shortcuts, and beside itself with another seed."""
    compile_all()
    x, labels = made_up(n, dim)
    full = {"max_fit_samples": n, "pca_above": n, "repeats": 1}
    ways: dict[str, tuple[dict[str, int], int]] = {
        "all ROIs, all dimensions": (full, 1),
        "the same, another seed": (full, 2),
        "all ROIs, 50 axes": ({**full, "pca_above": 0}, 1),
        "half of them fitted": ({**full, "max_fit_samples": n // 2}, 1),
        "a quarter fitted": ({**full, "max_fit_samples": n // 4}, 1),
        "a tenth fitted": ({**full, "max_fit_samples": n // 10}, 1),
    }
    first = None
    for name, (values, seed) in ways.items():
        settings = HDBSCAN.replace(reduction=values)
        began, busy = time.perf_counter(), time.process_time()
        found = cluster(reduce(x, settings.reduction, seed), settings.clustering)
        took = f"{time.perf_counter() - began:.0f} s ({time.process_time() - busy:.0f} s of CPU)"
        first = found if first is None else first
        same = adjusted_mutual_information(noise_apart(first.labels), noise_apart(found.labels))
        print(f"{name}: {took}, {found.n_clusters} clusters, {told(labels, found)}, ", end="")
        print(f"AMI with the first {same:.3f}", flush=True)


def clusterers(n: int, dim: int, methods: list[str]) -> None:
    """Clusterers on the same reduced embeddings, or on the embeddings themselves."""
    compile_all()
    x, labels = made_up(n, dim)
    settings = HDBSCAN
    reduced = reduce(x, settings.reduction, 1)
    small = made_up(5000, dim, seed=1)[0]
    first = None
    for method in methods:
        how = settings.clustering.model_copy(update={"method": method})
        whole = not CLUSTERERS[method].reduced
        space, warm = (normalise(x, "l2"), small) if whole else (reduced, small[:, :10])
        cluster(warm, how)
        began, busy = time.perf_counter(), time.process_time()
        found = cluster(space, how)
        took = f"{time.perf_counter() - began:.1f} s ({time.process_time() - busy:.1f} s of CPU)"
        first = found if first is None else first
        same = adjusted_mutual_information(noise_apart(first.labels), noise_apart(found.labels))
        print(f"{method}: {took}, {found.n_clusters} clusters, {told(labels, found)}, ", end="")
        print(f"AMI with the first {same:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("cost", "agreement", "clusterers"))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--million", action="store_true", help="also 1,000,000 ROIs")
    parser.add_argument("--rois", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--methods", nargs="+", default=sorted(CLUSTERERS, reverse=True))
    parser.add_argument("--earlier", type=Path, help="CSV of smaller sizes to go on from")
    parser.add_argument("--table", type=Path, help="CSV of what was measured")
    parser.add_argument("--figure", type=Path, help="where PNG and SVG go, without suffix")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores", flush=True)
    if given.what == "cost":
        sizes = [*given.sizes, *([MILLION] if given.million else [])]
        cost(sizes, given.dim, given.earlier, given.table, given.figure)
    elif given.what == "agreement":
        agreement(given.rois, given.dim)
    else:
        clusterers(given.rois, given.dim, given.methods)


if __name__ == "__main__":
    main()
