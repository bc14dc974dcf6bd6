"""The pretrained weights in the package, and files like them."""

import logging
from pathlib import Path

import pytest
import safetensors.torch
import torch

from darksound.errors import CheckpointError, SettingsError
from darksound.meta.backbones.build import build_backbone, resolve_weights
from darksound.meta.weights import bundled_path, read_card, read_weights, write_pretrained
from darksound.settings import Settings, load_settings


@pytest.mark.parametrize("name", ["pair", "small"])
def test_bundled_weights_have_a_card_with_the_settings_that_reproduce_them(name: str) -> None:
    assert bundled_path(name).stat().st_size < 12e6
    card = read_card(bundled_path(name))
    assert card["licence"] == "Apache-2.0"
    settings = Settings.model_validate(card["settings"])
    assert settings.backbone.name == name
    # Images of windows of long ROIs are images like any other.
    assert settings.front_end.replace(long_rois="mean") == Settings().front_end
    # The last layer of the pair was fitted to networks that were trained before.
    steps = {"small": Settings().pretraining.steps, "pair": 0}[name]
    assert settings.pretraining == Settings().pretraining.replace(steps=steps)
    assert settings.seed == Settings().seed


def test_demo_species_are_generated_otherwise_than_the_species_of_pretraining() -> None:
    from darksound.synthesis.song_types import FORMS
    from darksound.synthesis.wild_species import wild_species

    forms = {song.form for n in range(200) for song in wild_species(1979, n).song_types}
    assert forms == {"song", "call"}
    assert not forms & (set(FORMS) - {"calls"})


def test_auto_weights_are_the_bundled_ones_for_the_default_size_alone() -> None:
    settings = Settings()
    assert resolve_weights(settings.backbone) == "darksound"
    assert resolve_weights(settings.replace(backbone={"embedding_dim": 64}).backbone) == "none"
    assert resolve_weights(settings.replace(backbone={"name": "resnet18"}).backbone) == "imagenet"
    backbone = build_backbone(settings)
    other = build_backbone(settings.replace(seed=5))
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    with pytest.raises(
        SettingsError, match="is 'darksound', but the backbone 'resnet18' has no such weights"
    ):
        resolve_weights(
            settings.replace(backbone={"name": "resnet18", "weights": "darksound"}).backbone
        )
    with pytest.raises(CheckpointError, match="does not fit"):
        build_backbone(settings.replace(backbone={"embedding_dim": 64, "weights": "darksound"}))


def test_another_front_end_causes_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        build_backbone(Settings().replace(audio={"roi_s": 0.5}))
        assert not caplog.records
        build_backbone(Settings().replace(front_end={"low_hz": 100.0}))
    (record,) = caplog.records
    assert "'darksound' were trained" in record.getMessage()
    assert "(front_end.low_hz=150.0)" in record.getMessage()


def test_a_file_of_weights_for_another_front_end_causes_a_warning_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = {"name": "small", "channels": (4, 4, 8, 8), "embedding_dim": 16}
    made_with = Settings().replace(front_end={"low_hz": 500.0, "n_bands": 96}, backbone=size)
    path = tmp_path / "high.safetensors"
    card = {"settings": made_with.model_dump(mode="json", include={"front_end"})}
    write_pretrained(path, build_backbone(made_with).state_dict(), card)
    with caplog.at_level(logging.WARNING):
        build_backbone(made_with.replace(backbone={"weights": str(path)}))
        assert not caplog.records
        build_backbone(Settings().replace(backbone={**size, "weights": str(path)}))
    (record,) = caplog.records
    assert "(front_end.low_hz=500.0, front_end.n_bands=96)" in record.getMessage()


def test_written_weights_are_loaded_as_precisely_as_eight_bits_allow_with_their_card(
    tmp_path: Path,
) -> None:
    settings = Settings().replace(
        backbone={"name": "small", "channels": (4, 4, 8, 8), "embedding_dim": 16}
    )
    backbone = build_backbone(settings)
    path = tmp_path / "weights.safetensors"
    write_pretrained(path, backbone.state_dict(), {"settings": {}, "what": "a test"})
    assert read_card(path)["what"] == "a test"
    loaded = build_backbone(settings.replace(seed=3, backbone={"weights": str(path)}))
    for key, value in backbone.state_dict().items():
        other = loaded.state_dict()[key]
        assert other.dtype == value.dtype
        if value.ndim < 2:
            assert torch.equal(other, value)
        else:
            assert float((other - value).norm()) < 0.01 * float(value.norm())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        read_card(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_weights_that_are_not_finite_are_refused_with_file_and_tensor(
    value: float, dtype: torch.dtype, tmp_path: Path
) -> None:
    damaged = torch.zeros(3, 4, dtype=dtype)
    damaged[1, 2] = value
    state: dict[str, torch.Tensor] = {
        "a.weight": torch.ones(5),
        "b.weight": damaged,
        "steps": torch.tensor(7),
    }
    for name, save in (
        ("w.safetensors", safetensors.torch.save_file),
        ("w.pt", torch.save),
        ("w.pth", torch.save),
    ):
        save(state, tmp_path / name)
        with pytest.raises(CheckpointError, match=rf"{name} has 1 values .* the tensor 'b.weight'"):
            read_weights(tmp_path / name)


def test_weights_whose_sum_is_not_finite_are_accepted(tmp_path: Path) -> None:
    largest = torch.finfo(torch.float64).max
    safetensors.torch.save_file(
        {"a": torch.full((4,), largest, dtype=torch.float64)}, tmp_path / "w.safetensors"
    )
    assert read_weights(tmp_path / "w.safetensors")["a"].tolist() == [largest] * 4


def test_another_backbone_than_that_of_a_preset_has_its_own_weights() -> None:
    both = {"backbone": {"name": "resnet18", "weights": "none"}}
    assert load_settings("thesis-2023", flags=both).backbone.weights == "none"
    assert load_settings("thesis-2023").backbone.weights == "imagenet"
    other = load_settings("thesis-2023", flags={"backbone": {"name": "birdnet"}})
    assert other.backbone.weights == "auto"


@pytest.mark.parametrize("preset", ["default", "nocturnal", "all"])
def test_presets_of_bands_have_the_images_that_the_bundled_weights_were_made_with(
    preset: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        build_backbone(load_settings(preset))
    assert not caplog.records
