"""Training and embedding on a GPU: all is computed there, and no step waits for it."""

import inspect

import numpy as np
import pytest
import torch
from tests.fake_gpu import NoWaiting, fake_gpu, module_on_gpu

from darksound.meta import features, pieces, regimes
from darksound.meta.episodes import EpisodeSampler
from darksound.meta.evaluation import _score, score_episodes
from darksound.meta.features import compute_features
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.optimization import OptimizerStep, make_optimizer, run_epoch
from darksound.meta.regimes import REGIMES
from darksound.progress import silent
from darksound.settings import Settings

CASES = [("episodic", method) for method in LEARNERS] + [("classical", "prototypical")]


@pytest.fixture
def on_gpu(tiny) -> Settings:
    return tiny.replace(compute={"device": "cuda"})


def _sampler(images, settings):
    return EpisodeSampler(images.rois.labels, None, settings.episodes)


@pytest.mark.parametrize(("regime", "method"), CASES)
def test_a_step_is_computed_on_the_gpu_without_waiting(
    make_images, on_gpu, monkeypatch, regime, method
):
    settings = on_gpu.replace(learner={"method": method})
    images = make_images(settings=settings, versions=1)
    monkeypatch.setattr(regimes, "to_device", lambda module, device: module)
    with fake_gpu() as gpu:
        learner = build_learner(settings)
        made = REGIMES[regime](learner, images, _sampler(images, settings), settings)
        module_on_gpu(made.module)
        with NoWaiting():
            result = made.step(0, 3)
        assert result.loss.device == result.accuracy.device == gpu


def test_a_gpu_gets_whole_batches(monkeypatch):
    sizes = []

    def run(module, x):
        sizes.append(len(x))
        return module(x)

    network = torch.nn.Linear(4, 3)
    pieces.run_in_pieces(network, run, torch.zeros(96, 4))
    assert sizes == [12] * 8
    with fake_gpu() as gpu:
        module_on_gpu(network)
        pieces.run_in_pieces(network, run, torch.zeros(96, 4, device=gpu))
    assert sizes[8:] == [96]


@pytest.mark.parametrize("method", LEARNERS)
def test_an_episode_is_scored_on_the_gpu_without_waiting(make_images, on_gpu, method):
    images = make_images()
    learner = build_learner(on_gpu.replace(learner={"method": method})).eval()
    episode = _sampler(images, on_gpu).sample(np.random.default_rng(0))
    rows = np.unique(episode.rows)
    without_inference_mode = inspect.unwrap(_score)
    with fake_gpu() as gpu:
        module_on_gpu(learner)
        with torch.no_grad():
            all_features = learner.features(torch.zeros(len(rows), *images.shape, device=gpu))
            with NoWaiting():
                scored = without_inference_mode(learner, episode, rows, all_features)
        assert (scored.device, scored.shape) == (gpu, (1 + len(episode.query),))


def test_embedding_on_the_gpu_waits_for_no_batch(make_images, on_gpu, monkeypatch):
    images = make_images()
    learner = build_learner(on_gpu)
    # Modes of torch belong to a thread.
    monkeypatch.setattr(features, "map_in_order", lambda function, jobs: map(function, jobs))
    monkeypatch.setattr(features, "to_device", lambda module, device: module)
    monkeypatch.setattr(features, "inference_copy", lambda network, dtype: network.eval())
    monkeypatch.setattr(features, "_structural_copy", lambda network: network)
    with fake_gpu():
        module_on_gpu(learner)
        with NoWaiting():
            vectors = compute_features(images, learner, on_gpu.compute)
        assert (vectors.device.type, vectors.shape) == ("cpu", (len(images), 16))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("regime", "method"), CASES)
def test_a_real_gpu_is_read_once_in_many_steps(make_images, on_gpu, regime, method):
    settings = on_gpu.replace(learner={"method": method})
    images = make_images(settings=settings, versions=1)
    made = REGIMES[regime](build_learner(settings), images, _sampler(images, settings), settings)
    step = OptimizerStep(make_optimizer(made.module, settings.training, 1e-3), settings.compute)
    run_epoch(made, step, 2, counters=(0,), progress=silent, stage="warm-up")
    made.module.train()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for i in range(5):
            step(made.step(1, i).loss)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", LEARNERS)
def test_a_real_gpu_gives_the_embeddings_and_predictions_of_the_cpu(
    make_images, tiny, on_gpu, method
):
    images = make_images()
    learner = build_learner(tiny.replace(learner={"method": method}))
    sampler = _sampler(images, tiny)
    episodes = [sampler.sample(np.random.default_rng(i)) for i in range(4)]
    results = []
    for compute in (tiny.compute, on_gpu.compute):
        vectors = compute_features(images, learner, compute, embed=True)
        losses = [score.loss for score in score_episodes(images, learner, episodes, compute)]
        results.append((vectors.numpy(), losses))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-2)
