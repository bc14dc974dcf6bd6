"""Simulated acoustics between bird and recorder, computed in the power of mel bands.

Each song is rendered once and recorded in thousands of scenes: powers of independent sounds add,
a microphone scales bands, an echo smears frames.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from darksound.audio.channels import CHANNELS, ChannelInput
from darksound.audio.geometry import make_geometry
from darksound.audio.representations import REPRESENTATIONS
from darksound.audio.waveform import FADE_EXPONENTS
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.settings import Settings
from darksound.synthesis.song_library import SONG_RATE

__all__ = ["NoisePower", "SceneSimulator"]


class NoisePower:
    """Power of white noise in the front end's bands, with a mean of 1 in each band.

    Frames overlap and wide bands average many bins, so its statistics are not those of independent
    numbers. Therefore windows are cut at random from noise that passed the front end.

    Args:
        settings: `audio.roi_s` (a number), `front_end` and `seed` are used.
        n_windows: length of the noise in windows.
    """

    def __init__(self, settings: Settings, n_windows: int = 64) -> None:
        geometry = make_geometry(settings.audio, settings.front_end, SONG_RATE)
        rng = numpy_generator(settings.seed, Purpose.SCENE, 0)
        wave = rng.standard_normal(n_windows * geometry.length).astype(np.float32)
        frames = 1 + len(wave) // geometry.hop
        long_geometry = replace(geometry, length=len(wave), frames=frames)
        make = REPRESENTATIONS[settings.front_end.representation]
        representation = make(long_geometry, settings.front_end, torch.device("cpu"))
        power = representation(torch.from_numpy(wave)[None])[0]
        self._noise = (power / power.mean(1, keepdim=True)).contiguous()

    def __call__(self, count: int, width: int, generator: torch.Generator) -> Tensor:
        """Return power `(count, bands, width)` with a mean of 1."""
        last = self._noise.shape[1] - width
        starts = torch.randint(last, (count,), generator=generator).tolist()
        return torch.stack([self._noise[:, start : start + width] for start in starts])


@dataclass(frozen=True)
class _RandomValues:
    """Random values, one a scene, that broadcast with `(b, bands, frames)`.

    Attributes:
        count: number of scenes.
        generator: the only source of random numbers.
    """

    count: int
    generator: torch.Generator

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.count, 1, 1, generator=self.generator)

    def bernoulli(self, probability: float) -> Tensor:
        return torch.rand(self.count, 1, 1, generator=self.generator) < probability

    def gain(self, low_db: float, high_db: float) -> Tensor:
        """Return factors of power, uniform in decibels."""
        return 10 ** (self.uniform(low_db, high_db) / 10)

    def curve(self, knots: int, length: int) -> Tensor:
        """Return smooth curves `(b, length)` through standard normal values at the knots."""
        values = torch.randn(self.count, 1, knots, generator=self.generator)
        return F.interpolate(values, length, mode="linear", align_corners=True)[:, 0]


class SceneSimulator:
    """Makes images of songs, each in an acoustic scene of its own.

    Args:
        settings: `audio.roi_s` (a number), `front_end` and `seed` are used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._noise_power = NoisePower(settings)
        front_end = settings.front_end
        high = 11_500.0 if front_end.high_hz == "nyquist" else front_end.high_hz
        edges = 2595 * torch.log10(1 + torch.tensor([front_end.low_hz, high]) / 700)
        mels = torch.linspace(float(edges[0]), float(edges[1]), front_end.n_bands + 2)[1:-1]
        hertz = 700 * (10 ** (mels / 2595) - 1)
        #: Octaves above 2 kHz of each band, `(bands, 1)`.
        self._octaves = torch.log2(hertz / 2000)[:, None]
        roi_s = settings.audio.roi_s
        assert roi_s != "auto"
        self._frames_per_s = front_end.frames(roi_s) / roi_s

    def __call__(
        self, songs: Tensor, spans: Tensor, others: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return images of songs in scenes.

        Args:
            songs: power without acoustics, `(b, bands, frames)`, with a peak of 1.
            spans: first frame of each ROI and the one after its last, `(b, 2)`; frames outside
                are silent, as around a ROI that is shorter than the window.
            others: power of other birds for the background, `(b, bands, frames)`.
            generator: the only source of random numbers.

        Returns:
            float32 `(b, 3, bands, frames)` in [0, 1], lowest band last.
        """
        random = _RandomValues(len(songs), generator)
        power = songs + self._background(others, random)
        power = power * self._microphone(random)
        power = self._echo(power, random)
        power = power / power.amax((1, 2), keepdim=True).clamp_min(1e-9)
        power = power + self._noise(songs, random)
        power = self._recorder(power, random)
        return self._images(self._cut(power, spans), spans)

    def _background(self, others: Tensor, random: _RandomValues) -> Tensor:
        return others * random.gain(-35, -6) * random.bernoulli(0.5)

    def _microphone(self, random: _RandomValues) -> Tensor:
        tilt = random.uniform(-4, 2) * self._octaves.clamp_min(-1)
        ripple = 2.5 * random.curve(7, len(self._octaves))[:, :, None]
        gain: Tensor = 10 ** ((tilt + ripple) / 10)
        return gain

    def _echo(self, power: Tensor, random: _RandomValues) -> Tensor:
        """Add an exponentially decaying tail, scattered like noise (Rayleigh fading)."""
        width = power.shape[-1]
        decay_s = random.uniform(0.1, 1.2)
        frames = torch.arange(width)
        decay = torch.exp(-math.log(1e6) / (decay_s * self._frames_per_s) * frames)
        decay[..., 0] = 0
        decay = decay / decay.sum(-1, keepdim=True).clamp_min(1e-9)
        size = 2 * width
        tail = torch.fft.irfft(torch.fft.rfft(power, size) * torch.fft.rfft(decay, size), size)
        scatter = self._noise_power(random.count, width, random.generator)
        tail = tail[..., :width].clamp_min(0) * scatter
        with_echo: Tensor = power + tail * random.gain(-18, 3) * random.bernoulli(0.7)
        return with_echo

    def _noise(self, songs: Tensor, random: _RandomValues) -> Tensor:
        """Return coloured noise with gusts, insects and rain, its level set in the song's bands."""
        count, bands, width = songs.shape
        colour = 10 ** (random.uniform(-8, 1.0) * self._octaves / 10)
        colour = colour * 10 ** (0.2 * random.curve(9, bands)[:, :, None])
        for _ in range(2):
            distance = (self._octaves - random.uniform(0.3, 2.4)) / random.uniform(0.03, 0.25)
            insects = random.gain(0, 18) * random.bernoulli(0.25)
            pulses = 1 + random.bernoulli(0.4) * torch.sin(
                2 * math.pi * random.uniform(3, 40) / self._frames_per_s * torch.arange(width)
            )
            colour = colour + colour * insects * torch.exp(-0.5 * distance.square()) * pulses
        gusts = 10 ** (0.8 * random.bernoulli(0.3) * random.curve(6, width)[:, None])
        wind_weight = torch.sigmoid(-3 * (self._octaves + 0.5))
        noise = colour * (1 + wind_weight * (gusts - 1))
        drops = torch.rand(count, 1, width, generator=random.generator) < random.uniform(0.0, 0.15)
        noise = noise * (1 + random.bernoulli(0.05) * drops * random.gain(3, 15))
        weight = songs.mean(-1, keepdim=True)
        mean_in_song = (noise * weight).sum((1, 2), keepdim=True) / (
            width * weight.sum((1, 2), keepdim=True).clamp_min(1e-9)
        )
        level = random.gain(-60, -14) / mean_in_song.clamp_min(1e-9)
        return noise * level * self._noise_power(count, width, random.generator)

    def _recorder(self, power: Tensor, random: _RandomValues) -> Tensor:
        """Apply overload, a low-pass filter, and the holes of lossy compression."""
        frame_power = power.mean(1, keepdim=True)
        power = power + random.bernoulli(0.08) * random.gain(-20, -3) * frame_power
        cutoff = torch.where(random.bernoulli(0.2), random.uniform(0.8, 2.4), torch.tensor(9.0))
        power = power * torch.sigmoid(-20 * (self._octaves - cutoff)).clamp_min(1e-6)
        holes = power < power.amax(1, keepdim=True) * random.gain(-50, -28)
        return torch.where(holes & random.bernoulli(0.3), power * 1e-2, power)

    def _cut(self, power: Tensor, spans: Tensor) -> Tensor:
        """Fade the ROI in and out as the front end does, and set frames outside it to 0."""
        settings = self._settings.front_end
        length = (spans[:, 1] - spans[:, 0]).float()
        max_fade = torch.tensor(settings.fade_s * self._frames_per_s)
        fade = torch.minimum(max_fade, settings.fade_share * length)
        frame = torch.arange(power.shape[-1])[None]
        inside = torch.minimum(frame - spans[:, :1], spans[:, 1:] - 1 - frame) + 0.5
        ramp = (inside / fade.clamp_min(0.5)[:, None]).clamp(0, 1)
        # Power is the square of the amplitude, which the exponent is for.
        gain = torch.sin(0.5 * math.pi * ramp).pow(2 * FADE_EXPONENTS[settings.fade_shape])
        return power * gain[:, None]

    def _images(self, power: Tensor, spans: Tensor) -> Tensor:
        pairs = [(int(first), int(stop)) for first, stop in spans.tolist()]
        channel_input = ChannelInput(power, power, power, pairs, self._settings.front_end)
        channels = [CHANNELS[name](channel_input) for name in self._settings.front_end.channels]
        return torch.stack(channels, dim=1).flip(-2)
