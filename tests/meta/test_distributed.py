"""Training in two processes equals training in one on the same steps."""

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from tests.meta.conftest import MemoryImages, labelled_rois
from torch.multiprocessing.spawn import spawn

from darksound.errors import SettingsError
from darksound.meta.checkpoints import TrainState
from darksound.meta.distributed import DistributedRegime, ProcessGroup, current_process_group
from darksound.meta.learners.build import build_learner
from darksound.meta.regimes import REGIMES
from darksound.meta.training import _sampler, fit
from darksound.settings import TrainingSettings

CASES = [
    ("prototypical", "episodic"),
    ("matching", "episodic"),
    ("relation", "episodic"),
    ("prototypical", "classical"),
]
# Two processes cannot share this number of episodes in a step evenly.
EPISODES_PER_STEP = 3
# Far above the few seconds of a quiet machine, so that load never decides a test.
TIMEOUT = timedelta(hours=1)


def _state_after_two_steps(settings, group):
    """Return gradients, buffers of batch norm and the loss after forward and backward passes."""
    images = MemoryImages(labelled_rois(), settings, versions=1)
    learner = build_learner(settings)
    regime = REGIMES[settings.training.regime](
        learner, images, _sampler(images, settings), settings
    )
    distributed = DistributedRegime(regime, EPISODES_PER_STEP, group)
    module = distributed.module
    module.train()
    for number in range(2):
        module.zero_grad()
        result = distributed.step(4, number)
        result.loss.backward()
    gradients = {f"grad {k}": p.grad for k, p in module.named_parameters() if p.grad is not None}
    return gradients | dict(module.named_buffers()) | {"loss": result.loss.detach()}


def _train(settings):
    """Return the figures of all epochs, and the final weights."""
    reports = []
    learner = fit(
        MemoryImages(labelled_rois(), settings, versions=1),
        TrainState(build_learner(settings)),
        settings,
        validation_images=MemoryImages(labelled_rois(classes=4, first=6), settings),
        on_epoch=lambda report, state: reports.append(report),
    )
    figures = [dataclasses.astuple(report)[:6] for report in reports]
    return torch.tensor(figures, dtype=torch.float64), learner.state_dict()


def _run_rank(rank, folder, settings):
    torch.set_num_threads(1)
    address = f"file://{folder}/store"
    dist.init_process_group("gloo", address, rank=rank, world_size=2, timeout=TIMEOUT)
    group = current_process_group()
    torch.save(
        {
            "steps": {case: _state_after_two_steps(settings[case], group) for case in CASES},
            "training": _train(settings["training"]),
            "gathered": group.all_gather([f"{i}" for i in group.shard(5)]),
            "broadcast": group.broadcast(lambda: rank + 10),
        },
        folder / f"{rank}.pt",
    )
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def settings(tiny):
    training = {"epochs": 3, "episodes_per_epoch": 6}
    cases = {
        (method, regime): tiny.replace(
            learner={"method": method}, training={**training, "regime": regime}
        )
        for method, regime in CASES
    }
    return cases | {"training": tiny.replace(training={**training, "episodes_per_step": 2})}


@pytest.fixture(scope="module")
def two_ranks(settings, tmp_path_factory):
    """Return the results of both processes."""
    folder = tmp_path_factory.mktemp("two_ranks")
    spawn(_run_rank, (folder, settings), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def _assert_close(actual, expected, rtol=1e-5):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        scale = float(value.abs().max())
        torch.testing.assert_close(actual[name], value, rtol=rtol, atol=rtol * scale, msg=name)


# The first test that uses the fixture starts the processes, which takes minutes under load.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_two_processes_have_the_gradients_of_one(case, settings, two_ranks):
    expected = _state_after_two_steps(settings[case], ProcessGroup())
    assert any(name.startswith("grad") for name in expected)
    expected_loss = expected.pop("loss")
    states = [dict(rank["steps"][case]) for rank in two_ranks]
    losses = [state.pop("loss") for state in states]
    # Each loss is of the rank's own episodes; their mean is of all.
    torch.testing.assert_close(torch.stack(losses).mean(), expected_loss)
    assert losses[0] != losses[1]
    for state in states:
        _assert_close(state, expected)


@pytest.mark.timeout(1800)
def test_two_processes_end_with_the_weights_of_one(settings, two_ranks):
    expected_figures, expected_weights = _train(settings["training"])
    for rank in two_ranks:
        figures, weights = rank["training"]
        assert len(figures) == settings["training"].training.epochs
        torch.testing.assert_close(figures, expected_figures, rtol=1e-4, atol=1e-4)
        _assert_close(weights, expected_weights, rtol=1e-3)
    (_, first), (_, second) = (rank["training"] for rank in two_ranks)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.timeout(1800)
def test_all_gather_and_broadcast_keep_the_order_of_ranks(two_ranks):
    for rank in two_ranks:
        assert rank["gathered"] == list("01234")
        assert rank["broadcast"] == 10


@given(count=st.integers(0, 60), size=st.integers(1, 9))
def test_shards_are_complete_and_differ_by_at_most_one(count, size):
    shards = [ProcessGroup(rank, size).shard(count) for rank in range(size)]
    assert np.concatenate(shards).tolist() == list(range(count))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_each_process_needs_an_episode():
    assert ProcessGroup(1, 4).episodes_per_step(TrainingSettings()) == 4
    assert ProcessGroup(1, 4).episodes_per_step(TrainingSettings(episodes_per_step=6)) == 6
    with pytest.raises(SettingsError, match="episodes_per_step is 3, and 4 processes"):
        ProcessGroup(1, 4).episodes_per_step(TrainingSettings(episodes_per_step=3))
