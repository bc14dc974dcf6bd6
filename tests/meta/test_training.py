"""Training: resuming, best weights, schedule, early stop, and what is trained on."""

import copy
import dataclasses
import logging
import math

import numpy as np
import pytest
import torch

from darksound.errors import CheckpointError, InputError, SettingsError
from darksound.meta import training
from darksound.meta.checkpoints import load_checkpoint, load_train_state, save_train_state
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.training import EpochReport, TrainState, fit, train


@pytest.fixture
def built(make_images, monkeypatch):
    """`train` without sound; the list is of the image stores it asked for."""
    stores = []

    def build(rois, settings, progress=None, versions=0):
        stores.append(make_images(rois, settings, versions))
        return stores[-1]

    monkeypatch.setattr(training, "build_store", build)
    return stores


def figures(reports):
    timeless = [dataclasses.replace(r, seconds=0.0, images_per_s=0.0) for r in reports]
    return [dataclasses.astuple(r) for r in timeless]


@pytest.mark.parametrize("regime", ["episodic", "classical"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_four_epochs_are_two_and_two_more_to_the_bit(
    tiny, make_images, make_rois, tmp_path, regime, precision
):
    settings = tiny.replace(training={"regime": regime}, compute={"precision": precision})
    images = make_images(settings=settings, versions=2)
    held = make_images(make_rois(classes=4, first=6), settings)
    whole, first = [], []
    straight = fit(
        TrainState(build_learner(settings)),
        images,
        held,
        settings,
        on_epoch=lambda report, state: whole.append(report),
    )

    def stop_after_two(report, state):
        first.append(report)
        save_train_state(tmp_path, state)
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TrainState(build_learner(settings)), images, held, settings, on_epoch=stop_after_two)
    resumed = fit(
        load_train_state(tmp_path),
        images,
        held,
        settings,
        on_epoch=lambda report, state: first.append(report),
    )
    assert figures(first) == figures(whole)
    assert len(whole) == 4
    for key, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("method", LEARNERS)
def test_every_learner_learns_to_tell_patterns_apart(tiny, make_images, make_rois, method):
    settings = tiny.replace(
        learner={"method": method},
        training={"epochs": 2, "episodes_per_epoch": 25, "learning_rate": 5e-3},
        augmentation={"enabled": False},
        episodes={"n_query": 4, "n_shot": 4},
    )
    reports = []
    fit(
        TrainState(build_learner(settings)),
        make_images(make_rois(classes=10), settings),
        make_images(make_rois(classes=6, first=10), settings),
        settings,
        on_epoch=lambda report, state: reports.append(report),
    )
    assert reports[-1].train_loss < reports[0].train_loss
    assert reports[-1].train_accuracy > 0.75


def test_the_weights_that_come_back_are_a_copy_of_the_best_epochs(tiny, make_images, monkeypatch):
    accuracies = iter([0.3, 0.5, 0.9, 0.7, 0.9])
    monkeypatch.setattr(training, "_validate", lambda *args: (1.0, next(accuracies)))
    kept = {}
    learner = fit(
        TrainState(build_learner(tiny)),
        make_images(),
        make_images(),
        tiny,
        on_epoch=lambda report, state: kept.update(
            {report.epoch: copy.deepcopy(state.learner.state_dict())}
        ),
    )
    for key, value in learner.state_dict().items():
        assert torch.equal(value, kept[2][key]), key
    assert not torch.equal(kept[2]["backbone.stem.weight"], kept[4]["backbone.stem.weight"])
    assert not learner.training


def test_a_learner_that_training_makes_no_better_comes_back_as_it_was(
    tiny, make_images, monkeypatch, tmp_path, caplog
):
    accuracies = iter([0.9, 0.5, 0.9, 0.7, 0.6])
    monkeypatch.setattr(training, "_validate", lambda *args: (1.0, next(accuracies)))
    given = build_learner(tiny)
    before = copy.deepcopy(given.state_dict())
    learner = fit(
        TrainState(given),
        make_images(),
        make_images(),
        tiny,
        on_epoch=lambda report, state: save_train_state(tmp_path, state),
    )
    assert caplog.text.count("kept as it was") == 1
    saved, state = load_checkpoint(tmp_path), load_train_state(tmp_path)
    for key, value in learner.state_dict().items():
        assert torch.equal(value, before[key]), key
        assert torch.equal(value, saved.state_dict()[key]), key
    assert state.kept.epoch == 0
    assert state.best_epoch == 2
    assert not torch.equal(
        state.learner.state_dict()["backbone.stem.weight"], before["backbone.stem.weight"]
    )


def test_equal_accuracies_are_told_apart_by_loss():
    def report(epoch, accuracy, loss):
        return EpochReport(epoch, 1.0, 0.0, loss, accuracy, 1e-3, 1.0, 1.0)

    reports = [report(1, 0.9, 0.5), report(2, 0.9, 0.4), report(3, 0.9, 0.4), report(4, 0.8, 0.1)]
    assert TrainState(None, reports=reports).best_epoch == 2
    without = [
        EpochReport(i + 1, x, 0, math.nan, math.nan, 1, 1, 1) for i, x in enumerate([3, 1, 2])
    ]
    assert TrainState(None, reports=without).best_epoch == 2


def test_early_stop_and_the_plateau_schedule_agree_with_torchs(tiny, make_images, monkeypatch):
    scores = [0.5, 0.6, 0.6, 0.55, 0.5, 0.61, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    # That of the learner as it is given, which the schedule must not see, comes first.
    shown = iter([0.9, *scores])
    monkeypatch.setattr(training, "_validate", lambda *args: (1.0, next(shown)))
    settings = tiny.replace(
        training={
            "epochs": 30,
            "episodes_per_epoch": 1,
            "lr_patience": 1,
            "lr_factor": 0.5,
            "early_stopping_patience": 6,
        }
    )
    rates = []
    fit(
        TrainState(build_learner(settings)),
        make_images(),
        make_images(),
        settings,
        on_epoch=lambda report, state: rates.append(report.learning_rate),
    )
    oracle = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=1e-3)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        oracle, mode="max", factor=0.5, patience=1, threshold=0.0
    )
    expected = []
    for score in scores[: len(rates)]:
        expected.append(oracle.param_groups[0]["lr"])
        schedule.step(score)
    assert rates == expected
    assert len(rates) == 6 + 6  # the best is the sixth


def test_support_and_query_pass_the_backbone_once(tiny, make_images, make_rois):
    learner = build_learner(tiny)
    sizes = []
    learner.backbone.register_forward_hook(
        lambda module, inputs, output: sizes.append(len(output)) if module.training else None
    )
    fit(TrainState(learner), make_images(), None, tiny)
    assert sizes == [3 * (2 + 2)] * (4 * 3)


def test_validation_sees_each_roi_once_an_epoch_and_the_same_tasks(tiny, make_images, make_rois):
    settings = tiny.replace(training={"epochs": 2, "validation_episodes": 50})
    held = make_images(make_rois(classes=3, first=6), settings)
    fit(TrainState(build_learner(settings)), make_images(), held, settings)
    seen = np.concatenate(held.batches)
    # Before the first epoch, and after each of two.
    assert sorted(seen) == sorted(list(range(len(held))) * 3)


def test_altered_sound_is_trained_on_and_never_validated_on(tiny, make_rois, built):
    split = ["train"] * 32 + ["val"] * 16
    train(make_rois(split=split), tiny.replace(augmentation={"sound_versions": 3}))
    assert [store.n_versions for store in built] == [4, 1]
    built.clear()
    train(make_rois(split=split), tiny.replace(augmentation={"enabled": False}))
    assert [store.n_versions for store in built] == [1, 1]


def test_the_tables_split_decides_and_test_rois_are_left_alone(tiny, make_rois, built):
    learner = train(make_rois(split=["train"] * 24 + ["val"] * 16 + ["test"] * 8), tiny)
    assert [len(store) for store in built] == [24, 16]
    assert learner.classes == ("species-00", "species-01", "species-02")


def test_classes_are_held_out_where_there_are_many_else_recordings(tiny, make_rois, built):
    train(make_rois(classes=10), tiny.replace(training={"validation_share": 0.3}))
    of_train, of_val = (set(store.rois.labels) for store in built)
    assert len(of_val) == 3
    assert not of_train & of_val
    built.clear()
    train(make_rois(classes=3, size=16, recordings=4), tiny)
    of_train, of_val = (store.rois.table for store in built)
    assert set(of_train["label"]) == set(of_val["label"])
    assert not set(of_train["recording"]) & set(of_val["recording"])
    assert of_val.groupby("label").size().tolist() == [4, 4, 4]


def test_without_validation_the_training_loss_decides(tiny, make_rois, built, caplog):
    states = []
    with caplog.at_level(logging.WARNING):
        train(
            make_rois(),
            tiny.replace(training={"validation_share": 0.0}),
            on_epoch=lambda report, state: states.append((report, state)),
        )
    assert "compared by training loss" in caplog.text
    reports = [report for report, _ in states]
    assert all(math.isnan(report.validation_accuracy) for report in reports)
    lowest = min(reports, key=lambda report: report.train_loss)
    assert states[-1][1].best_epoch == lowest.epoch


def test_a_learner_is_trained_further_but_not_on_images_of_another_front_end(tiny, make_images):
    learner = build_learner(tiny)
    assert fit(TrainState(learner), make_images(), None, tiny) is learner
    other = tiny.replace(front_end={"n_bands": 64})
    with pytest.raises(CheckpointError, match=r"front_end\.n_bands \(96 against 64\)"):
        fit(TrainState(learner), make_images(settings=other), None, other)
    shorter = tiny.replace(audio={"roi_s": 0.25})
    fit(TrainState(learner), make_images(settings=shorter), None, shorter)


def test_no_labels_and_a_regime_that_would_leave_parts_untrained_are_refused(
    tiny, make_rois, built
):
    rois = make_rois()
    rois.table["label"] = None
    with pytest.raises(InputError, match="None of these ROIs has a label"):
        train(rois, tiny)
    classical = tiny.replace(training={"regime": "classical"}, learner={"method": "relation"})
    with pytest.raises(SettingsError, match="'relation' has parts of its own"):
        train(make_rois(), classical)


def test_progress_opens_and_closes_each_epoch(tiny, make_images):
    told = []
    fit(
        TrainState(build_learner(tiny)),
        make_images(),
        None,
        tiny,
        progress=lambda stage, done, total, /, values=None: told.append((stage, done, values)),
    )
    assert [(s, d) for s, d, _ in told[:4]] == [("epoch 1/4", i) for i in range(4)]
    assert set(told[3][2]) == {"loss", "accuracy"}
