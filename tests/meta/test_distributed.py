"""Two processes learn what one does from the same steps."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from tests.meta.conftest import FakeImages, _rois

from darksound.errors import SettingsError
from darksound.meta.checkpoints import TrainState
from darksound.meta.distributed import ProcessGroup, DistributedRegime, current_process_group
from darksound.meta.learners.build import build_learner
from darksound.meta.training import REGIMES, _sampler, fit
from darksound.settings import Settings, TrainingSettings

# Method and regime; and tasks of a step that two processes cannot share evenly.
WAYS = [
    ("prototypical", "episodic"),
    ("matching", "episodic"),
    ("relation", "episodic"),
    ("prototypical", "classical"),
]
TASKS = 3


def _after_a_step(settings, crew):
    """Gradients, and what batch norm remembers, after the forward and the backward pass."""
    images = FakeImages(_rois(), settings, versions=1)
    learner = build_learner(settings)
    regime = REGIMES[settings.training.regime](
        learner, images, _sampler(images, settings), settings
    )
    shared = DistributedRegime(regime, TASKS, crew)
    shared.module.train()
    for number in range(2):
        shared.module.zero_grad()
        step = shared.step(4, number)
        step.loss.backward()
    found = {f"grad {k}": p.grad for k, p in shared.module.named_parameters() if p.grad is not None}
    return found | dict(shared.module.named_buffers()) | {"loss": step.loss.detach()}


def _trained(settings):
    """Figures and weights of a whole training."""
    reports = []
    learner = fit(
        TrainState(build_learner(settings)),
        FakeImages(_rois(), settings, versions=1),
        FakeImages(_rois(classes=4, first=6), settings),
        settings,
        on_epoch=lambda report, state: reports.append(report),
    )
    figures = [dataclasses.astuple(one)[:6] for one in reports]
    return torch.tensor(figures, dtype=torch.float64), learner.state_dict()


def _one_of_two(rank, folder, settings):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    crew = current_process_group()
    torch.save(
        {
            "steps": {way: _after_a_step(settings[way], crew) for way in WAYS},
            "trained": _trained(settings["whole"]),
            "all": crew.all_of([f"{i}" for i in crew.own(5)]),
            "told": crew.broadcast(lambda: rank + 10),
        },
        folder / f"{rank}.pt",
    )
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def settings():
    tiny = Settings().replace(
        backbone={"channels": (4, 4, 8, 8), "embedding_dim": 16, "weights": "none"},
        episodes={"n_way": 3, "n_shot": 2, "n_query": 2},
        training={"epochs": 3, "episodes_per_epoch": 6, "batch_size": 8, "validation_episodes": 4},
        compute={"device": "cpu", "precision": "float32", "batch_size": 16},
    )
    each = {
        (method, regime): tiny.replace(learner={"method": method}, training={"regime": regime})
        for method, regime in WAYS
    }
    return each | {"whole": tiny.replace(training={"episodes_per_step": 2})}


@pytest.fixture(scope="module")
def two(settings, tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("two")
    torch.multiprocessing.spawn(_one_of_two, (folder, settings), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def _hold(theirs, ours, rtol=1e-5):
    assert theirs.keys() == ours.keys()
    for name, value in ours.items():
        scale = float(value.abs().max())
        torch.testing.assert_close(theirs[name], value, rtol=rtol, atol=rtol * scale, msg=name)


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_two_processes_have_the_gradients_of_one_on_the_joined_batch(way, settings, two):
    alone = _after_a_step(settings[way], ProcessGroup())
    assert any(name.startswith("grad") for name in alone)
    losses = [found["steps"][way].pop("loss") for found in two]
    # Each loss is of the process's own tasks; their mean is of all.
    torch.testing.assert_close(torch.stack(losses).mean(), alone.pop("loss"))
    assert losses[0] != losses[1]
    for found in two:
        _hold(found["steps"][way], alone)


def test_a_shared_training_ends_as_one_alone_does(settings, two):
    figures, weights = _trained(settings["whole"])
    for found in two:
        theirs, learnt = found["trained"]
        assert len(theirs) == settings["whole"].training.epochs
        torch.testing.assert_close(theirs, figures, rtol=1e-4, atol=1e-4)
        _hold(learnt, weights, rtol=1e-3)
    for (name, one), other in zip(
        two[0]["trained"][1].items(), two[1]["trained"][1].values(), strict=True
    ):
        assert torch.equal(one, other), name


def test_processes_tell_each_other_in_order(two):
    for found in two:
        assert found["all"] == list("01234")
        assert found["told"] == 10


@given(count=st.integers(0, 60), size=st.integers(1, 9))
def test_shares_are_all_there_is_and_differ_by_one_at_most(count, size):
    shares = [ProcessGroup(rank, size).own(count) for rank in range(size)]
    assert np.concatenate(shares).tolist() == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_each_process_needs_a_task():
    assert ProcessGroup(1, 4).tasks_a_step(TrainingSettings()) == 4
    assert ProcessGroup(1, 4).tasks_a_step(TrainingSettings(episodes_per_step=6)) == 6
    with pytest.raises(SettingsError, match="episodes_per_step is 3, and 4 processes"):
        ProcessGroup(1, 4).tasks_a_step(TrainingSettings(episodes_per_step=3))
