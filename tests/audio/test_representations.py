"""Representations against librosa."""

import librosa
import numpy as np
import pytest
import torch

from darksound.audio.geometry import make_geometry
from darksound.audio.representations import REPRESENTATIONS, mel_filters
from darksound.errors import SettingsError
from darksound.settings import Settings, load_settings

SETTINGS = Settings().replace(audio={"roi_s": 3.0})

CPU = torch.device("cpu")


def _make(settings: Settings, rate: int):
    make = REPRESENTATIONS[settings.front_end.representation]
    geometry = make_geometry(settings.audio, settings.front_end, rate)
    return make(geometry, settings.front_end, CPU)


@pytest.mark.parametrize(
    ("rate", "n_fft", "bands", "low", "high"),
    [(48_000, 1024, 128, 0, 24_000), (22_050, 2048, 64, 300, 9000), (44_100, 512, 40, 500, 11_500)],
)
def test_mel_filters_equal_librosas(rate, n_fft, bands, low, high):
    expected = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=bands, fmin=low, fmax=high, htk=True, norm="slaney"
    )
    np.testing.assert_allclose(mel_filters(rate, n_fft, bands, low, high), expected, atol=1e-7)


@pytest.mark.parametrize("preset", ["thesis-2023", "paper-2024"])
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_mel_spectrograms_equal_librosas(preset, song):
    settings = load_settings(preset).replace(audio={"roi_s": 3.0})
    n_fft = settings.front_end.n_fft
    assert isinstance(n_fft, int)
    wave = song(48_000, 3)
    actual = _make(settings, 48_000)(torch.from_numpy(wave[None]))[0].numpy()
    expected = librosa.feature.melspectrogram(
        y=wave,
        sr=48_000,
        n_fft=n_fft,
        hop_length=512,
        n_mels=settings.front_end.n_bands,
        pad_mode="reflect",
        htk=True,
        norm="slaney",
    )
    np.testing.assert_allclose(actual, expected, atol=1e-6 * expected.max())


@pytest.mark.parametrize("roi_s", [0.25, 3.0])
def test_no_band_is_empty_if_the_window_is_auto(roi_s, song):
    settings = SETTINGS.replace(audio={"roi_s": roi_s})
    geometry = make_geometry(settings.audio, settings.front_end, 48_000)
    wave = song(48_000, roi_s)
    actual = _make(settings, 48_000)(torch.from_numpy(wave[None]))[0].numpy()
    expected = librosa.feature.melspectrogram(
        y=wave,
        sr=48_000,
        n_fft=2048,
        win_length=geometry.window,
        hop_length=geometry.hop,
        n_mels=112,
        fmin=150,
        fmax=11_500,
        pad_mode="reflect",
        htk=True,
        norm="slaney",
    )[:, :192]
    np.testing.assert_allclose(actual, expected, atol=1e-6 * expected.max())
    assert (actual.max(axis=1) > 0).all()


def test_a_linear_spectrogram_has_the_bins_between_the_edges(song):
    settings = SETTINGS.replace(front_end={"representation": "spec"})
    wave = song(48_000, 3)
    spectrogram = _make(settings, 48_000)
    actual = spectrogram(torch.from_numpy(wave[None]))[0].numpy()
    expected = np.abs(librosa.stft(wave, n_fft=1024, hop_length=750, pad_mode="reflect")) ** 2
    hz = librosa.fft_frequencies(sr=48_000, n_fft=1024)
    expected = expected[(hz >= 150) & (hz <= 11_500), :192]
    assert spectrogram.height == len(expected)
    np.testing.assert_allclose(actual, expected, atol=1e-6 * expected.max())


def test_a_constant_q_transform_equals_librosas(song):
    settings = SETTINGS.replace(front_end={"representation": "cqt"})
    waves = np.stack([song(48_000, 3), song(48_000, 3, seed=1)])
    power = _make(settings, 48_000)(torch.from_numpy(waves)).numpy()
    for wave, actual in zip(waves, power, strict=True):
        expected = librosa.cqt(
            wave, sr=48_000, hop_length=750, fmin=150, n_bins=112, bins_per_octave=24
        )
        np.testing.assert_allclose(actual, np.abs(expected[:, :192]) ** 2, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("preset", "rate", "roi_s", "hop", "window", "frames"),
    [
        ("default", 48_000, 3.0, 750, 1024, 192),
        ("default", 48_000, 2.0, 500, 1024, 192),
        ("default", 48_000, 1.0, 250, 512, 192),
        ("default", 48_000, 0.25, 62, 512, 192),
        ("default", 24_000, 3.0, 375, 512, 192),
        ("default", 48_000, 6.0, 750, 1024, 384),
        ("thesis-2023", 48_000, 3.0, 512, 1024, 282),
        ("paper-2024", 22_050, 3.0, 512, 2048, 130),
    ],
)
def test_hop_window_and_frames_for_a_roi_length(preset, rate, roi_s, hop, window, frames):
    settings = load_settings(preset).replace(audio={"roi_s": roi_s})
    geometry = make_geometry(settings.audio, settings.front_end, rate)
    assert (geometry.hop, geometry.window, geometry.frames) == (hop, window, frames)


@pytest.mark.parametrize(
    ("changes", "rate", "key"),
    [
        ({"audio": {"roi_s": "auto"}}, 48_000, "audio.roi_s"),
        ({"audio": {"roi_s": 0.05}, "front_end": {"n_frames": 4096}}, 48_000, "n_frames"),
        ({"audio": {"roi_s": 0.05}, "front_end": {"n_fft": 8192}}, 48_000, "n_fft"),
        ({"front_end": {"low_hz": 6000.0}}, 8_000, "low_hz"),
        ({"front_end": {"representation": "spec", "low_hz": 501, "high_hz": 502}}, 48_000, "bin"),
    ],
)
def test_an_error_names_the_impossible_setting(changes, rate, key):
    with pytest.raises(SettingsError, match=key):
        _make(SETTINGS.replace(**changes), rate)
