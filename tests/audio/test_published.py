"""The published presets against images of the published code, and against its steps written out.

`reference` holds four synthetic sounds (48 kHz) and the images that the published code makes of
them, before resizing: of the thesis (harmonic, percussive, delta) and of the paper (delta,
harmonic, percussive). Poutaraud 2023; Poutaraud et al. 2024, doi 10.1016/j.ecoinf.2024.102687.
"""

from pathlib import Path

import librosa
import maad.sound
import numpy as np
import pytest
import soundfile as sf
import torch

from darksound.audio.channels import BACKGROUND_REMOVERS
from darksound.audio.files import read
from darksound.audio.front_end import FrontEnd
from darksound.audio.waveform import fade
from darksound.errors import SettingsError
from darksound.settings import load_settings

REFERENCE = Path(__file__).parent / "reference"
PUBLISHED = ("thesis-2023", "paper-2024")
RATE = 48_000

pytestmark = pytest.mark.filterwarnings("ignore:Empty filters", "ignore:n_fft=.*too large")


def _image(wave: np.ndarray, preset: str, rate: int = RATE, **changes: object) -> np.ndarray:
    """Return our image `(3, h, w)` with a published preset."""
    settings = load_settings(preset)
    front_end = FrontEnd(settings.audio, settings.front_end.replace(**changes), rate)
    return front_end([wave.astype(np.float32)])[0].numpy()


def _faded(wave: np.ndarray, rate: int) -> np.ndarray:
    """Return `torchaudio.transforms.Fade(n, n, "half_sine")(wave)` for n of 0.1 s."""
    n = int(rate / 10)
    x = np.linspace(0, 1, n)
    ones = np.ones(len(wave) - n)
    fade_in = np.concatenate([np.sin(np.pi * x - np.pi / 2) / 2 + 0.5, ones])
    fade_out = np.concatenate([ones, np.sin(np.pi * x + np.pi / 2) / 2 + 0.5])
    return fade_in * fade_out * wave


def _prepared(wave: np.ndarray, rate: int) -> np.ndarray:
    """Return the waveform with the published fade and length, `(3 * rate,)`."""
    faded, missing = _faded(wave, rate), 3 * rate - len(wave)
    if missing > 0:
        faded = np.pad(faded, (int(np.ceil(missing / 2)), missing // 2))
    return faded[: 3 * rate].astype(np.float32)


def _mel(wave: np.ndarray, rate: int, preset: str) -> np.ndarray:
    n_fft, bands = {"thesis-2023": (1024, 128), "paper-2024": (2048, 256)}[preset]
    return librosa.feature.melspectrogram(
        y=wave,
        sr=rate,
        n_fft=n_fft,
        hop_length=512,
        n_mels=bands,
        pad_mode="reflect",
        htk=True,
        norm="slaney",
    )


def _spec(wave: np.ndarray, rate: int, preset: str) -> np.ndarray:
    n_fft = {"thesis-2023": 1024, "paper-2024": 2048}[preset]
    return np.abs(librosa.stft(wave, n_fft=n_fft, hop_length=512, pad_mode="reflect")) ** 2


def _cqt(wave: np.ndarray, rate: int, preset: str) -> np.ndarray:
    return np.abs(librosa.cqt(wave, sr=rate))


REPRESENTATIONS = {"mel": _mel, "spec": _spec, "cqt": _cqt}


def _published(
    wave: np.ndarray,
    preset: str,
    rate: int = RATE,
    *,
    representation: str = "mel",
    remove_background: bool = False,
) -> np.ndarray:
    """Return the image of the published code, with HPSS, made by librosa, `(3, h, w)`."""
    power = REPRESENTATIONS[representation](_prepared(wave, rate), rate, preset)[::-1].copy()
    if remove_background:
        power, _, _ = maad.sound.remove_background(power)
    harmonic, percussive = librosa.decompose.hpss(power, kernel_size=31, margin=(1, 5), power=2.0)
    level = librosa.amplitude_to_db(power, ref=np.max)
    images = {
        "harmonic": librosa.amplitude_to_db(harmonic, ref=np.max),
        "percussive": librosa.amplitude_to_db(percussive, ref=np.max),
        "delta": librosa.feature.delta(level, width=9, order=1),
    }
    order = {
        "thesis-2023": ("harmonic", "percussive", "delta"),
        "paper-2024": ("delta", "harmonic", "percussive"),
    }[preset]
    return np.stack([(x - x.min()) / (np.ptp(x) or 1) for x in (images[name] for name in order)])


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
@pytest.mark.parametrize("preset", PUBLISHED)
def test_images_equal_those_of_the_published_code(preset, name):
    wave, rate = sf.read(REFERENCE / f"{name}.wav")
    assert rate == RATE
    with np.load(REFERENCE / f"images-{preset.partition('-')[0]}.npz") as images:
        # The largest difference is 2.3e-5 with the thesis's preset and 2.8e-5 with the paper's.
        np.testing.assert_allclose(_image(wave, preset), images[name], rtol=0, atol=4e-5)


@pytest.mark.parametrize("preset", PUBLISHED)
@pytest.mark.parametrize("seconds", [0.1, 0.13, 0.2, 0.6, 2.2, 4.0])
def test_images_equal_librosas(preset, seconds, song):
    wave = song(RATE, seconds)
    np.testing.assert_allclose(_image(wave, preset), _published(wave, preset), rtol=0, atol=1e-4)


@pytest.mark.audio
@pytest.mark.parametrize("preset", PUBLISHED)
def test_images_of_recordings_equal_librosas(preset, audio_root):
    paths = [
        *sorted((audio_root / "phoebe").rglob("*.mp3"))[::20],
        *sorted((audio_root / "british").rglob("*.ogg"))[:2],
        *sorted((audio_root / "maad").glob("*.wav"))[:2],
    ]
    for i, path in enumerate(paths):
        wave, rate = read(path, 1.0, 2.5 + i / 2, None, "first")
        expected = _published(wave, preset, rate)
        np.testing.assert_allclose(
            _image(wave, preset, rate), expected, rtol=0, atol=1e-4, err_msg=str(path)
        )


@pytest.mark.parametrize("seconds", [0.1, 0.13, 0.2, 1.0])
def test_overlapping_fades_multiply_as_torchaudios(seconds, song):
    wave = song(RATE, seconds)
    np.testing.assert_allclose(
        fade(wave, RATE // 10, "half_sine"), _faded(wave, RATE), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("preset", PUBLISHED)
def test_a_roi_shorter_than_the_fade_is_faded_over_all_of_it(preset, song):
    # The published code stops there: torchaudio asks for a negative number of ones.
    wave = song(RATE, 0.06)
    with pytest.raises(ValueError, match="negative"):
        _faded(wave, RATE)
    x = np.linspace(0, 1, len(wave))
    gain = np.sin(np.pi / 2 * x) ** 2
    both = gain * gain[::-1] * wave
    # A ROI that needs no fade has the same image as that ROI faded before.
    expected = _image(both, preset, fade_s=0.0)
    np.testing.assert_allclose(_image(wave, preset), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("preset", PUBLISHED)
@pytest.mark.parametrize("representation", ["spec", "cqt"])
def test_other_representations_equal_the_published_ones(preset, representation, song):
    wave = song(RATE, 2.2)
    actual = _image(wave, preset, representation=representation)
    expected = _published(wave, preset, representation=representation)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("preset", PUBLISHED)
@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_images_without_background_equal_the_published_ones(preset, name):
    wave, _ = sf.read(REFERENCE / f"{name}.wav")
    actual = _image(wave, preset, remove_background="maad")
    expected = _published(wave, preset, remove_background=True)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 1e3])
@pytest.mark.parametrize("bands", [8, 96, 128, 513])
def test_background_is_removed_as_by_scikit_maad(scale, bands):
    rng = np.random.default_rng(bands)
    power = (rng.gamma(0.3, size=(3, bands, 40)) * scale).astype(np.float32)
    power[1, 2:5] *= 50
    power[2, :, 10:] = 0
    power[2, 4] = 0
    actual = BACKGROUND_REMOVERS["maad"](
        torch.from_numpy(power), torch.tensor([(0, 40)] * 3)
    ).numpy()
    for image, removed in zip(power, actual, strict=True):
        expected, _, _ = maad.sound.remove_background(image[::-1].copy())
        np.testing.assert_allclose(removed, expected[::-1], rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("preset", PUBLISHED)
def test_without_hpss_the_channel_power_is_the_published_image(preset, song):
    # The published code repeats the power, neither in dB nor scaled.
    wave = song(RATE, 2.2)
    actual = _image(wave, preset, hpss=False, channels=("power", "power", "power"))
    expected = _mel(_prepared(wave, RATE), RATE, preset)[::-1]
    np.testing.assert_allclose(actual, np.stack([expected] * 3), rtol=0, atol=1e-6 * expected.max())


@pytest.mark.parametrize("preset", PUBLISHED)
def test_the_published_cqt_needs_a_rate_that_holds_its_highest_bin(preset, song):
    assert _image(song(9000, 2), preset, 9000, representation="cqt").shape[1] == 84
    with pytest.raises(SettingsError, match=r"audio\.sample_rate"):
        _image(song(8000, 2), preset, 8000, representation="cqt")
