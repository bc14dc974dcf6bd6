"""Scenes: their statistics, visibility of the song, and silence around a ROI."""

import numpy as np
import pytest
import torch
from torch import Tensor

from darksound.audio.front_end import FrontEnd
from darksound.meta.pretraining import conditions
from darksound.meta.pretraining.conditions import draw_conditions
from darksound.meta.pretraining.scenes import NoisePower, SceneSimulator
from darksound.settings import Settings
from darksound.synthesis.song_library import SONG_RATE

SETTINGS = Settings().replace(audio={"roi_s": 3.0})

BANDS, WIDTH = 112, 192


@pytest.fixture(scope="module")
def scenes() -> SceneSimulator:
    return SceneSimulator(SETTINGS)


def _tone(count: int, band: int, first: int, stop: int) -> Tensor:
    songs = torch.zeros(count, BANDS, WIDTH)
    songs[:, band, first:stop] = 1.0
    return songs


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _whole(count: int) -> Tensor:
    return torch.tensor([[0, WIDTH]]).expand(count, 2)


def test_scenes_are_images_that_the_generator_determines(scenes: SceneSimulator) -> None:
    songs, others = _tone(6, 40, 20, 90), _tone(6, 70, 0, 50)
    first = scenes(songs, _whole(6), others, _seeded(1))
    assert first.shape == (6, 3, BANDS, WIDTH)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, scenes(songs, _whole(6), others, _seeded(1)))
    assert not torch.equal(first, scenes(songs, _whole(6), others, _seeded(2)))


def test_songs_are_visible_in_most_scenes_and_scenes_differ(scenes: SceneSimulator) -> None:
    count = 200
    images = scenes(
        _tone(count, 40, 60, 120), _whole(count), torch.zeros(count, BANDS, WIDTH), _seeded(0)
    )
    level = images[:, 0, BANDS - 1 - 40]
    above = level[:, 70:110].mean(1) - level[:, :50].mean(1)
    assert (above > 0.1).float().mean() > 0.9
    assert above.std() > 0.1
    assert len({tuple(image[0, 10, :20].tolist()) for image in images}) > count // 2


def test_frames_around_a_framed_roi_are_silent(scenes: SceneSimulator) -> None:
    spans = torch.tensor([[50, 150], [0, WIDTH], [90, 96]])
    images = scenes(_tone(3, 40, 80, 100), spans, torch.zeros(3, BANDS, WIDTH), _seeded(5))
    for image, (first, stop) in zip(images[:, 0], spans.tolist(), strict=True):
        assert image[:, :first].abs().max() == 0 if first else True
        assert image[:, stop:].abs().max() == 0 if stop < WIDTH else True
        assert image[:, first:stop].max() > 0.9


def test_noise_power_has_the_spread_of_noise_in_the_front_end() -> None:
    settings = SETTINGS
    noise_power = NoisePower(settings)
    starts = torch.randint(noise_power.n_frames - WIDTH, (64,), generator=_seeded(0))
    power = noise_power(starts, WIDTH)
    assert power.mean((0, 2)).numpy() == pytest.approx(np.ones(BANDS), abs=0.1)
    rng = np.random.default_rng(9)
    waves = [rng.standard_normal(3 * SONG_RATE).astype(np.float32) for _ in range(16)]
    # Level, in units of 50 dB: its scatter in each band is that of the power.
    shown = FrontEnd(settings.audio, settings.front_end.replace(fade_s=0.0), SONG_RATE)(waves)[
        :, 0
    ].flip(-2)
    expected = 50 * shown[..., 4:-4]
    actual = 10 * power.clamp_min(1e-3).log10()
    high = slice(70, BANDS)
    assert actual[:, high].std() == pytest.approx(float(expected[:, high].std(2).mean()), rel=0.15)


def test_conditions_cross_to_a_gpu_in_one_copy_unchanged(monkeypatch) -> None:
    copies = []

    def upload(packed: Tensor, device: torch.device) -> Tensor:
        copies.append(device)
        return packed

    monkeypatch.setattr(conditions, "upload", upload)
    drawn = draw_conditions(5, WIDTH, 1000, _seeded(3))
    moved = drawn.to(torch.device("cuda"))
    assert len(copies) == 1
    for name, value in vars(drawn).items():
        assert torch.equal(value, getattr(moved, name)), name
        assert value.dtype == getattr(moved, name).dtype
