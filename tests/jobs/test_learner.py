"""The initial learner of a run."""

import logging

import pytest
import torch

from darksound.api import embed
from darksound.errors import CheckpointError, SettingsError
from darksound.jobs import learner as module
from darksound.jobs.estimate import Workload, log_estimate_of_count
from darksound.jobs.learner import (
    load_learner,
    log_initial_learner,
    needs_warm_up,
    warm_up_learner,
)
from darksound.jobs.train import TrainingResult
from darksound.meta.backbones import check_trained
from darksound.meta.checkpoints import EpochReport
from darksound.meta.learners.build import build_learner
from darksound.progress import silent
from darksound.settings import Settings, load_settings


@pytest.fixture
def trainings(monkeypatch):
    """Record calls of training, which does nothing."""
    calls = []

    def train_in_folder(rois, settings, folder, **_):
        calls.append((folder, settings))
        folder.mkdir(parents=True)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            learner = build_learner(settings)
        report = EpochReport(1, 0.5, 0.9, 0.5, 0.9, 1e-3, 1.0, 1.0)
        return TrainingResult(learner, (report,), report, ())

    monkeypatch.setattr(module, "train_in_folder", train_in_folder)
    return calls


def make_settings(tmp_path, *assignments):
    small = ("backbone.name=small", "backbone.channels=[4,4,8,8]", "backbone.embedding_dim=16")
    cache = f"compute.cache_dir={tmp_path / 'cache'}"
    return load_settings(assignments=[cache, *small, *assignments])


def test_warm_up_trains_once_and_is_cached(tmp_path, trainings, caplog):
    caplog.set_level(logging.INFO, "darksound")
    settings = make_settings(tmp_path, "mec.warm_up_epochs=3")
    first = warm_up_learner(settings, tmp_path / "run", silent)
    assert trainings[0][1].training.epochs == 3
    assert not (tmp_path / "run").exists()
    second = warm_up_learner(settings, tmp_path / "run", silent)
    assert len(trainings) == 1
    assert "trained on the demo before" in caplog.text
    weights, cached = first.state_dict(), second.state_dict()
    assert all(torch.equal(weights[name], cached[name]) for name in cached)


@pytest.mark.parametrize(
    ("assignment", "trains_again"),
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
def test_cached_learner_is_used_for_the_same_training_settings(
    assignment, trains_again, tmp_path, trainings
):
    warm_up_learner(make_settings(tmp_path), tmp_path / "run", silent)
    warm_up_learner(make_settings(tmp_path, assignment), tmp_path / "run", silent)
    assert (len(trainings) == 2) is trains_again


def test_damaged_cached_learner_is_an_error(tmp_path, trainings):
    warm_up_learner(make_settings(tmp_path), tmp_path / "run", silent)
    (path,) = (tmp_path / "cache").rglob("best.safetensors")
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        warm_up_learner(make_settings(tmp_path), tmp_path / "run", silent)


def test_pretrained_learner_needs_no_warm_up():
    assert needs_warm_up(Settings().replace(backbone={"weights": "none"}))
    assert not needs_warm_up(Settings())
    assert needs_warm_up(Settings().replace(learner={"method": "relation"}))
    assert not needs_warm_up(load_settings("thesis-2023"))
    assert not needs_warm_up(load_settings(assignments=["mec.warm_up=none"]))
    assert load_learner(None, Settings()) is None


def test_estimate_logs_device_and_rois(tmp_path, caplog):
    caplog.set_level(logging.INFO, "darksound")
    settings = make_settings(tmp_path, "compute.device=cpu", "compute.precision=float32")
    learner = build_learner(settings)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    log_estimate_of_count(300, learner, settings, Workload(images=300, embedded=300))
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
    assert all(value.grad is None for value in learner.parameters())
    (line,) = caplog.messages
    threads = torch.get_num_threads()
    assert line.startswith(f"CPU ({threads} threads), float32, 300 ROIs, up to ")


def test_workloads_add_up():
    settings = Settings()
    work = Workload.of_training(100, settings, 2)
    assert work.images == 100 * (1 + settings.augmentation.sound_versions)
    episode = settings.episodes.n_way * (settings.episodes.n_shot + settings.episodes.n_query)
    assert work.trained == 2 * settings.training.episodes_per_epoch * episode
    assert (work + Workload(clusterings=1, trained=1)) == Workload(
        work.images, work.embedded, work.trained + 1, work.epochs, 1
    )


@pytest.mark.parametrize(
    ("assignments", "warm_up", "message"),
    [
        ((), False, "pair starts from the weights darksound, for images of 150 Hz to 11.5 kHz."),
        (("front_end.high_hz=nyquist",), False, "for images of 150 Hz to nyquist."),
        (("learner.method=matching",), True, "matching of the backbone pair has pretrained"),
        (("backbone.weights=none",), True, "pair has no weights: it is first trained on the demo"),
        (("backbone.weights=none",), False, "the network is untrained"),
    ],
)
def test_first_line_says_what_a_run_without_a_checkpoint_starts_from(
    assignments, warm_up, message, caplog
):
    caplog.set_level(logging.INFO, "darksound")
    log_initial_learner(load_settings(assignments=assignments), warm_up)
    assert message in caplog.messages[0]


def test_an_untrained_network_embeds_nothing_unless_it_is_asked_for():
    untrained = load_settings(assignments=["backbone.weights=none"])
    with pytest.raises(SettingsError, match=r"untrained network say nothing .*--checkpoint"):
        embed("demo:val", settings=untrained)
    check_trained(untrained.replace(mec={"warm_up": "none"}))
    check_trained(Settings())
    check_trained(load_settings(assignments=["backbone.weights=none", "backbone.name=birdnet"]))


def test_matching_networks_have_parts_that_are_trained_on_the_demo_first():
    settings = Settings()
    assert not needs_warm_up(settings)
    assert needs_warm_up(settings.replace(learner={"method": "matching"}))
