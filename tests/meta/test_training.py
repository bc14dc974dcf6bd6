"""Training: resuming, best weights, learning rate, early stopping, data, fine-tuning."""

import copy
import dataclasses
import logging
import math

import numpy as np
import pytest
import torch

from darksound.errors import CheckpointError, InputError, SettingsError
from darksound.meta import training
from darksound.meta.checkpoints import (
    EpochReport,
    TrainState,
    load_checkpoint,
    load_train_state,
    save_train_state,
)
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.optimization import make_optimizer, run_epoch
from darksound.meta.training import fine_tune, fit, make_scheduler, train


@pytest.fixture
def built(make_images, monkeypatch):
    """Replace the images of `train` by ones in memory, and return the list of its stores."""
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
def test_a_resumed_training_equals_an_uninterrupted_one_exactly(
    tiny, make_images, make_rois, tmp_path, regime, precision
):
    settings = tiny.replace(training={"regime": regime}, compute={"precision": precision})
    images = make_images(settings=settings, versions=2)
    validation = make_images(make_rois(classes=4, first=6), settings)
    whole, parts = [], []
    uninterrupted = fit(
        images,
        TrainState(build_learner(settings)),
        settings,
        validation_images=validation,
        on_epoch=lambda report, state: whole.append(report),
    )

    def stop_after_two(report, state):
        parts.append(report)
        save_train_state(tmp_path, state)
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(
            images,
            TrainState(build_learner(settings)),
            settings,
            validation_images=validation,
            on_epoch=stop_after_two,
        )
    resumed = fit(
        images,
        load_train_state(tmp_path),
        settings,
        validation_images=validation,
        on_epoch=lambda report, state: parts.append(report),
    )
    assert figures(parts) == figures(whole)
    assert len(whole) == 4
    for key, value in uninterrupted.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("method", LEARNERS)
def test_each_learner_is_trained_to_classify_patterns(tiny, make_images, make_rois, method):
    settings = tiny.replace(
        learner={"method": method},
        training={"epochs": 2, "episodes_per_epoch": 25, "learning_rate": 5e-3},
        augmentation={"enabled": False},
        episodes={"n_query": 4, "n_shot": 4},
    )
    reports = []
    fit(
        make_images(make_rois(classes=10), settings),
        TrainState(build_learner(settings)),
        settings,
        validation_images=make_images(make_rois(classes=6, first=10), settings),
        on_epoch=lambda report, state: reports.append(report),
    )
    assert reports[-1].train_loss < reports[0].train_loss
    assert reports[-1].train_accuracy > 0.75


def test_the_returned_weights_are_a_copy_of_the_best_epochs(tiny, make_images, monkeypatch):
    accuracies = iter([0.3, 0.5, 0.9, 0.7, 0.9])
    monkeypatch.setattr(training, "_validate", lambda *args: (1.0, next(accuracies)))
    weights = {}
    learner = fit(
        make_images(),
        TrainState(build_learner(tiny)),
        tiny,
        validation_images=make_images(),
        on_epoch=lambda report, state: weights.update(
            {report.epoch: copy.deepcopy(state.learner.state_dict())}
        ),
    )
    for key, value in learner.state_dict().items():
        assert torch.equal(value, weights[2][key]), key
    stems = [weights[epoch]["backbone.stem.weight"] for epoch in (2, 4)]
    assert not torch.equal(*stems)
    assert not learner.training


def test_a_learner_that_training_does_not_improve_is_returned_unchanged(
    tiny, make_images, monkeypatch, tmp_path, caplog
):
    accuracies = iter([0.9, 0.5, 0.9, 0.7, 0.6])
    monkeypatch.setattr(training, "_validate", lambda *args: (1.0, next(accuracies)))
    initial = build_learner(tiny)
    before = copy.deepcopy(initial.state_dict())
    learner = fit(
        make_images(),
        TrainState(initial),
        tiny,
        validation_images=make_images(),
        on_epoch=lambda report, state: save_train_state(tmp_path, state),
    )
    assert caplog.text.count("so its weights are kept") == 1
    saved, state = load_checkpoint(tmp_path), load_train_state(tmp_path)
    for key, value in learner.state_dict().items():
        assert torch.equal(value, before[key]), key
        assert torch.equal(value, saved.state_dict()[key]), key
    assert state.best_report is not None
    assert state.best_report.epoch == 0
    assert state.best_epoch == 2
    assert not torch.equal(
        state.learner.state_dict()["backbone.stem.weight"], before["backbone.stem.weight"]
    )


def test_epochs_of_equal_accuracy_are_compared_by_loss(tiny):
    def report(epoch, accuracy, loss):
        return EpochReport(epoch, 1.0, 0.0, loss, accuracy, 1e-3, 1.0, 1.0)

    learner = build_learner(tiny)
    reports = [report(1, 0.9, 0.5), report(2, 0.9, 0.4), report(3, 0.9, 0.4), report(4, 0.8, 0.1)]
    assert TrainState(learner, reports=reports).best_epoch == 2
    without = [
        EpochReport(i + 1, x, 0, math.nan, math.nan, 1, 1, 1) for i, x in enumerate([3, 1, 2])
    ]
    assert TrainState(learner, reports=without).best_epoch == 2


# Accuracies with plateaus, ties and late improvements; the best of them is the sixth.
ACCURACIES = [0.5, 0.6, 0.6, 0.55, 0.5, 0.61, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
PLATEAU = {
    "epochs": 30,
    "episodes_per_epoch": 1,
    "lr_patience": 1,
    "lr_factor": 0.3,
    "early_stopping_patience": 6,
}


def test_early_stopping_and_learning_rates_over_a_whole_training(tiny, make_images, monkeypatch):
    # The first value is of the learner before training, which the scheduler must not use.
    accuracies = iter([0.9, *ACCURACIES])
    monkeypatch.setattr(training, "_validate", lambda *args: (1.0, next(accuracies)))
    settings = tiny.replace(training=PLATEAU)
    rates = []
    fit(
        make_images(),
        TrainState(build_learner(settings)),
        settings,
        validation_images=make_images(),
        on_epoch=lambda report, state: rates.append(report.learning_rate),
    )
    losses = [1.0] * len(ACCURACIES)
    assert rates == plateau_rates(ACCURACIES, losses, settings.training)[: len(rates)]
    assert len(rates) == 6 + 6


def plateau_rates(accuracies, losses, settings):
    """Return the learning rate of each epoch by the rule itself, with no scheduler.

    The rate is multiplied by `lr_factor` after more than `lr_patience` epochs in a row that are
    not the best so far, by accuracy and then by loss.
    """
    rate, n_bad, rates = settings.learning_rate, 0, []
    scores = [(accuracy, -loss) for accuracy, loss in zip(accuracies, losses, strict=True)]
    for i, score in enumerate(scores):
        rates.append(rate)
        is_best = all(score > earlier for earlier in scores[:i])
        n_bad = 0 if is_best else n_bad + 1
        if n_bad > settings.lr_patience:
            rate, n_bad = rate * settings.lr_factor, 0
    return rates


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("factor", [0.1, 0.5])
def test_learning_rates_follow_the_rule_exactly(tiny, patience, factor):
    settings = tiny.training.replace(lr_patience=patience, lr_factor=factor, learning_rate=3e-4)
    rng = np.random.default_rng(patience)
    accuracies = rng.choice([0.6, 0.7, 0.8, 0.8, 0.9], 60).tolist()
    losses = rng.choice([0.1, 0.2, 0.3], 60).tolist()
    learner = build_learner(tiny)
    optimizer = make_optimizer(learner, settings, settings.learning_rate)
    scheduler = make_scheduler(optimizer, settings)
    state, rates = TrainState(learner), []
    for epoch, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), start=1):
        rates.append(optimizer.param_groups[0]["lr"])
        state.reports.append(EpochReport(epoch, 1.0, 0.5, loss, accuracy, 0.0, 1.0, 1.0))
        scheduler.step(state.best_epoch)
    assert rates == plateau_rates(accuracies, losses, settings)
    assert len(set(rates)) > 5


def test_support_and_query_pass_the_backbone_as_one_batch(tiny, make_images, make_rois):
    learner = build_learner(tiny)
    sizes = []
    learner.backbone.register_forward_hook(
        lambda module, inputs, output: sizes.append(len(output)) if module.training else None
    )
    fit(make_images(), TrainState(learner), tiny)
    assert sizes == [3 * (2 + 2)] * (4 * 3)


def test_validation_embeds_each_roi_once_an_epoch_for_the_same_episodes(
    tiny, make_images, make_rois
):
    settings = tiny.replace(training={"epochs": 2, "validation_episodes": 50})
    validation = make_images(make_rois(classes=3, first=6), settings)
    state = TrainState(build_learner(settings))
    fit(make_images(), state, settings, validation_images=validation)
    rows = np.concatenate(validation.batches)
    # Before the first epoch, and after each of two.
    assert sorted(rows) == sorted(list(range(len(validation))) * 3)


def test_altered_sound_is_used_for_training_and_not_for_validation(tiny, make_rois, built):
    split = ["train"] * 32 + ["val"] * 16
    train(make_rois(split=split), tiny.replace(augmentation={"sound_versions": 3}))
    assert [store.n_versions for store in built] == [4, 1]
    built.clear()
    train(make_rois(split=split), tiny.replace(augmentation={"enabled": False}))
    assert [store.n_versions for store in built] == [1, 1]


def test_the_split_of_the_table_is_used_and_test_rois_are_ignored(tiny, make_rois, built):
    learner = train(make_rois(split=["train"] * 24 + ["val"] * 16 + ["test"] * 8), tiny)
    assert [len(store) for store in built] == [24, 16]
    assert learner.classes == ("species-00", "species-01", "species-02")


def test_classes_are_held_out_if_there_are_many_and_recordings_otherwise(tiny, make_rois, built):
    train(make_rois(classes=10), tiny.replace(training={"validation_share": 0.3}))
    training_part, validation_part = (set(store.rois.labels) for store in built)
    assert len(validation_part) == 3
    assert not training_part & validation_part
    built.clear()
    train(make_rois(classes=3, size=16, recordings=4), tiny)
    training_part, validation_part = (store.rois.table for store in built)
    assert set(training_part["label"]) == set(validation_part["label"])
    assert not set(training_part["recording"]) & set(validation_part["recording"])
    assert validation_part.groupby("label").size().tolist() == [4, 4, 4]


@pytest.mark.parametrize("split", [None, ["train"] * 24 + ["val"] * 24])
def test_a_validation_share_of_0_trains_all_epochs_and_keeps_the_last_weights(
    tiny, make_rois, built, monkeypatch, split
):
    # Training losses rise, so that any epoch after the first would be the worse one.
    losses = iter(range(1, 99))
    monkeypatch.setattr(
        training,
        "run_epoch",
        lambda *args, **options: dataclasses.replace(
            run_epoch(*args, **options), loss=float(next(losses))
        ),
    )
    states, weights = [], []

    def collect(report, state):
        states.append(report)
        weights.append(copy.deepcopy(state.learner.state_dict()))
        assert state.best_report is report

    wanted = {"validation_share": 0.0, "epochs": 5, "early_stopping_patience": 1, "lr_patience": 0}
    rois = make_rois() if split is None else make_rois(split=split)
    learner = train(rois, tiny.replace(training=wanted), on_epoch=collect)
    assert [len(store) for store in built] == [len(rois) if split is None else 24]
    assert [report.train_loss for report in states] == [1, 2, 3, 4, 5]
    assert len({report.learning_rate for report in states}) == 1
    assert all(torch.equal(value, weights[-1][key]) for key, value in learner.state_dict().items())


def test_without_validation_rois_epochs_are_compared_by_training_loss(tiny, make_images, caplog):
    states = []
    with caplog.at_level(logging.WARNING):
        fit(
            make_images(),
            TrainState(build_learner(tiny)),
            tiny,
            on_epoch=lambda report, state: states.append((report, state)),
        )
    assert "compared by training loss" in caplog.text
    reports = [report for report, _ in states]
    assert all(math.isnan(report.validation_accuracy) for report in reports)
    lowest = min(reports, key=lambda report: report.train_loss)
    assert states[-1][1].best_epoch == lowest.epoch


def test_images_of_another_front_end_are_refused_for_further_training(tiny, make_images):
    learner = build_learner(tiny)
    assert fit(make_images(), TrainState(learner), tiny) is learner
    other = tiny.replace(front_end={"n_bands": 64})
    with pytest.raises(CheckpointError, match=r"front_end\.n_bands \(112 against 64\)"):
        fit(make_images(settings=other), TrainState(learner), other)
    shorter = tiny.replace(audio={"roi_s": 0.25})
    fit(make_images(settings=shorter), TrainState(learner), shorter)


def test_missing_labels_and_a_regime_that_does_not_fit_the_learner_are_refused(
    tiny, make_rois, built
):
    rois = make_rois()
    rois.table["label"] = None
    with pytest.raises(InputError, match="None of these ROIs has a label"):
        train(rois, tiny)
    classical = tiny.replace(training={"regime": "classical"}, learner={"method": "relation"})
    with pytest.raises(SettingsError, match="'relation' has other parameters"):
        train(make_rois(), classical)


@pytest.mark.parametrize("method", ["matching", "relation"])
def test_a_frozen_backbone_keeps_its_weights_and_statistics(tiny, make_images, tmp_path, method):
    settings = tiny.replace(learner={"method": method, "freeze_backbone": True})
    learner = build_learner(settings)
    before = copy.deepcopy(learner.state_dict())
    state = TrainState(learner)
    fit(make_images(settings=settings), state, settings)
    assert state.epoch == settings.training.epochs
    changed = {k for k, v in learner.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    # Batch norm's statistics are in the state dict too.
    assert not {key for key in changed if key.startswith("backbone.")}
    save_train_state(tmp_path, state)
    resumed = load_train_state(tmp_path).learner
    assert resumed.training
    assert not resumed.backbone.training
    assert not any(p.requires_grad for p in resumed.backbone.parameters())


def test_a_frozen_backbone_without_other_parameters_is_refused(tiny):
    settings = tiny.replace(learner={"freeze_backbone": True})
    with pytest.raises(SettingsError, match=r"learner\.freeze_backbone leaves nothing to train"):
        build_learner(settings)


def test_progress_is_reported_for_each_epoch(tiny, make_images):
    calls = []
    fit(
        make_images(),
        TrainState(build_learner(tiny)),
        tiny,
        progress=lambda stage, done, total, /, values=None: calls.append((stage, done, values)),
    )
    assert [(s, d) for s, d, _ in calls[:4]] == [("epoch 1/4", i) for i in range(4)]
    assert set(calls[3][2]) == {"loss", "accuracy"}


ROWS = np.arange(8, 40)
LABELS = ROWS // 8 % 3


def fine_tuned(tiny, images, labels=LABELS, counters=(1,)):
    learner = build_learner(tiny)
    fine_tune(
        images,
        labels,
        learner,
        tiny,
        rows=ROWS,
        recordings=None,
        n_episodes=3,
        learning_rate=1e-2,
        counters=counters,
    )
    return learner


def test_fine_tuning_is_in_place_reproducible_and_uses_its_rows_alone(tiny, make_images):
    images = make_images(versions=1)
    first, second, other = (fine_tuned(tiny, images, counters=c) for c in ((1,), (1,), (2,)))
    weights = [ln.backbone.get_parameter("stem.weight") for ln in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], build_learner(tiny).backbone.get_parameter("stem.weight"))
    assert not first.training
    assert set(np.concatenate(images.batches)) <= set(ROWS)


def test_fine_tuning_on_one_class_or_another_front_end_is_refused(tiny, make_images):
    with pytest.raises(InputError, match="Only 1 of 1 classes"):
        fine_tuned(tiny, make_images(), labels=np.zeros_like(ROWS))
    with pytest.raises(CheckpointError, match="another front end"):
        fine_tuned(tiny, make_images(settings=tiny.replace(front_end={"representation": "cqt"})))
