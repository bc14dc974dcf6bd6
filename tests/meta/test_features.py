"""Features of many ROIs: independent of the batch, in order, and computed in advance."""

import threading

import numpy as np
import pytest
import torch

from darksound.meta.features import compute_features, prefetch
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner


@pytest.mark.parametrize("method", LEARNERS)
def test_features_do_not_depend_on_the_batch(tiny, make_images, method):
    learner = build_learner(tiny.replace(learner={"method": method})).train()
    rows = np.array([7, 3, 40, 7])
    some = compute_features(make_images(), learner, tiny.compute, rows=rows)
    single = tiny.compute.replace(batch_size=1)
    all_features = compute_features(make_images(), learner, single)
    torch.testing.assert_close(some, all_features[rows], rtol=1e-5, atol=1e-6)
    assert torch.equal(some[0], some[3])
    assert learner.training


def test_embeddings_are_float32_and_progress_is_reported(tiny, make_images):
    calls = []
    settings = tiny.replace(learner={"method": "relation"}, compute={"precision": "bfloat16"})
    vectors = compute_features(
        make_images(),
        build_learner(settings),
        settings.compute,
        embed=True,
        progress=lambda stage, done, total, /, values=None: calls.append((stage, done, total)),
    )
    assert (vectors.dtype, tuple(vectors.shape)) == (torch.float32, (48, 16))
    assert calls == [("embedding", done, 48) for done in (0, 16, 32, 48)]


def test_no_rows_give_no_features(tiny, make_images):
    learner, no_rows = build_learner(tiny), np.zeros(0, int)
    features = compute_features(make_images(), learner, tiny.compute, rows=no_rows)
    assert features.shape == (0, 16)


def test_prefetch_computes_in_order_in_one_thread_and_in_advance():
    second_is_computed = threading.Event()
    threads = []

    def make(job: int) -> int:
        threads.append(threading.current_thread())
        if job == 1:
            second_is_computed.set()
        return job * job

    results = prefetch(make, range(6))
    assert next(results) == 0
    # The second result is computed although it is not requested yet.
    assert second_is_computed.wait(60)
    assert list(results) == [1, 4, 9, 16, 25]
    assert set(threads) != {threading.current_thread()}
    assert len(set(threads)) == 1


def test_prefetch_computes_only_a_few_in_advance():
    jobs: list[int] = []
    results = prefetch(jobs.append, range(100))
    next(results)
    results.close()
    assert len(jobs) <= 4


def test_prefetch_raises_the_error_of_a_job():
    def make(job: int) -> int:
        return 1 // (2 - job)

    results = prefetch(make, range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(prefetch(make, [])) == []
