"""Score sets x embeddings x ways of clustering.

    python benchmarks/board.py AUDIO [--models pair birdnet:MODEL.tflite perch2] [--sets ...]
    python benchmarks/board.py AUDIO --add CLIPS [--add ROIS.csv] [--ways darksound k-means]

AUDIO holds the folders `birdguess`, `british`, `bengalese` and `phoebe` of labelled recordings; `-`
leaves all of these out. `--add` adds a set: any folder with a subfolder of clips for each label, or
any table of ROIs with labels. `--models` are values of `backbone.name`, whose embeddings are made
with the default settings; `pair` and `small` are darksound's own weights.

The ways of clustering:

- `darksound`: the default;
- `UMAP + HDBSCAN`: `clustering.method` `hdbscan`;
- `k-means, true number`: as many groups as labels, which no user has; the best of ten starts, on
  embeddings of unit length, as embeddings are usually compared;
- `HDBSCAN`: on embeddings of unit length, without reduction.

Clusters of each are scored over all ROIs, every noise ROI as a cluster of its own: number of
clusters, coverage, AMI, ARI and V-measure, and the seconds of the clustering alone, on one thread.
The first one with UMAP includes its compilation. At the end, means over the sets.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans

import darksound as ds
from darksound.cluster.embedding import embed
from darksound.cluster.metrics import label_scores
from darksound.cluster.normalise import normalise
from darksound.cluster.structure import find_clusters
from darksound.meta.learners.build import build_learner
from darksound.parallel.threads import single_threaded
from darksound.rois.roi_set import RoiSet
from darksound.settings import adopt_checkpoint
from darksound.store.building import build_store
from mec import few_species

Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Row = dict[str, str | float]
#: Clusters `(n,)` of embeddings `(n, dim)` with the settings and the true number of groups.
Way = Callable[[Vectors, ds.Settings, int], Ints]

_N_SMALL_SETS = 6


def by_default(vectors: Vectors, settings: ds.Settings, n_groups: int) -> Ints:
    return find_clusters(vectors, settings).labels


def by_umap_and_hdbscan(vectors: Vectors, settings: ds.Settings, n_groups: int) -> Ints:
    return find_clusters(vectors, settings.replace(clustering={"method": "hdbscan"})).labels


def by_k_means(vectors: Vectors, settings: ds.Settings, n_groups: int) -> Ints:
    model = KMeans(n_groups, n_init=10, random_state=settings.seed)
    labels: Ints = model.fit_predict(normalise(vectors, "l2")).astype(np.int64)
    return labels


def by_hdbscan(vectors: Vectors, settings: ds.Settings, n_groups: int) -> Ints:
    alone = {"reduction": {"method": "none"}, "clustering": {"method": "hdbscan"}}
    return find_clusters(vectors, settings.replace(**alone)).labels


WAYS: dict[str, Way] = {
    "darksound": by_default,
    "UMAP + HDBSCAN": by_umap_and_hdbscan,
    "k-means, true number": by_k_means,
    "HDBSCAN": by_hdbscan,
}


def labelled_sets(audio: str, added: list[Path]) -> dict[str, Callable[[], list[RoiSet]]]:
    """Return functions that load each set: one RoiSet, or several whose scores are averaged."""
    sets: dict[str, Callable[[], list[RoiSet]]] = {}
    if audio != "-":
        root = Path(audio)
        windows = partial(ds.load_rois, root / "birdguess", root / "british", rois="windows")
        sets["phoebe"] = lambda: [ds.load_rois(root / "phoebe")]
        sets["bengalese"] = lambda: [ds.load_rois(root / "bengalese" / "syllables.csv")]
        sets["pooled windows"] = lambda: [windows()]
        sets["six small sets"] = lambda: [few_species(windows(), k) for k in range(_N_SMALL_SETS)]
    sets["demo"] = lambda: [ds.load_rois("demo")]
    # Tables of several sets often have one name; these are named by their paths.
    names = [*sets, *(path.name for path in added)]
    for path in added:
        sets[path.name if names.count(path.name) == 1 else str(path)] = partial(_added, path)
    return sets


def _added(path: Path) -> list[RoiSet]:
    return [ds.load_rois(path)]


def embeddings(rois: RoiSet, model: str, settings: ds.Settings) -> Vectors:
    """Return the embeddings of ROIs by a backbone with its default weights."""
    changed = settings.replace(backbone={"name": model})
    learner = build_learner(changed)
    images = build_store(rois, adopt_checkpoint(changed, learner.settings))
    return embed(images, learner, images.settings)


@single_threaded()
def scores(
    vectors: Vectors, labels: npt.NDArray[np.object_], way: Way, settings: ds.Settings
) -> dict[str, float]:
    """Return the figures of one way of clustering embeddings `(n, dim)` with labels `(n,)`."""
    start = time.perf_counter()
    clusters = way(vectors, settings, len(set(labels)))
    seconds = time.perf_counter() - start
    found = label_scores(clusters, labels)
    over_all = found.everything
    return {
        "clusters": len(set(clusters[clusters >= 0].tolist())),
        "coverage": found.coverage,
        "AMI": over_all.ami,
        "ARI": over_all.ari,
        "V": over_all.nmi,
        "seconds": seconds,
    }


def board(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each set, model and way of clustering."""
    settings = ds.Settings().replace(seed=arguments.seed)
    sets = labelled_sets(arguments.audio, arguments.add)
    for set_name in arguments.sets or sets:
        parts = sets[set_name]()
        for model in arguments.models:
            vectors = [embeddings(rois, model, settings) for rois in parts]
            for way_name in arguments.ways:
                rows = []
                for rois, values in zip(parts, vectors, strict=True):
                    if rois.labels is None:
                        raise SystemExit(f"{set_name} has no labels.")
                    rows.append(scores(values, rois.labels, WAYS[way_name], settings))
                row: Row = {"set": set_name, "embedding": model.split(":")[0], "by": way_name}
                row.update(
                    {str(key): float(value) for key, value in pd.DataFrame(rows).mean().items()}
                )
                yield row


def line(row: Mapping[str, str | float]) -> str:
    """Return a row of a Markdown table."""
    digits = {"clusters": 0, "seconds": 1, "coverage": 2}
    cells = [
        value if isinstance(value, str) else f"{value:.{digits.get(key, 3)}f}"
        for key, value in row.items()
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", help="folder of the sets, or -")
    parser.add_argument("--models", nargs="+", default=["pair"], help="values of backbone.name")
    parser.add_argument("--sets", nargs="+", help="only the sets with these names")
    parser.add_argument("--add", type=Path, action="append", default=[], help="another set")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seed", type=int, default=1979)
    parser.add_argument("--csv", type=Path, help="file for all rows")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    rows: list[Row] = []
    for row in board(arguments):
        if not rows:
            print(line({key: key for key in row}), line(dict.fromkeys(row, "---")), sep="\n")
        print(line(row), flush=True)
        rows.append(row)
    table = pd.DataFrame(rows)
    if arguments.csv:
        table.to_csv(arguments.csv, index=False)
    means = table.groupby(["embedding", "by"], sort=False).mean(numeric_only=True).reset_index()
    means.insert(0, "set", f"mean of {table['set'].nunique()}")
    for mean in means.to_dict("records"):
        print(line({str(key): value for key, value in mean.items()}), flush=True)


if __name__ == "__main__":
    main()
