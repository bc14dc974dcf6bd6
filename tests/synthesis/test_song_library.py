"""The library of songs: spectra, windows, and cache."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from darksound.settings import Settings
from darksound.synthesis.song_library import (
    RANGE_DB,
    SONG_RATE,
    SongLibrary,
    SongPlan,
    build_library,
)
from darksound.synthesis.song_types import perform, render_performance
from darksound.synthesis.wild_species import wild_individual

PLAN = SongPlan(seed=4, species=34, individuals=2, songs=1, window_s=1.0)


@pytest.fixture
def settings() -> Settings:
    return Settings().replace(compute={"workers": 1})


def test_songs_are_mel_spectrograms_as_of_librosa(tmp_path: Path, settings: Settings) -> None:
    plan = SongPlan(seed=4, species=2, individuals=2, songs=1, window_s=3.0)
    library = build_library(plan, settings, tmp_path)
    rng = np.random.default_rng([4, 13, 1, 1, 0])
    repertoire = wild_individual(4, 1, 1, 5.0)
    song = repertoire[int(rng.integers(len(repertoire)))]
    wave = np.pad(render_performance(perform(song, rng, 5.0), SONG_RATE, rng), 512)
    mel = librosa.feature.melspectrogram(
        y=wave, sr=SONG_RATE, n_fft=1024, win_length=512, hop_length=375, n_mels=112, fmin=150,
        fmax=11_500, htk=True, power=2.0,
    )  # fmt: skip
    expected = 10 * np.log10(np.maximum(mel / mel.max(), 1e-12))
    loud = np.flatnonzero(expected.max(0) > -RANGE_DB + 0.16)
    expected = expected[:, loud[0] : loud[-1] + 1]
    number = np.array([3])
    length = int(library.lengths(number)[0])
    power = library.windows(number, np.array([0]), length)[0].numpy()
    assert abs(length - expected.shape[1]) <= 1
    shared = min(length, expected.shape[1])
    actual = 10 * np.log10(np.maximum(power, 1e-12))[:, :shared]
    audible = expected[:, :shared] > -60
    assert np.abs(actual - expected[:, :shared])[audible].max() < 0.5


def test_windows_have_songs_at_their_offsets_and_cut_the_rest() -> None:
    frames = np.arange(1, 11, dtype=np.uint8)[:, None].repeat(3, axis=1) * 20
    library = SongLibrary(SongPlan(0, 1, 2, 1, 1.0), frames, [0, 4, 10])
    steps = np.arange(1, 11) * 20
    power = 10 ** ((steps / 255 - 1) * RANGE_DB / 10)
    windows = library.windows(np.array([0, 0, 1, 1]), np.array([2, -3, 3, 9]), 6)
    assert windows.shape == (4, 3, 6)
    silence = [0.0] * 6
    assert windows[0, 0].tolist() == pytest.approx([0, 0, *power[:4]], rel=1e-4)
    assert windows[1, 0].tolist() == pytest.approx([power[3], 0, 0, 0, 0, 0], rel=1e-4)
    assert windows[2, 0].tolist() == pytest.approx([0, 0, 0, *power[4:7]], rel=1e-4)
    assert windows[3, 0].tolist() == silence


def test_library_does_not_depend_on_workers_or_damaged_files(
    tmp_path: Path, settings: Settings
) -> None:
    whole = build_library(PLAN, settings, tmp_path / "a")
    (folder,) = (tmp_path / "a").iterdir()
    files = sorted(folder.iterdir())
    assert len(files) == 2
    content = bytearray(files[1].read_bytes())
    content[len(content) // 2] ^= 1
    files[1].write_bytes(content)
    before = files[0].stat().st_mtime_ns
    again = build_library(PLAN, settings.replace(compute={"workers": 2}), tmp_path / "a")
    assert files[0].stat().st_mtime_ns == before
    songs, offsets = np.arange(len(whole)), np.zeros(len(whole), dtype=np.int64)
    assert len(again) == PLAN.species * PLAN.songs_per_species
    assert torch.equal(whole.windows(songs, offsets, 192), again.windows(songs, offsets, 192))


def test_other_plan_or_front_end_is_another_library(tmp_path: Path, settings: Settings) -> None:
    plan = SongPlan(seed=4, species=2, individuals=2, songs=1, window_s=0.25)
    build_library(plan, settings, tmp_path)
    build_library(plan, settings.replace(front_end={"n_bands": 48}), tmp_path)
    build_library(SongPlan(5, 2, 2, 1, 0.25), settings, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
