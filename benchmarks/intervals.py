"""Measure the intervals of the number of call types, and of the precision of clusters.

    python benchmarks/intervals.py worlds [--seeds 201 202 ...] [--worlds 100] [--fit]
    python benchmarks/intervals.py sets AUDIO
    python benchmarks/intervals.py reviews [--reviews 2000]

`worlds` makes synthetic worlds and counts in how many the interval holds the number of species.
The species of a world, 5 to 60, are drawn from those of `demo:train:SEED` for several seeds (40
species each), rendered as sound and embedded once with the default weights. The number of ROIs of a
species is log-normal, 4 to 24; one to four recordings of the demo are one recording. Differences
between the ROIs of a species are enlarged by a factor of 1 to 2.2, the same for a whole world,
because synthetic birds alone are easier than real ones: the agreement of clusters with species is
then an AMI of 0.6 to 1. With `--fit`, lines are fitted by quantile regression; the numbers in
`darksound.cluster.intervals` were chosen by them, on other seeds than those of the measurement.

`sets` shows the interval of each labelled set beside its number of labels; AUDIO holds the folders
of `board.py`. `reviews` draws made runs and reviews by plan, and counts how often the interval of
the precision holds the true one, by number of clips and true precision.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linprog

import darksound as ds
from board import embeddings, labelled_sets
from darksound.cluster.intervals import ClusterStability, cluster_stability
from darksound.cluster.metrics import label_scores
from darksound.cluster.stability import resampling_units
from darksound.cluster.structure import find_clusters
from darksound.meta.episodes import recording_names
from darksound.parallel.threads import single_threaded
from darksound.report.precision import Strata

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FEWEST_SPECIES, _MOST_SPECIES = 5, 60
_FEWEST_ROIS, _MOST_ROIS = 4, 24
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class World:
    """A synthetic world: embeddings `(n, dim)`, species and recordings `(n,)`."""

    vectors: npt.NDArray[np.float32]
    species: npt.NDArray[np.object_]
    recordings: npt.NDArray[np.object_]

    @property
    def n_species(self) -> int:
        return len(set(self.species.tolist()))


def species_pool(seeds: list[int]) -> World:
    """Return all ROIs of the demo's training splits with these seeds."""
    parts = []
    for seed in seeds:
        rois = ds.load_rois(f"demo:train:{seed}")
        vectors = embeddings(rois, "pair", ds.Settings())
        table = rois.table
        parts.append((vectors, table["label"], f"{seed}/" + table["recording"]))
    vectors, species, recordings = zip(*parts, strict=True)
    names = (pd.concat(each).to_numpy(object) for each in (species, recordings))
    return World(np.concatenate(vectors), *names)


def draw_world(pool: World, seed: int) -> World:
    """Return a random world of species of the pool."""
    rng = np.random.default_rng(seed)
    names = np.unique(pool.species.astype(str))
    most = min(_MOST_SPECIES, len(names))
    n_species = round(float(np.exp(rng.uniform(np.log(_FEWEST_SPECIES), np.log(most)))))
    usual = rng.uniform(np.log(8), np.log(18))
    spread = rng.uniform(1.0, 2.2)
    rows, vectors = [], []
    for name in rng.choice(names, n_species, replace=False):
        count = int(np.clip(np.exp(rng.normal(usual, 0.6)), _FEWEST_ROIS, _MOST_ROIS))
        of_species = np.flatnonzero(pool.species == name)
        recordings = rng.permutation(np.unique(pool.recordings[of_species].astype(str)))
        kept = np.isin(pool.recordings[of_species], recordings[: (count + 1) // 2])
        members = of_species[kept][:count]
        x = pool.vectors[members]
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        centre = x.mean(axis=0)
        vectors.append(centre + spread * (x - centre))
        rows.append(members)
    members = np.concatenate(rows)
    _, recording = np.unique(pool.recordings[members].astype(str), return_inverse=True)
    joined = rng.permutation(recording.max() + 1) // rng.integers(1, 5)
    return World(
        np.concatenate(vectors).astype(np.float32),
        pool.species[members],
        joined[recording].astype(str).astype(object),
    )


@single_threaded()
def measure(world: World) -> tuple[ClusterStability | None, float]:
    """Return stability and number of call types of a world, and the AMI with its species."""
    settings = ds.Settings()
    clustering = find_clusters(world.vectors, settings)
    units = resampling_units(world.recordings, np.arange(len(world.species), dtype=float))
    found = cluster_stability(world.vectors, clustering, units, settings)
    return found, label_scores(clustering.labels, world.species).everything.ami


def quantile_line(x: Floats, y: Floats, quantile: float) -> Floats:
    """Return intercept and slope of the linear quantile regression of `y` on `x` `(n,)`."""
    n = len(x)
    design = np.stack([np.ones(n), x], axis=1)
    costs = np.concatenate([np.zeros(4), np.full(n, quantile), np.full(n, 1 - quantile)])
    equations = np.concatenate([design, -design, np.eye(n), -np.eye(n)], axis=1)
    solution = linprog(costs, A_eq=equations, b_eq=y).x
    line: Floats = solution[:2] - solution[2:4]
    return line


def worlds(seeds: list[int], first: int, count: int, fit: bool) -> None:
    pool = species_pool(seeds)
    rows = []
    for number in range(first, first + count):
        world = draw_world(pool, number)
        found, ami = measure(world)
        if found is None:
            continue
        types = found.types
        rows.append(
            {
                "world": number,
                "rois": len(world.species),
                "species": world.n_species,
                "n": types.n,
                "low": types.low,
                "high": types.high,
                "stable": types.n_stable,
                "stability": float(found.per_cluster.mean()),
                "ami": ami,
            }
        )
        print(" ".join(f"{name} {value:.3g}" for name, value in rows[-1].items()), flush=True)
    table = pd.DataFrame(rows)
    truth = table["species"]
    held = (table["low"] <= truth) & (truth <= table["high"])
    print(f"{len(table)} worlds; the interval holds the number of species in {held.sum()}.")
    print(f"Number of clusters equal to it: {(table['n'] == truth).sum()}.")
    print(f"Too low {(table['high'] < truth).sum()}, too high {(table['low'] > truth).sum()}.")
    ratio = np.exp(np.log(table["high"] / table["low"]).mean())
    print(f"Upper by lower end, geometric mean: {ratio:.2f}.")
    for low, high in ((0, 0.8), (0.8, 0.9), (0.9, 1.01)):
        part = (table["ami"] >= low) & (table["ami"] < high)
        print(f"AMI {low} to {min(high, 1)}: {held[part].sum()} of {part.sum()}.")
    if fit:
        x = np.log(table["stability"].to_numpy())
        y = np.log((truth / table["n"]).to_numpy())
        for quantile in _QUANTILES:
            level, slope = quantile_line(x, y, quantile)
            print(f"quantile {quantile}: {np.exp(level):.3f} k m^{slope:.2f}")


def sets(audio: str) -> None:
    """Print the interval of each labelled set beside its number of labels."""
    print(f"{'set':20} {'ROIs':>6} {'labels':>7} {'n':>5} {'interval':>12} {'stable':>7}")
    for name, load in labelled_sets(audio, []).items():
        for rois in load():
            assert rois.labels is not None  # sets of the board have labels
            vectors = embeddings(rois, "pair", ds.Settings())
            found, _ = measure(World(vectors, rois.labels, recording_names(rois)))
            if found is None:
                continue
            types, n_labels = found.types, len({label for label in rois.labels if label})
            print(
                f"{name:20} {len(rois):6} {n_labels:7} {types.n:5} "
                f"{types.low:5} to {types.high:3} {types.n_stable:7}"
            )


def simulated_reviews(count: int, seed: int) -> Iterator[tuple[int, float, bool, float]]:
    """Yield clips checked, true precision, whether the interval holds it, and its width."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n = round(float(np.exp(rng.uniform(np.log(25), np.log(3000)))))
        usual = rng.beta(6, 1) if rng.random() < 0.7 else rng.uniform(0.3, 1)
        shares = np.clip(usual + np.array([-0.15, 0, 0.1]) * rng.uniform(0, 2), 0, 1)
        sizes = np.array([n // 3, n // 3, n - 2 * (n // 3)])
        true = rng.binomial(sizes, shares)
        clips = int(rng.choice([10, 20, 40]))
        checked = np.minimum(np.maximum(1, clips * sizes // n), sizes)
        yes = rng.hypergeometric(true, sizes - true, checked)
        size, n_checked, n_yes = (each.astype(np.float64) for each in (sizes, checked, yes))
        found = Strata(size, n_checked, n_yes).precision()
        share = true.sum() / n
        yield clips, share, found.low - 1e-9 <= share <= found.high + 1e-9, found.high - found.low


def reviews(count: int) -> None:
    """Print in how many simulated reviews the interval holds the precision."""
    columns = ["clips", "precision", "held", "width"]
    table = pd.DataFrame(simulated_reviews(count, 0), columns=columns)
    table["precision"] = pd.cut(table["precision"], [0, 0.6, 0.9, 1], include_lowest=True)
    print(f"{count} reviews; the interval holds the precision in {table['held'].mean():.3f}.")
    by = table.groupby(["clips", "precision"], observed=True)
    print(by.agg(reviews=("held", "size"), held=("held", "mean"), width=("width", "mean")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    of_worlds = commands.add_parser("worlds")
    of_worlds.add_argument("--seeds", type=int, nargs="+", default=[107, 108, 109, 110, 111, 112])
    of_worlds.add_argument("--first", type=int, default=1_000_100)
    of_worlds.add_argument("--worlds", type=int, default=100)
    of_worlds.add_argument("--fit", action="store_true")
    commands.add_parser("sets").add_argument("audio")
    commands.add_parser("reviews").add_argument("--reviews", type=int, default=4000)
    given = parser.parse_args()
    if given.what == "worlds":
        worlds(given.seeds, given.first, given.worlds, given.fit)
    elif given.what == "sets":
        sets(given.audio)
    else:
        reviews(given.reviews)


if __name__ == "__main__":
    main()
