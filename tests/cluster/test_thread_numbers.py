"""The same seed gives the same embeddings, weights and clusters for any number of threads."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from darksound.cluster import structure
from darksound.settings import Settings

# Trains, clusters and fine-tunes, and prints a checksum of each result. Images of 48 ROIs an
# episode pass the network in four pieces.
_PROGRAM = """
import hashlib, json, sys
import numpy as np, torch
import darksound as ds
from darksound.cluster.mec import mec

def checksum(*arrays):
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(data).hexdigest()[:16]

settings = ds.Settings().replace(
    backbone={"weights": "none"},
    augmentation={"sound_versions": 0},
    training={"epochs": 1, "episodes_per_epoch": 2, "validation_share": 0},
    episodes={"n_way": 8, "n_shot": 3, "n_query": 3},
    reduction={"method": "none"},
    mec={"iterations": 2, "n_episodes": 1, "min_probability": 0.0, "converged_ami": 1.0},
    compute={"workers": 1},
)
rois = ds.load_rois("demo:val")
for threads in map(int, sys.argv[1:]):
    # torch takes no more from the environment than there are cores.
    torch.set_num_threads(threads)
    learner = ds.train(rois, settings)
    outcome = mec(rois, learner, settings)
    weights = [value.float().numpy() for value in outcome.learner.state_dict().values()]
    trained = [value.float().numpy() for value in learner.state_dict().values()]
    numbers = outcome.clusters.select_dtypes("number").to_numpy(np.float64)
    metrics = outcome.iterations[["n_clusters", "dbcv", "ami", "acc_all"]].to_numpy(np.float64)
    print(json.dumps({
        "threads": torch.get_num_threads(),
        "iterations": len(outcome.iterations),
        "trained": checksum(*trained),
        "fine-tuned": checksum(*weights),
        "embeddings": checksum(outcome.embeddings),
        "clusters": checksum(numbers),
        "metrics": checksum(metrics),
    }))
"""


def _results(cache: str, environment: int, *threads: int) -> list[dict[str, object]]:
    """Return the results in a process that starts with a number of threads, for each number."""
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, threads)],
        env={
            **os.environ,
            "DARKSOUND_CACHE": cache,
            "OMP_NUM_THREADS": str(environment),
            "OPENBLAS_NUM_THREADS": str(environment),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_training_and_mec_give_the_same_bits_with_one_two_and_four_threads(tmp_path):
    cache = str(tmp_path)
    one, two, four = *_results(cache, 1, 1), *_results(cache, 2, 2, 4)
    assert [result.pop("threads") for result in (one, two, four)] == [1, 2, 4]
    assert one["iterations"] == 3
    assert one == two == four


def _vectors(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, d))
    return (3 * centres[rng.integers(0, 12, n)] + rng.normal(size=(n, d))).astype(np.float32)


# Prints a checksum of the clusters of 700 vectors, by clusterers that run on numba, and whether the
# number of torch's threads is as before.
_NUMBA_PROGRAM = """
import hashlib
import numpy as np, torch
from darksound.cluster import structure
from darksound.settings import Settings

torch.set_num_threads(3)
rng = np.random.default_rng(0)
centres = rng.normal(size=(12, 15))
x = (centres[rng.integers(0, 12, 700)] + rng.normal(size=(700, 15))).astype(np.float32)
x_umap = structure.reduce(x, Settings().reduction.replace(method="umap", repeats=1), 1)
print("umap", hashlib.sha256(x_umap.tobytes()).hexdigest())
for method in ("fast_hdbscan", "evoc"):
    found = structure.cluster(x, Settings().clustering.replace(method=method), 1)
    data = found.labels.tobytes() + found.probability.tobytes() + found.outlier_score.tobytes()
    print(method, hashlib.sha256(data).hexdigest())
print("torch", torch.get_num_threads())
"""


@pytest.mark.slow
def test_reducers_and_clusterers_on_numba_do_not_depend_on_its_threads_nor_change_torchs():
    for package in ("fast_hdbscan", "evoc"):
        pytest.importorskip(package)
    outputs = [
        subprocess.run(
            [sys.executable, "-c", _NUMBA_PROGRAM],
            env={**os.environ, "NUMBA_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        ).stdout.splitlines()
        for threads in (1, 2, 4)
    ]
    assert [line.split()[0] for line in outputs[0]] == ["umap", "fast_hdbscan", "evoc", "torch"]
    assert outputs[0][-1] == "torch 3"
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.parametrize("method", ["pca", "none"])
def test_reductions_have_the_same_bits_for_any_number_of_threads(method):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    settings = Settings().reduction.replace(method=method, n_components=5)
    results = []
    for threads in (1, 2, 4):
        with threadpoolctl.threadpool_limits(threads):
            results.append(structure.reduce(_vectors(5000, 64), settings, 1))
    assert all(np.array_equal(result, results[0]) for result in results)
