"""The device that images are made on, and their entries in the cache."""

import numpy as np
import pytest
import soundfile as sf
import torch
from tests.fake_gpu import GPU, fake_gpu

from darksound.audio.files import FileReader
from darksound.audio.front_end import FrontEnd
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import ComputeSettings, Settings
from darksound.store import cached_store, rendering
from darksound.store.cached_store import build_images
from darksound.store.rendering import image_device

RATE, N = 16_000, 5


@pytest.fixture
def rois(tmp_path) -> RoiSet:
    noise = np.random.default_rng(1).normal(scale=0.1, size=4 * RATE)
    sf.write(tmp_path / "night.wav", noise, RATE)
    starts = np.arange(N) * 0.5
    table = {"root": [str(tmp_path)] * N, "recording": ["night.wav"] * N}
    return RoiSet(as_roi_table({**table, "start_s": starts, "end_s": starts + 0.4}), FileReader())


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings().replace(
        audio={"sample_rate": RATE, "roi_s": 0.5},
        front_end={"n_frames": 24, "n_bands": 16, "high_hz": 7500.0},
        compute={"cache_dir": tmp_path / "cache", "workers": 1, "device": "cpu"},
    )


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        ({}, "cuda"),
        ({"device": "cuda"}, "cuda"),
        ({"device": "cpu"}, "cpu"),
        ({"dask": "tcp://scheduler:8786"}, "cpu"),
    ],
)
def test_images_are_made_on_the_gpu_that_the_settings_select(compute, expected):
    with fake_gpu():
        assert image_device(ComputeSettings(**compute)).type == expected


def test_images_are_made_on_the_cpu_beside_an_apple_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert image_device(ComputeSettings(device="mps")).type == "cpu"


def test_images_of_a_gpu_have_entries_of_their_own_in_the_cache(rois, settings, monkeypatch):
    devices = []

    def front_end(audio, front_end_settings, rate, device):
        devices.append(device)
        return FrontEnd(audio, front_end_settings, rate)

    expected = build_images(rois, settings).batch(np.arange(N))
    n_files = len(list(settings.compute.cache_dir.rglob("*.images")))
    monkeypatch.setattr(rendering, "FrontEnd", front_end)
    for module in (rendering, cached_store):
        monkeypatch.setattr(module, "image_device", lambda compute: GPU)
    images = build_images(rois, settings).batch(np.arange(N))
    assert set(devices) == {GPU}
    assert torch.equal(images, expected)
    assert len(list(settings.compute.cache_dir.rglob("*.images"))) == 2 * n_files
