"""The learner that a run starts with."""

import logging

import pytest
import torch

from darksound.errors import CheckpointError
from darksound.jobs import learner as module
from darksound.jobs.estimate import Work, announce_many
from darksound.jobs.learner import given_learner, warm_up_is_due, warmed_up
from darksound.jobs.train import Trained
from darksound.meta.learners import build_learner
from darksound.progress import silent
from darksound.settings import Settings, load_settings


@pytest.fixture
def trainings(monkeypatch):
    """Counts trainings, which are not done."""
    calls = []

    def train_in(folder, rois, settings, **_):
        calls.append((folder, settings))
        folder.mkdir(parents=True)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            learner = build_learner(settings)
        return Trained(learner, (), 0, ())

    monkeypatch.setattr(module, "train_in", train_in)
    return calls


def settings(tmp_path, *assignments):
    small = ("backbone.channels=[4,4,8,8]", "backbone.embedding_dim=16")
    cache = f"compute.cache_dir={tmp_path / 'cache'}"
    return load_settings(assignments=[cache, *small, *assignments])


def test_a_learner_is_warmed_up_once_and_kept(tmp_path, trainings, caplog):
    caplog.set_level(logging.INFO, "darksound")
    ours = settings(tmp_path, "mec.warm_up_epochs=3")
    first = warmed_up(ours, tmp_path / "run", silent)
    assert trainings[0][1].training.epochs == 3
    assert not (tmp_path / "run").exists()
    second = warmed_up(ours, tmp_path / "run", silent)
    assert len(trainings) == 1
    assert "warmed up on the demo before" in caplog.text
    ours, theirs = first.state_dict(), second.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("assignment", "anew"),
    [
        ("seed=4", True),
        ("learner.method=matching", True),
        ("episodes.n_shot=3", True),
        ("mec.warm_up_epochs=2", True),
        ("augmentation.level=0.2", True),
        ("mec.iterations=9", False),
        ("training.epochs=99", False),
        ("reduction.n_components=3", False),
        ("compute.workers=3", False),
        ("audio.roi_s=0.25", False),
        ("audio.roi_s=auto", False),
    ],
)
def test_what_it_was_learnt_with_decides_whether_it_is_used_again(
    assignment, anew, tmp_path, trainings
):
    warmed_up(settings(tmp_path), tmp_path / "run", silent)
    warmed_up(settings(tmp_path, assignment), tmp_path / "run", silent)
    assert (len(trainings) == 2) is anew


def test_a_damaged_kept_learner_is_named(tmp_path, trainings):
    warmed_up(settings(tmp_path), tmp_path / "run", silent)
    (path,) = (tmp_path / "cache").rglob("best.safetensors")
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        warmed_up(settings(tmp_path), tmp_path / "run", silent)


def test_what_was_learnt_before_needs_no_warming_up():
    assert warm_up_is_due(Settings().replace(backbone={"weights": "none"}))
    assert not warm_up_is_due(Settings())
    assert warm_up_is_due(Settings().replace(learner={"method": "relation"}))
    assert not warm_up_is_due(load_settings("thesis-2023"))
    assert not warm_up_is_due(load_settings(assignments=["mec.warm_up=none"]))
    assert given_learner(None, Settings()) is None


def test_the_first_line_says_where_how_much_and_about_how_long(tmp_path, caplog):
    caplog.set_level(logging.INFO, "darksound")
    ours = settings(tmp_path, "compute.device=cpu", "compute.precision=float32")
    learner = build_learner(ours)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    announce_many(300, learner, ours, Work(images=300, embedded=300))
    announce_many(300, learner, ours, Work(images=300, trained=10**6, clusterings=5))
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
    assert all(value.grad is None for value in learner.parameters())
    short, long = caplog.messages
    threads = torch.get_num_threads()
    assert short.startswith(f"CPU ({threads} threads), float32, 300 ROIs, about ")
    assert long.startswith(f"CPU ({threads} threads), float32, 300 ROIs, about ")
    assert " s, " in short
    assert " min, " in long or " h, " in long


def test_work_adds_up():
    ours = Settings()
    work = Work.of_training(100, ours, 2)
    assert work.images == 100 * (1 + ours.augmentation.sound_versions)
    episode = ours.episodes.n_way * (ours.episodes.n_shot + ours.episodes.n_query)
    assert work.trained == 2 * ours.training.episodes_per_epoch * episode
    assert (work + Work(clusterings=1, trained=1)) == Work(
        work.images, work.embedded, work.trained + 1, 1
    )
