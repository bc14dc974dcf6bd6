"""The front end against librosa."""

import librosa
import numpy as np
import pytest
import torch
from tests.fake_gpu import NoWaiting, fake_gpu

from darksound.audio.front_end import FrontEnd, image_shape
from darksound.settings import Settings, load_settings

SETTINGS = Settings().replace(audio={"roi_s": 3.0})

PUBLISHED = ("thesis-2023", "paper-2024")


def _front_end(settings: Settings, rate: int, device: str = "cpu") -> FrontEnd:
    return FrontEnd(settings.audio, settings.front_end, rate, device)


def test_the_default_image_has_level_floored_and_height(song):
    wave = song(48_000, 1.0)
    image = _front_end(SETTINGS, 48_000)([wave])[0].numpy()
    padded = np.pad(wave, 48_000)
    ramp = np.sin(np.linspace(0, np.pi / 2, 4800))
    padded[48_000:52_800] *= ramp
    padded[91_200:96_000] *= ramp[::-1]
    mel = librosa.feature.melspectrogram(
        y=padded,
        sr=48_000,
        n_fft=2048,
        win_length=1024,
        hop_length=750,
        n_mels=112,
        fmin=150,
        fmax=11_500,
        pad_mode="reflect",
        htk=True,
        norm="slaney",
    )[::-1, :192]
    level = np.clip(1 + 10 * np.log10(mel / mel.max() + 1e-30) / 50, 0, 1)
    np.testing.assert_allclose(image[0], level, atol=1e-4)
    # A second in the middle of three is frames 64 to 127.
    floor = np.sort(mel[:, 64:128], axis=1)[:, round(0.3 * 63)]
    edges = np.pad(floor, 8, mode="symmetric")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(edges, 17), axis=1)
    above = np.maximum(mel - smooth[:, None], 0)
    floored = np.clip(1 + 10 * np.log10(above / above.max() + 1e-30) / 40, 0, 1)
    np.testing.assert_allclose(image[1], floored, atol=1e-4)
    np.testing.assert_allclose(image[2], np.linspace(1, 0, 112)[:, None].repeat(192, 1), atol=1e-6)


@pytest.mark.parametrize("preset", ["default", *PUBLISHED])
@pytest.mark.parametrize("representation", ["mel", "spec", "cqt"])
@pytest.mark.parametrize(("hpss", "background"), [(False, False), (True, "median"), (True, "maad")])
@pytest.mark.filterwarnings("ignore:n_fft=.*too large")
def test_every_representation_works_in_every_preset(preset, representation, hpss, background, song):
    changes = {"representation": representation, "hpss": hpss, "remove_background": background}
    settings = load_settings(preset).replace(audio={"roi_s": 3.0}).replace(front_end=changes)
    images = _front_end(settings, 48_000)([song(48_000, 1.3)])
    assert images.shape == (1, *image_shape(settings.audio, settings.front_end, 48_000))
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images.amax(dim=(-2, -1)) > 0.9).all()


def test_without_hpss_the_published_channels_are_equal(song):
    settings = load_settings("thesis-2023").replace(front_end={"hpss": False})
    image = _front_end(settings, 48_000)([song(48_000, 2)])[0]
    assert (image[0] == image[1]).all()
    assert (image[0] == image[2]).all()


def test_with_hpss_level_is_harmonic_and_floored_percussive(song):
    wave = song(48_000, 2)
    plain = _front_end(SETTINGS, 48_000)([wave])[0]
    separated = _front_end(SETTINGS.replace(front_end={"hpss": True}), 48_000)([wave])[0]
    assert not torch.allclose(plain[0], separated[0], atol=0.05)
    assert not torch.allclose(plain[1], separated[1], atol=0.05)


def test_stationary_background_is_removed():
    rate = 48_000
    time = np.arange(3 * rate) / rate
    hum = np.sin(2 * np.pi * 2000 * time)
    call = np.sin(2 * np.pi * 6000 * time) * (np.abs(time - 1.5) < 0.2)
    wave = (hum + call).astype(np.float32)
    level = [
        _front_end(SETTINGS.replace(front_end={"remove_background": name}), rate)([wave])[0, 0]
        for name in (False, "median")
    ]
    hum_row = int(level[0][:, 20].argmax())
    assert level[0][hum_row, 30:160].min() > 0.9
    assert level[1][hum_row, 30:80].max() < 0.5
    assert level[1][:, 96].max() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("preset", ["default", *PUBLISHED])
def test_the_image_of_silence_is_zero(preset):
    image = _front_end(load_settings(preset).replace(audio={"roi_s": 3.0}), 48_000)(
        [np.zeros(4800, np.float32)]
    )[0]
    channels = image[:2] if preset == "default" else image
    assert (channels == 0).all()


@pytest.mark.parametrize("preset", ["default", "thesis-2023"])
def test_an_image_does_not_depend_on_its_batch_or_on_threads(preset, song):
    waves = [song(48_000, 0.5 + 0.3 * i, seed=i) for i in range(10)]
    front_end = _front_end(load_settings(preset).replace(audio={"roi_s": 3.0}), 48_000)
    together = front_end(waves)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        alone = torch.cat([front_end([wave]) for wave in waves])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal((together * 255).round(), (alone * 255).round())
    assert front_end([]).shape == (0, *front_end.shape)


@pytest.mark.parametrize("representation", ["mel", "spec"])
@pytest.mark.parametrize(("hpss", "background"), [(False, False), (True, "median")])
def test_a_gpu_makes_images_without_the_cpu(representation, hpss, background, song):
    changes = {"representation": representation, "hpss": hpss, "remove_background": background}
    waves = [song(48_000, 0.5 + i, seed=i) for i in range(3)]
    with fake_gpu() as gpu:
        front_end = _front_end(SETTINGS.replace(front_end=changes), 48_000, device="cuda")
        with NoWaiting():
            images = front_end(waves)
        assert (images.device, images.shape) == (gpu, (3, *front_end.shape))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("preset", ["default", *PUBLISHED])
def test_a_gpu_makes_the_same_images(preset, song):
    waves = [song(48_000, 0.5 + 0.6 * i, seed=i) for i in range(5)]
    settings = load_settings(preset).replace(audio={"roi_s": 3.0})
    actual = _front_end(settings, 48_000, device="cuda")(waves).cpu()
    torch.testing.assert_close(actual, _front_end(settings, 48_000)(waves), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rate", [8_000, 22_050, 96_000, 192_000])
def test_native_rates_give_images(rate, song):
    settings = SETTINGS.replace(audio={"sample_rate": "native"})
    images = _front_end(settings, rate)([song(rate, 1.0)])
    assert images.shape == (1, 3, 112, 192)
    assert images[0, 0].max() == 1
