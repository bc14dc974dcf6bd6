"""Checkpoints: what is saved is loaded, and damaged files are refused."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from darksound.errors import CheckpointError
from darksound.meta.checkpoints import (
    TrainState,
    load_checkpoint,
    load_train_state,
    save_checkpoint,
    save_train_state,
)
from darksound.meta.features import compute_features
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.training import fit


@pytest.mark.parametrize("method", LEARNERS)
def test_a_saved_learner_is_loaded_completely(tiny, tmp_path, method):
    learner = build_learner(tiny.replace(learner={"method": method}, seed=9)).eval()
    learner.classes = ("a", "ö")
    path = save_checkpoint(learner, tmp_path, metrics={"accuracy": 0.5})
    loaded = load_checkpoint(path)
    images = torch.rand(2, 3, 16, 24)
    assert torch.equal(loaded.embed(images), learner.embed(images))
    assert loaded.classes == ("a", "ö")
    assert loaded.settings.replace(compute=tiny.compute) == learner.settings
    assert not loaded.training
    description = json.loads((tmp_path / "best.json").read_text(encoding="utf-8"))
    assert description["method"] == method
    assert description["metrics"] == {"accuracy": 0.5}
    assert "compute" not in description["settings"]


def test_a_run_directory_stands_for_its_best_checkpoint(tiny, tmp_path):
    save_checkpoint(build_learner(tiny), tmp_path / "checkpoints")
    assert load_checkpoint(tmp_path).method == "prototypical"
    assert load_checkpoint(tmp_path / "checkpoints").method == "prototypical"
    with pytest.raises(CheckpointError, match="contains no checkpoint"):
        load_checkpoint(tmp_path.parent)
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "gone.safetensors")


def test_no_temporary_file_remains(tiny, tmp_path):
    save_checkpoint(build_learner(tiny), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.json", "best.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "text"])
def test_a_damaged_file_is_a_checkpoint_error(tiny, tmp_path, damage):
    path = save_checkpoint(build_learner(tiny), tmp_path)
    whole = path.read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "zeros": bytes(len(whole)),
        "empty": b"",
        "text": b"not weights at all",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(CheckpointError, match=r"best\.safetensors is damaged"):
        load_checkpoint(path)


def test_weights_that_do_not_fit_their_description_are_refused(tiny, tmp_path):
    path = save_checkpoint(build_learner(tiny), tmp_path)
    description = json.loads((tmp_path / "best.json").read_text(encoding="utf-8"))
    # Copies, because the file is overwritten below.
    weights = {name: tensor.clone() for name, tensor in load_file(path).items()}

    def rewritten(state, **changes):
        save_file(state, path, metadata={"darksound": json.dumps({**description, **changes})})
        return path

    less = {k: v for k, v in weights.items() if k != "backbone.stem.weight"}
    with pytest.raises(CheckpointError, match=r"it lacks backbone\.stem\.weight"):
        load_checkpoint(rewritten(less))
    with pytest.raises(CheckpointError, match="it has the unknown extra"):
        load_checkpoint(rewritten({**weights, "extra": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="has format 99"):
        load_checkpoint(rewritten(weights, format=99))
    with pytest.raises(CheckpointError, match="cannot build"):
        load_checkpoint(rewritten(weights, settings={"learner": {"method": "oracle"}}))
    save_file(weights, path)
    with pytest.raises(CheckpointError, match="without the description of a learner"):
        load_checkpoint(path)


def test_images_of_another_front_end_are_refused(tiny, tmp_path, make_images):
    learner = load_checkpoint(save_checkpoint(build_learner(tiny), tmp_path))
    compute_features(make_images(), learner, tiny.compute)
    other = tiny.replace(front_end={"hpss": True}, audio={"sample_rate": 22_050})
    with pytest.raises(CheckpointError, match=r"audio\.sample_rate .*front_end\.hpss"):
        compute_features(make_images(settings=other), learner, tiny.compute)


def test_a_damaged_training_state_or_one_with_code_is_refused(tiny, tmp_path, make_images):
    settings = tiny.replace(training={"epochs": 1})
    fit(
        make_images(),
        TrainState(build_learner(settings)),
        settings,
        on_epoch=lambda report, state: save_train_state(tmp_path, state),
    )
    state = load_train_state(tmp_path)
    assert state.best_report is not None
    assert state.epoch == state.best_epoch == state.best_report.epoch == 1
    path = tmp_path / "last.state.pt"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"last\.state\.pt is damaged"):
        load_train_state(tmp_path)
    path.write_bytes(pickle.dumps(print, protocol=2))
    with pytest.raises(CheckpointError, match="contains code"):
        load_train_state(tmp_path)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"last\.state\.pt: there is no such file"):
        load_train_state(tmp_path)
