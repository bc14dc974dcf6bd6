"""Random conditions of scenes, drawn on the CPU and used on any device."""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from darksound.device import upload

__all__ = ["N_INSECTS", "SceneConditions", "draw_conditions"]

#: Insects that each scene may have.
N_INSECTS = 2


@dataclass(frozen=True)
class SceneConditions:
    """What distinguishes scenes; one row a scene.

    Gains are factors of power. Without another shape, values are `(b, 1, 1)`, to broadcast with
    power `(b, bands, frames)`. Knots `(b, 1, n)` are standard normal, for smooth curves.

    Attributes:
        background_gain, has_background: of other birds.
        tilt, ripple: of the microphone, in dB an octave, and knots over the bands.
        decay_s, echo_start, echo_gain, has_echo: time in which an echo falls by 60 dB; start `(b,)`
            of the noise that scatters it.
        noise_tilt, noise_colour: of the noise, in dB an octave, and knots over the bands.
        insect_octave, insect_width, insect_gain, has_insect, has_pulses, pulse_hz: `(b, 2, 1, 1)`;
            octaves above 2 kHz.
        has_gusts, gusts: of wind; knots over the frames.
        drops, has_rain, rain_gain: frames with drops, `(b, 1, frames)`.
        noise_gain: mean noise in the bands of the song.
        noise_start: start `(b,)` of the noise.
        has_overload, overload_gain: part of the whole power of a frame in each band.
        has_low_pass, cutoff: octaves above 2 kHz of a low-pass filter.
        hole_gain, has_holes: level below the loudest band at which compression leaves holes.
    """

    background_gain: Tensor
    has_background: Tensor
    tilt: Tensor
    ripple: Tensor
    decay_s: Tensor
    echo_start: Tensor
    echo_gain: Tensor
    has_echo: Tensor
    noise_tilt: Tensor
    noise_colour: Tensor
    insect_octave: Tensor
    insect_width: Tensor
    insect_gain: Tensor
    has_insect: Tensor
    has_pulses: Tensor
    pulse_hz: Tensor
    has_gusts: Tensor
    gusts: Tensor
    drops: Tensor
    has_rain: Tensor
    rain_gain: Tensor
    noise_gain: Tensor
    noise_start: Tensor
    has_overload: Tensor
    overload_gain: Tensor
    has_low_pass: Tensor
    cutoff: Tensor
    hole_gain: Tensor
    has_holes: Tensor

    def to(self, device: torch.device) -> Self:
        """Return the conditions on a device, to which all of them cross in one copy."""
        if device.type == "cpu":
            return self
        values: list[Tensor] = [getattr(self, field.name) for field in fields(self)]
        rows = [value.reshape(len(value), -1).float() for value in values]
        packed = upload(torch.cat(rows, dim=1), device)
        parts = torch.split(packed, [value[0].numel() for value in values], dim=1)
        return type(self)(
            *(
                part.reshape(value.shape).to(value.dtype)
                for part, value in zip(parts, values, strict=True)
            )
        )


def draw_conditions(
    count: int, width: int, n_starts: int, generator: torch.Generator
) -> SceneConditions:
    """Return the conditions of some scenes, on the CPU.

    So the same generator gives the same scenes on all devices.

    Args:
        count: number of scenes.
        width: frames of a window.
        n_starts: number of frames of noise at which windows may begin.
        generator: on the CPU; the only source of random numbers.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

    def gain(low_db: float, high_db: float) -> Tensor:
        return 10 ** (uniform(low_db, high_db) / 10)

    def chance(probability: float) -> Tensor:
        return torch.rand(count, 1, 1, generator=generator) < probability

    def knots(number: int) -> Tensor:
        return torch.randn(count, 1, number, generator=generator)

    def start() -> Tensor:
        return torch.randint(n_starts, (count,), generator=generator)

    def insects() -> dict[str, Tensor]:
        drawn = [
            {
                "insect_octave": uniform(0.3, 2.4),
                "insect_width": uniform(0.03, 0.25),
                "insect_gain": gain(0, 18),
                "has_insect": chance(0.25),
                "has_pulses": chance(0.4),
                "pulse_hz": uniform(3, 40),
            }
            for _ in range(N_INSECTS)
        ]
        return {key: torch.stack([insect[key] for insect in drawn], dim=1) for key in drawn[0]}

    # Python evaluates these in their order, which the scenes of a seed depend on.
    return SceneConditions(
        background_gain=gain(-35, -6),
        has_background=chance(0.5),
        tilt=uniform(-4, 2),
        ripple=knots(7),
        decay_s=uniform(0.1, 1.2),
        echo_start=start(),
        echo_gain=gain(-18, 3),
        has_echo=chance(0.7),
        noise_tilt=uniform(-8, 1),
        noise_colour=knots(9),
        **insects(),
        has_gusts=chance(0.3),
        gusts=knots(6),
        drops=torch.rand(count, 1, width, generator=generator) < uniform(0, 0.15),
        has_rain=chance(0.05),
        rain_gain=gain(3, 15),
        noise_gain=gain(-60, -14),
        noise_start=start(),
        has_overload=chance(0.08),
        overload_gain=gain(-20, -3),
        has_low_pass=chance(0.2),
        cutoff=uniform(0.8, 2.4),
        hole_gain=gain(-50, -28),
        has_holes=chance(0.3),
    )
