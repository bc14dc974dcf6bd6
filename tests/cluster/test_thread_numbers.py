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


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fast_hdbscan", "evoc"])
def test_clusterers_on_numba_do_not_depend_on_its_threads(method):
    numba = pytest.importorskip("numba")
    pytest.importorskip(method)
    results = []
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(threads)
        settings = Settings().clustering.replace(method=method)
        results.append(structure.cluster(_vectors(700, 15), settings, 1))
    for result in results[1:]:
        np.testing.assert_array_equal(result.labels, results[0].labels)
        np.testing.assert_array_equal(result.probability, results[0].probability)


@pytest.mark.parametrize("method", ["pca", "none"])
def test_reductions_have_the_same_bits_for_any_number_of_threads(method):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    settings = Settings().reduction.replace(method=method, n_components=5)
    results = []
    for threads in (1, 2, 4):
        with threadpoolctl.threadpool_limits(threads):
            results.append(structure.reduce(_vectors(5000, 64), settings, 1))
    assert all(np.array_equal(result, results[0]) for result in results)
