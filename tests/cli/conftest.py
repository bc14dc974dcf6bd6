"""The command line, called in the process of the test."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from darksound.cli.app import app


@pytest.fixture
def darksound(tmp_path, monkeypatch) -> Callable[..., Result]:
    """Return a function that calls `darksound` in an empty directory with folders of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARKSOUND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DARKSOUND_DATA", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def one_line(text: str) -> str:
    """Return text without line breaks and the frames of messages and help."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


# Small enough that a command takes a second.
_BACKBONE = """\
[backbone]
name = "small"
channels = [4, 4, 8, 8]
embedding_dim = 16
"""
_SETTINGS = f"""
[audio]
sample_rate = 16000
roi_s = 0.5
[front_end]
n_bands = 16
n_frames = 24
high_hz = 7500.0
floor_bands = 5
{_BACKBONE}[episodes]
n_way = 3
n_shot = 2
n_query = 2
[evaluation]
n_way = 3
n_shot = 2
n_query = 2
n_episodes = 50
[training]
episodes_per_epoch = 4
validation_episodes = 4
epochs = 4
[augmentation]
sound_versions = 1
[reduction]
method = "pca"
n_components = 3
[clustering]
min_cluster_size = 3
min_samples = 1
[mec]
iterations = 3
n_episodes = 4
learning_rate = 0.001
converged_ami = 1.0
warm_up = "none"
[compute]
workers = 1
device = "cpu"
precision = "float32"
batch_size = 16
"""


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """Return a folder with `sounds/CLASS/*.wav`, 4 classes of 8 short songs, and `tiny.toml`.

    `any-backbone.toml` has the same settings, but for those of the backbone.
    """
    root = tmp_path_factory.mktemp("world")
    (root / "tiny.toml").write_text(_SETTINGS)
    (root / "any-backbone.toml").write_text(_SETTINGS.replace(_BACKBONE, ""))
    rng = np.random.default_rng(5)
    time = np.arange(8000) / 16_000
    for number, name in enumerate(("wren", "owl", "crake", "rail")):
        (root / "sounds" / name).mkdir(parents=True)
        for i in range(8):
            pitch = 900 * (number + 1) * rng.uniform(0.9, 1.1)
            song = np.sin(2 * np.pi * pitch * time) * (np.sin(2 * np.pi * 8 * time) > 0)
            wave = 0.3 * song + rng.normal(scale=0.05, size=len(time))
            soundfile.write(root / "sounds" / name / f"{i}.wav", wave, 16_000)
    return root
