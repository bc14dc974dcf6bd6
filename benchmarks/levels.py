"""Measure superclusters and granularity on finished runs with labels.

    python benchmarks/levels.py RUN [RUN ...]

RUN is a directory of `darksound mec`. Its embeddings are clustered again, with the settings of the
run and each granularity in turn. The first table has the number of clusters, coverage and agreement
with the labels over all ROIs. The second has the number of superclusters and their agreement with
the labels over clustered ROIs: a supercluster may hold several labels, but a label should not be in
several superclusters (completeness). Rules other than the one that is used are listed below it.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    adjusted_mutual_info_score,
    completeness_score,
    homogeneity_score,
)

from darksound.cluster import levels
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import label_scores
from darksound.cluster.structure import find_clusters
from darksound.report.result import MecResult, read_run

GRANULARITIES = (0.25, 0.5, 1.0, 2.0, 4.0)

Floats = npt.NDArray[np.float64]
#: Weight of the gap below `m` superclusters, and the fewest of k clusters, by the name of the rule.
RULES: Mapping[str, tuple[Callable[[Floats], Floats], float]] = {
    "gap log m, from k / 8": (np.log, 1 / 8),
    "gap, from k / 8": (np.ones_like, 1 / 8),
    "gap log m, from 2": (np.log, 0),
    "gap, from 2": (np.ones_like, 0),
    "gap m, from 2": (np.asarray, 0),
}


def number_by(rule: str) -> Callable[[Floats, int], int]:
    """Return a function that chooses the number of superclusters by a rule."""
    weight, share = RULES[rule]

    def choose(heights: Floats, k: int) -> int:
        numbers = np.arange(max(2, int(np.ceil(share * k))), int(k / 2) + 1)
        if not numbers.size:
            return k
        gaps = heights[k - numbers] - heights[k - numbers - 1]
        return int(numbers[np.argmax(gaps * weight(numbers.astype(np.float64)))])

    return choose


def granularities(result: MecResult) -> Clustering:
    """Print a row for each granularity; return the clustering of granularity 1."""
    found = {}
    for granularity in GRANULARITIES:
        settings = result.settings.replace(clustering={"granularity": granularity})
        clustering = find_clusters(np.asarray(result.embeddings), settings)
        if result.labels is None:
            raise SystemExit(f"{result.name} has no labels.")
        scores = label_scores(clustering.labels, result.labels).as_row()
        print(
            f"{result.name:32} {granularity:5} {clustering.n_clusters:8} "
            f"{clustering.coverage:8.2f} {scores['ami_all']:7.3f}"
        )
        found[granularity] = clustering
    return found[1.0]


def superclusters(result: MecResult, clustering: Clustering) -> None:
    """Print a row for each rule."""
    inside = clustering.labels >= 0
    labels = result.rois.table["label"].fillna("").to_numpy(str)[inside]
    for rule in RULES:
        setattr(levels, "_n_superclusters", number_by(rule))  # noqa: B010
        found = levels.find_levels(
            clustering, np.asarray(result.embeddings), result.settings.reduction
        )
        groups = found.of_rois(clustering.labels)[inside]
        print(
            f"{result.name:32} {rule:22} {clustering.n_clusters:8} {found.n_superclusters:7} "
            f"{np.bincount(groups).max() / len(groups):8.2f} "
            f"{adjusted_mutual_info_score(labels, groups):6.3f} "
            f"{homogeneity_score(labels, groups):6.3f} {completeness_score(labels, groups):6.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    results = [read_run(path) for path in parser.parse_args().runs]
    print(f"{'run':32} {'gran.':5} {'clusters':8} {'coverage':8} {'AMI all':7}")
    default = [granularities(result) for result in results]
    print(
        f"\n{'run':32} {'rule':22} {'clusters':8} {'superc.':7} {'largest':8} {'AMI':6} "
        f"{'hom.':6} {'compl.':6}"
    )
    for result, clustering in zip(results, default, strict=True):
        superclusters(result, clustering)


if __name__ == "__main__":
    main()
