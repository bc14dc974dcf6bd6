"""Simulated acoustics between bird and recorder, computed in the power of mel bands.

Each song is rendered once and recorded in thousands of scenes: powers of independent sounds add,
a microphone scales bands, an echo smears frames.
"""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from darksound.audio.channels import CHANNELS, ChannelInput
from darksound.audio.geometry import make_geometry
from darksound.audio.representations import REPRESENTATIONS
from darksound.audio.waveform import FADE_EXPONENTS
from darksound.device import upload
from darksound.meta.pretraining.conditions import N_INSECTS, SceneConditions, draw_conditions
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.settings import Settings
from darksound.synthesis.song_library import SONG_RATE

__all__ = ["NoisePower", "SceneSimulator"]

_CPU = torch.device("cpu")
# Octaves above 2 kHz that no band reaches.
_NO_CUTOFF = 9.0


class NoisePower:
    """Power of white noise in the front end's bands, with a mean of 1 in each band.

    Frames overlap and wide bands average many bins, so its statistics are not those of independent
    numbers. Therefore windows are cut at random from noise that passed the front end.

    Args:
        settings: `audio.roi_s` (a number), `front_end` and `seed` are used.
        n_windows: length of the noise in windows.
        device: of the windows.
    """

    def __init__(
        self, settings: Settings, n_windows: int = 64, device: torch.device = _CPU
    ) -> None:
        geometry = make_geometry(settings.audio, settings.front_end, SONG_RATE)
        rng = numpy_generator(settings.seed, Purpose.SCENE, 0)
        wave = rng.standard_normal(n_windows * geometry.length).astype("float32")
        frames = 1 + len(wave) // geometry.hop
        long_geometry = replace(geometry, length=len(wave), frames=frames)
        make = REPRESENTATIONS[settings.front_end.representation]
        power = make(long_geometry, settings.front_end, _CPU)(torch.from_numpy(wave)[None])[0]
        self._noise = upload((power / power.mean(1, keepdim=True)).contiguous(), device)

    @property
    def n_frames(self) -> int:
        """Return the length of the noise."""
        return self._noise.shape[1]

    def __call__(self, starts: Tensor, width: int) -> Tensor:
        """Return power `(b, bands, width)` of the windows that begin at these frames, `(b,)`."""
        return self._noise.unfold(1, width, 1).transpose(0, 1)[starts]


class SceneSimulator:
    """Makes images of songs, each in an acoustic scene of its own.

    Args:
        settings: `audio.roi_s` (a number), `front_end` and `seed` are used.
        device: of the songs and the images.
    """

    def __init__(self, settings: Settings, device: torch.device = _CPU) -> None:
        self._settings, self._device = settings, device
        self._noise_power = NoisePower(settings, device=device)
        front_end = settings.front_end
        high = 11_500.0 if front_end.high_hz == "nyquist" else front_end.high_hz
        edges = 2595 * torch.log10(1 + torch.tensor([front_end.low_hz, high]) / 700)
        mels = torch.linspace(float(edges[0]), float(edges[1]), front_end.n_bands + 2)[1:-1]
        hertz = 700 * (10 ** (mels / 2595) - 1)
        #: Octaves above 2 kHz of each band, `(bands, 1)`.
        self._octaves = upload(torch.log2(hertz / 2000)[:, None], device)
        roi_s = settings.audio.roi_s
        assert roi_s != "auto"
        self._frames_per_s = front_end.frames(roi_s) / roi_s

    def __call__(
        self, songs: Tensor, spans: Tensor, others: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return images of songs in scenes.

        Args:
            songs: power without acoustics, `(b, bands, frames)`, with a peak of 1.
            spans: first frame of each ROI and the one after its last, `(b, 2)`, on the CPU; frames
                outside are silent, as around a ROI that is shorter than the window.
            others: power of other birds for the background, `(b, bands, frames)`.
            generator: on the CPU; the only source of random numbers.

        Returns:
            float32 `(b, 3, bands, frames)` in [0, 1], lowest band last.
        """
        count, _, width = songs.shape
        n_starts = self._noise_power.n_frames - width
        scene = draw_conditions(count, width, n_starts, generator).to(self._device)
        spans = upload(spans, self._device)
        power = songs + others * scene.background_gain * scene.has_background
        power = power * self._microphone(scene)
        power = self._echo(power, scene)
        power = power / power.amax((1, 2), keepdim=True).clamp_min(1e-9)
        power = power + self._noise(songs, scene)
        power = self._recorder(power, scene)
        return self._images(self._cut(power, spans), spans)

    def _microphone(self, scene: SceneConditions) -> Tensor:
        tilt = scene.tilt * self._octaves.clamp_min(-1)
        ripple = 2.5 * _curve(scene.ripple, len(self._octaves))[:, :, None]
        gain: Tensor = 10 ** ((tilt + ripple) / 10)
        return gain

    def _echo(self, power: Tensor, scene: SceneConditions) -> Tensor:
        """Add an exponentially decaying tail, scattered like noise (Rayleigh fading)."""
        width = power.shape[-1]
        frames = torch.arange(width, device=self._device)
        decay = torch.exp(-math.log(1e6) / (scene.decay_s * self._frames_per_s) * frames)
        decay[..., 0] = 0
        decay = decay / decay.sum(-1, keepdim=True).clamp_min(1e-9)
        size = 2 * width
        tail = torch.fft.irfft(torch.fft.rfft(power, size) * torch.fft.rfft(decay, size), size)
        tail = tail[..., :width].clamp_min(0) * self._noise_power(scene.echo_start, width)
        with_echo: Tensor = power + tail * scene.echo_gain * scene.has_echo
        return with_echo

    def _noise(self, songs: Tensor, scene: SceneConditions) -> Tensor:
        """Return coloured noise with gusts, insects and rain, its level set in the song's bands."""
        _, bands, width = songs.shape
        frames = torch.arange(width, device=self._device)
        colour = 10 ** (scene.noise_tilt * self._octaves / 10)
        colour = colour * 10 ** (0.2 * _curve(scene.noise_colour, bands)[:, :, None])
        for i in range(N_INSECTS):
            distance = (self._octaves - scene.insect_octave[:, i]) / scene.insect_width[:, i]
            level = scene.insect_gain[:, i] * scene.has_insect[:, i]
            phase = 2 * math.pi * scene.pulse_hz[:, i] / self._frames_per_s * frames
            pulses = 1 + scene.has_pulses[:, i] * torch.sin(phase)
            colour = colour + colour * level * torch.exp(-0.5 * distance.square()) * pulses
        gusts = 10 ** (0.8 * scene.has_gusts * _curve(scene.gusts, width)[:, None])
        wind_weight = torch.sigmoid(-3 * (self._octaves + 0.5))
        noise = colour * (1 + wind_weight * (gusts - 1))
        noise = noise * (1 + scene.has_rain * scene.drops * scene.rain_gain)
        weight = songs.mean(-1, keepdim=True)
        mean_in_song = (noise * weight).sum((1, 2), keepdim=True) / (
            width * weight.sum((1, 2), keepdim=True).clamp_min(1e-9)
        )
        level = scene.noise_gain / mean_in_song.clamp_min(1e-9)
        return noise * level * self._noise_power(scene.noise_start, width)

    def _recorder(self, power: Tensor, scene: SceneConditions) -> Tensor:
        """Apply overload, a low-pass filter, and the holes of lossy compression."""
        frame_power = power.mean(1, keepdim=True)
        power = power + scene.has_overload * scene.overload_gain * frame_power
        cutoff = torch.where(scene.has_low_pass, scene.cutoff, _NO_CUTOFF)
        power = power * torch.sigmoid(-20 * (self._octaves - cutoff)).clamp_min(1e-6)
        holes = power < power.amax(1, keepdim=True) * scene.hole_gain
        return torch.where(holes & scene.has_holes, power * 1e-2, power)

    def _cut(self, power: Tensor, spans: Tensor) -> Tensor:
        """Fade the ROI in and out as the front end does, and set frames outside it to 0."""
        settings = self._settings.front_end
        length = (spans[:, 1] - spans[:, 0]).float()
        fade = (settings.fade_share * length).clamp_max(settings.fade_s * self._frames_per_s)
        frame = torch.arange(power.shape[-1], device=self._device)[None]
        inside = torch.minimum(frame - spans[:, :1], spans[:, 1:] - 1 - frame) + 0.5
        ramp = (inside / fade.clamp_min(0.5)[:, None]).clamp(0, 1)
        # Power is the square of the amplitude, which the exponent is for.
        gain = torch.sin(0.5 * math.pi * ramp).pow(2 * FADE_EXPONENTS[settings.fade_shape])
        return power * gain[:, None]

    def _images(self, power: Tensor, spans: Tensor) -> Tensor:
        channel_input = ChannelInput(power, power, power, spans, self._settings.front_end)
        channels = [CHANNELS[name](channel_input) for name in self._settings.front_end.channels]
        return torch.stack(channels, dim=1).flip(-2)


def _curve(knots: Tensor, length: int) -> Tensor:
    """Return smooth curves `(b, length)` through knots `(b, 1, n)`."""
    return F.interpolate(knots, length, mode="linear", align_corners=True)[:, 0]
