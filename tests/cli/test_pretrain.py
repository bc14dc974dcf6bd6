"""`darksound pretrain` and `darksound synth`."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close
from typer.testing import Result

from darksound.meta.pretraining.pretrainer import Pretrainer
from darksound.meta.weights import read_card, read_weights

TINY = (
    *("--set", "front_end.n_bands=16", "--set", "front_end.n_frames=24"),
    *("--set", "front_end.floor_bands=5", "--set", "backbone.name=small"),
    *("--set", "backbone.channels=[4,4,8,8]"),
    *("--set", "backbone.embedding_dim=8", "--set", "pretraining.windows_s=[1.0]"),
    *("--set", "pretraining.window_shares=[1]", "--set", "pretraining.individuals=2"),
    *("--set", "pretraining.batch_species=4", "--species", 6, "--steps", 450),
    *("--workers", 1, "--device", "cpu", "--set", "compute.precision=float32"),
)


def test_pretrained_weights_are_usable_and_the_same_after_resuming(
    darksound: Callable[..., Result], world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert darksound("pretrain", *TINY, "--out", "whole").exit_code == 0
    card = read_card(Path("whole/weights.safetensors"))
    assert card["settings"]["pretraining"]["species"] == 6
    assert json.loads(Path("whole/weights.json").read_text()) == card
    table = pd.read_csv("whole/pretraining.csv")
    assert table["step"].tolist() == [200, 400, 450]

    step = Pretrainer._step

    def interrupt(self: Pretrainer, images: Tensor) -> tuple[Tensor, Tensor]:
        if self.n_steps_done == 300:
            raise KeyboardInterrupt
        return step(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(Pretrainer, "_step", interrupt)
        stopped = darksound("pretrain", *TINY, "--out", "r")
    assert stopped.exit_code == 130
    assert "darksound pretrain --resume --out r" in stopped.stderr
    ended = darksound("pretrain", "--resume", "--out", "r")
    assert ended.exit_code == 0, ended.output
    ours, theirs = (load_file(f"{run}/weights.safetensors") for run in ("r", "whole"))
    assert ours.keys() == theirs.keys()
    assert all((ours[key] == theirs[key]).all() for key in ours)
    assert pd.read_csv("r/pretraining.csv")["step"].tolist() == [200, 400, 450]

    trained = darksound(
        *("train", "--config", world / "tiny.toml", "--data", world / "sounds"),
        *("--weights", "whole/weights.safetensors", "--set", "backbone.embedding_dim=8"),
    )
    assert trained.exit_code == 0, trained.output


def test_the_final_map_is_fitted_to_convolutions_without_it(
    darksound: Callable[..., Result], tmp_path: Path
) -> None:
    assert darksound("pretrain", *TINY, "--steps", 2, "--out", "whole").exit_code == 0
    whole = read_weights(Path("whole/weights.safetensors"))
    convolutions = {key: value for key, value in whole.items() if key != "linear.weight"}
    save_file(convolutions, tmp_path / "convolutions.safetensors")
    options = (*TINY, "--steps", 0, "--set", "pretraining.low_share=0.5")
    fitted = darksound(
        "pretrain", *options, "--weights", tmp_path / "convolutions.safetensors", "--out", "fitted"
    )
    assert fitted.exit_code == 0, fitted.output
    weights = read_weights(Path("fitted/weights.safetensors"))
    assert weights.keys() == whole.keys()
    kept = [key for key in convolutions if not key.startswith("norm.")]
    for key in kept:
        assert_close(weights[key], whole[key], rtol=1e-6, atol=0.0)
    assert weights["linear.weight"].abs().sum() > 0
    assert read_card(Path("fitted/weights.safetensors"))["settings"]["pretraining"]["steps"] == 0
    untrained = darksound("pretrain", *options, "--out", "untrained")
    assert untrained.exit_code == 2
    assert "name its file with --weights" in untrained.stderr


def test_synth_writes_data_for_mec(darksound: Callable[..., Result], world: Path) -> None:
    ended = darksound("synth", "--species", 3, "--birds", 2, "--out", "w", "--workers", 1)
    assert ended.exit_code == 0, ended.output
    assert "24 songs of 3 species are in w" in ended.stdout
    again = darksound("synth", "--species", 4, "--out", "w")
    assert again.exit_code == 2
    assert "contains a synthetic data set with other options" in again.stderr
    grouped = darksound("mec", "--config", world / "tiny.toml", "--data", "w/rois.csv")
    assert grouped.exit_code == 0, grouped.output


def test_contradicting_settings_of_pretraining_are_an_error(
    darksound: Callable[..., Result],
) -> None:
    ended = darksound("pretrain", "--set", "pretraining.windows_s=[3.0]")
    assert ended.exit_code == 2
    assert "3 window_shares for 1 windows_s" in ended.stderr
