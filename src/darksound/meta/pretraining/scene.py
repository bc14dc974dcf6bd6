"""Acoustics on the fly: what lies between a bird and the listener, in the power of mel bands.

A dry song is sung once and heard in thousands of places: powers of independent sounds add, a
microphone scales bands, an echo smears frames. Two recordings of a song share nothing else.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from darksound.audio.channels import CHANNELS, ChannelInput
from darksound.audio.geometry import Geometry, make_geometry
from darksound.audio.representations import REPRESENTATIONS
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.settings import Settings
from darksound.synthesis.song_library import SONG_RATE

__all__ = ["Scenes", "Speckle"]


class Speckle:
    """White noise through the front end, every band's mean being 1; cut out at random places.

    Neighbouring frames share samples and wide bands average many bins, so its statistics are not
    those of independent draws.

    Args:
        settings: of the front end, `audio.roi_s` a number.
        windows: how many windows' worth of noise to keep.
    """

    def __init__(self, settings: Settings, windows: int = 64) -> None:
        form = make_geometry(settings.audio, settings.front_end, SONG_RATE)
        rng = numpy_generator(settings.seed, Purpose.SCENE, 0)
        wave = rng.standard_normal(windows * form.length).astype(np.float32)
        frames = 1 + len(wave) // form.hop
        whole = Geometry(**{**vars(form), "length": len(wave), "frames": frames})
        make = REPRESENTATIONS[settings.front_end.representation]
        front_end = make(whole, settings.front_end, torch.device("cpu"))
        power = front_end(torch.from_numpy(wave)[None])[0]
        self._noise = (power / power.mean(1, keepdim=True)).contiguous()

    def __call__(self, count: int, width: int, generator: torch.Generator) -> Tensor:
        """Power `(count, bands, width)` with a mean of 1."""
        last = self._noise.shape[1] - width
        starts = torch.randint(last, (count,), generator=generator).tolist()
        return torch.stack([self._noise[:, start : start + width] for start in starts])


@dataclass(frozen=True)
class _Draw:
    """Uniform numbers, one a scene, shaped to go with `(b, bands, frames)`."""

    count: int
    generator: torch.Generator

    def between(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.count, 1, 1, generator=self.generator)

    def happens(self, share: float) -> Tensor:
        return torch.rand(self.count, 1, 1, generator=self.generator) < share

    def gain(self, low_db: float, high_db: float) -> Tensor:
        return 10 ** (self.between(low_db, high_db) / 10)

    def curve(self, knots: int, length: int) -> Tensor:
        """Smooth normal noise `(b, length)`."""
        raw = torch.randn(self.count, 1, knots, generator=self.generator)
        return F.interpolate(raw, length, mode="linear", align_corners=True)[:, 0]


class Scenes:
    """Makes images of dry songs, each in a place of its own.

    Args:
        settings: `front_end`, and `audio.roi_s`, which must be a number.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._speckle = Speckle(settings)
        front_end = settings.front_end
        high = 11_500.0 if front_end.high_hz == "nyquist" else front_end.high_hz
        edges = 2595 * torch.log10(1 + torch.tensor([front_end.low_hz, high]) / 700)
        mels = torch.linspace(float(edges[0]), float(edges[1]), front_end.n_bands + 2)[1:-1]
        hertz = 700 * (10 ** (mels / 2595) - 1)
        #: Octaves above 2 kHz of each band, `(bands, 1)`.
        self._octaves = torch.log2(hertz / 2000)[:, None]
        roi_s = settings.audio.roi_s
        assert roi_s != "auto"
        self.frames_a_second = front_end.frames(roi_s) / roi_s

    def __call__(
        self, songs: Tensor, spans: Tensor, others: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Images of songs, in scenes.

        Args:
            songs: dry power `(b, bands, frames)`, peaks at 1.
            spans: first frame of each ROI and the one after its last, `(b, 2)`; around it is
                silence, as around a ROI that is shorter than the window.
            others: dry power of other birds for the background, `(b, bands, frames)`.
            generator: the only source of randomness.

        Returns:
            float32 `(b, 3, bands, frames)` in [0, 1], lowest band last.
        """
        draw = _Draw(len(songs), generator)
        power = songs + self._background(others, draw)
        power = power * self._microphone(draw)
        power = self._echo(power, draw)
        power = power / power.amax((1, 2), keepdim=True).clamp_min(1e-9)
        power = power + self._noise(songs, draw)
        power = self._recorder(power, draw)
        return self._images(self._cut(power, spans), spans)

    def _background(self, others: Tensor, draw: _Draw) -> Tensor:
        return others * draw.gain(-35, -6) * draw.happens(0.5)

    def _microphone(self, draw: _Draw) -> Tensor:
        tilt = draw.between(-4, 2) * self._octaves.clamp_min(-1)
        ripple = 2.5 * draw.curve(7, len(self._octaves))[:, :, None]
        gain: Tensor = 10 ** ((tilt + ripple) / 10)
        return gain

    def _echo(self, power: Tensor, draw: _Draw) -> Tensor:
        """The song and a decaying tail of it, scattered as noise is (Rayleigh fading)."""
        width = power.shape[-1]
        fall_s = draw.between(0.1, 1.2)
        frames = torch.arange(width)
        decay = torch.exp(-math.log(1e6) / (fall_s * self.frames_a_second) * frames)
        decay[..., 0] = 0
        decay = decay / decay.sum(-1, keepdim=True).clamp_min(1e-9)
        size = 2 * width
        tail = torch.fft.irfft(torch.fft.rfft(power, size) * torch.fft.rfft(decay, size), size)
        tail = tail[..., :width].clamp_min(0) * self._speckle(draw.count, width, draw.generator)
        heard: Tensor = power + tail * draw.gain(-18, 3) * draw.happens(0.7)
        return heard

    def _noise(self, songs: Tensor, draw: _Draw) -> Tensor:
        """Coloured noise with gusts, insects and rain; the level is set within the song's bands."""
        count, bands, width = songs.shape
        colour = 10 ** (draw.between(-8, 1.0) * self._octaves / 10)
        colour = colour * 10 ** (0.2 * draw.curve(9, bands)[:, :, None])
        for _ in range(2):
            away = (self._octaves - draw.between(0.3, 2.4)) / draw.between(0.03, 0.25)
            chorus = draw.gain(0, 18) * draw.happens(0.25)
            pulsing = 1 + draw.happens(0.4) * torch.sin(
                2 * math.pi * draw.between(3, 40) / self.frames_a_second * torch.arange(width)
            )
            colour = colour + colour * chorus * torch.exp(-0.5 * away.square()) * pulsing
        gusts = 10 ** (0.8 * draw.happens(0.3) * draw.curve(6, width)[:, None])
        low = torch.sigmoid(-3 * (self._octaves + 0.5))
        noise = colour * (1 + low * (gusts - 1))
        drops = torch.rand(count, 1, width, generator=draw.generator) < draw.between(0.0, 0.15)
        noise = noise * (1 + draw.happens(0.05) * drops * draw.gain(3, 15))
        weight = songs.mean(-1, keepdim=True)
        within = (noise * weight).sum((1, 2), keepdim=True) / (
            width * weight.sum((1, 2), keepdim=True).clamp_min(1e-9)
        )
        level = draw.gain(-60, -14) / within.clamp_min(1e-9)
        return noise * level * self._speckle(count, width, draw.generator)

    def _recorder(self, power: Tensor, draw: _Draw) -> Tensor:
        """Overload, a low-pass, and the holes that lossy compression leaves."""
        loud = power.mean(1, keepdim=True)
        power = power + draw.happens(0.08) * draw.gain(-20, -3) * loud
        edge = torch.where(draw.happens(0.2), draw.between(0.8, 2.4), torch.tensor(9.0))
        power = power * torch.sigmoid(-20 * (self._octaves - edge)).clamp_min(1e-6)
        holes = power < power.amax(1, keepdim=True) * draw.gain(-50, -28)
        return torch.where(holes & draw.happens(0.3), power * 1e-2, power)

    def _cut(self, power: Tensor, spans: Tensor) -> Tensor:
        """Fade the ROI in and out, as the front end does, and leave silence around it."""
        fade_s, share = self._settings.front_end.fade_s, self._settings.front_end.fade_share
        length = (spans[:, 1] - spans[:, 0]).float()
        fade = torch.minimum(torch.tensor(fade_s * self.frames_a_second), share * length)
        frame = torch.arange(power.shape[-1])[None]
        inside = torch.minimum(frame - spans[:, :1], spans[:, 1:] - 1 - frame) + 0.5
        ramp = (inside / fade.clamp_min(0.5)[:, None]).clamp(0, 1)
        return power * torch.sin(0.5 * math.pi * ramp).square()[:, None]

    def _images(self, power: Tensor, spans: Tensor) -> Tensor:
        pairs = [(int(first), int(stop)) for first, stop in spans.tolist()]
        parts = ChannelInput(power, power, power, pairs, self._settings.front_end)
        drawn = [CHANNELS[name](parts) for name in self._settings.front_end.channels]
        return torch.stack(drawn, dim=1).flip(-2)
