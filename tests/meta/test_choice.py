"""Which pretrained weights a run without a checkpoint starts from."""

import logging

import numpy as np
import pytest
import torch
from tests.meta.conftest import NoReader

from darksound.meta.backbones.build import build_backbone
from darksound.meta.backbones.choice import choose_weights
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import FrontEndSettings, Settings, load_settings


def _rois(bands: list[tuple[float, float]], peaks: list[float] | None = None) -> RoiSet:
    n = len(bands)
    table = {
        "root": "here",
        "recording": "night.wav",
        "start_s": np.arange(n, dtype=float),
        "end_s": np.arange(n) + 0.5,
        "low_hz": [low for low, _ in bands],
        "high_hz": [high for _, high in bands],
        "peak_hz": peaks if peaks is not None else [np.nan] * n,
    }
    return RoiSet(as_roi_table(table), NoReader())


HIGH, LOW = (2000.0, 5000.0), (250.0, 550.0)


def test_low_voices_in_one_of_twenty_rois_choose_the_wide_weights(caplog):
    settings = Settings()
    assert choose_weights(settings, _rois([HIGH] * 20 + [LOW])) is settings
    with caplog.at_level(logging.INFO):
        chosen = choose_weights(settings, _rois([HIGH] * 19 + [LOW]))
    assert chosen.backbone.weights == "darksound-wide"
    assert chosen.front_end == FrontEndSettings(low_hz=150.0, n_bands=112)
    (line,) = caplog.messages
    assert line == (
        "5 % of 20 ROIs are centred below 500 Hz, so the weights are darksound-wide, whose images "
        "show 150 Hz to 11.5 kHz (--weights darksound keeps those of 500 Hz to 11.5 kHz)."
    )


def test_the_loudest_frequency_counts_before_the_middle_of_the_band():
    hoots_with_overtones = _rois([(200.0, 3000.0)] * 3, [320.0] * 3)
    assert choose_weights(Settings(), hoots_with_overtones).front_end.low_hz == 150
    whistles_over_rumble = _rois([(150.0, 800.0)] * 3, [700.0] * 3)
    assert choose_weights(Settings(), whistles_over_rumble) == Settings()


def test_rois_without_a_band_change_nothing():
    assert choose_weights(Settings(), _rois([(np.nan, np.nan)] * 5)) == Settings()


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": {"weights": "darksound"}},
        {"backbone": {"weights": "none"}},
        {"backbone": {"name": "resnet18"}},
        {"backbone": {"name": "birdnet"}},
        {"backbone": {"embedding_dim": 64}},
        {"front_end": {"low_hz": 300.0}},
        {"front_end": {"hpss": True}},
    ],
)
def test_what_the_settings_name_is_kept(changes):
    settings = Settings().replace(**changes)
    assert choose_weights(settings, _rois([LOW] * 5)) == settings


def test_the_wide_front_end_alone_chooses_the_weights_that_were_made_with_it():
    settings = Settings().replace(front_end={"low_hz": 150.0, "n_bands": 112})
    assert choose_weights(settings).backbone.weights == "darksound-wide"


def test_the_name_of_the_weights_brings_their_front_end_and_keeps_other_keys(caplog):
    settings = Settings().replace(
        backbone={"weights": "darksound-wide"}, front_end={"fade_s": 0.05}
    )
    chosen = choose_weights(settings)
    assert chosen.front_end == FrontEndSettings(low_hz=150.0, n_bands=112, fade_s=0.05)
    assert choose_weights(chosen) == chosen


@pytest.mark.parametrize("preset", ["nocturnal", "all"])
def test_presets_from_150_hz_have_the_wide_weights_without_a_warning(preset, caplog):
    settings = choose_weights(load_settings(preset))
    with caplog.at_level(logging.WARNING):
        backbone = build_backbone(settings)
    assert not caplog.records
    height, width = settings.front_end.n_bands, settings.front_end.n_frames
    with torch.inference_mode():
        vectors = backbone.eval()(torch.rand(2, 3, height, width))
    assert vectors.shape == (2, 512)
    assert vectors.isfinite().all()


def test_another_backbone_than_the_presets_has_its_own_weights():
    settings = load_settings("nocturnal", flags={"backbone": {"name": "birdnet"}})
    assert settings.backbone.weights == "auto"
    assert settings.segmentation.low_hz == 150
    both = {"backbone": {"name": "resnet18", "weights": "none"}}
    assert load_settings("thesis-2023", flags=both).backbone.weights == "none"
    assert load_settings("thesis-2023").backbone.weights == "imagenet"
