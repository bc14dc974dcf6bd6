"""Compare maps by UMAP and by t-SNE: how many neighbours they keep, and seconds.

    python benchmarks/maps.py AUDIO [--sets demo phoebe bengalese pooled] [--sizes 5000 10000]

AUDIO holds the folders of labelled recordings that `mec.py` uses. For embeddings of the small CNN:
trustworthiness (Venna and Kaski 2001) and the share of the 5, 10 and 15 nearest neighbours that are
nearest on the map, agreement of labels with the nearest neighbour on the map (in all dimensions),
and the CPU seconds of the first map of a process, UMAP's compilation included, and of a second one.
`--sizes` measures seconds for so many ROIs too: those of all sets, repeated with noise.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

import darksound as ds
from darksound.cluster.embedding import embed
from darksound.cluster.maps import MAP_METHODS, map_coordinates
from darksound.cluster.normalise import normalise
from darksound.meta.learners.build import build_learner
from darksound.rois.roi_set import RoiSet
from darksound.settings import adopt_checkpoint
from darksound.store.building import build_store

Vectors = npt.NDArray[np.float32]
NEIGHBOURS = (5, 10, 15)
METHODS = ("umap", "tsne", "pca")


def sets(audio: Path) -> dict[str, tuple[Callable[[], RoiSet], dict[str, object]]]:
    pooled = (audio / "birdguess", audio / "british")
    syllables = audio / "bengalese" / "syllables.csv"
    return {
        "demo": (lambda: ds.load_rois("demo"), {}),
        "phoebe": (lambda: ds.load_rois(audio / "phoebe"), {}),
        "bengalese": (lambda: ds.load_rois(syllables), {"audio": {"roi_s": "auto"}}),
        "pooled": (lambda: ds.load_rois(*pooled, rois="windows"), {}),
    }


def timed_maps(x: Vectors, method: str) -> tuple[Vectors, list[float]]:
    """Return a map, and the CPU seconds of making it twice; for a new process."""
    seconds = []
    for _ in range(2):
        start = time.process_time()
        (coordinates,) = map_coordinates([x], method, ds.Settings().reduction, 1)
        seconds.append(time.process_time() - start)
    return coordinates, seconds


def in_new_process(x: Vectors, method: str) -> tuple[Vectors, str]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        coordinates, seconds = pool.apply(timed_maps, (x, method))
    return coordinates, "{:.1f} s, then {:.1f} s".format(*seconds)


def repeated(x: Vectors, size: int) -> Vectors:
    """Return rows of x, and above their number also altered ones."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(x), max(0, size - len(x)))
    altered = x[rows] + 0.3 * x.std(axis=0) * rng.standard_normal((len(rows), x.shape[1]))
    return np.concatenate([x, altered]).astype(np.float32)[:size]


def nearest(x: Vectors, k: int) -> npt.NDArray[np.int64]:
    rows: npt.NDArray[np.int64] = NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[1]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--sizes", nargs="+", type=int, default=[])
    arguments = parser.parse_args()
    learner, embeddings = build_learner(ds.Settings()), list[Vectors]()
    for name, (load, changes) in sets(arguments.audio).items():
        if arguments.sets and name not in arguments.sets:
            continue
        settings = adopt_checkpoint(ds.Settings().replace(**changes), learner.settings)
        images = build_store(load(), settings)
        vectors = embed(images, learner, images.settings)
        embeddings.append(vectors)
        labels = np.asarray(images.rois.labels)
        unit = normalise(vectors, images.settings.reduction.normalise)
        before = nearest(unit, max(NEIGHBOURS))
        agreement = (labels[before[:, 0]] == labels).mean()
        print(f"{name}: {len(unit)} ROIs, 1-NN in all dimensions {agreement:.3f}", flush=True)
        for method in METHODS:
            y, seconds = in_new_process(vectors, method)
            after = nearest(y, max(NEIGHBOURS))
            figures = []
            for k in NEIGHBOURS:
                trust = trustworthiness(unit, y, n_neighbors=k)
                kept = [np.isin(a[:k], b[:k]).mean() for a, b in zip(before, after, strict=True)]
                figures.append(f"{k}: {trust:.3f} {np.mean(kept):.3f}")
            print(
                f"  {MAP_METHODS[method].title} | {' | '.join(figures)} | "
                f"1-NN {(labels[after[:, 0]] == labels).mean():.3f} | "
                f"{seconds}",
                flush=True,
            )
    for size in arguments.sizes:
        x = repeated(np.concatenate(embeddings), size)
        for method in METHODS[:2]:
            print(f"{size}: {MAP_METHODS[method].title} {in_new_process(x, method)[1]}", flush=True)


if __name__ == "__main__":
    main()
