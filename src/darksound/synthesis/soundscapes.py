"""Soundscapes: recordings of scenes, rendered block by block, with the truth of every event.

The SNR of an event is the mean power of the event, with its echo, over that of everything else in
its band, while its units last. Its band has 95 % of its energy. Both are measured in frames of
2048 samples at 48 kHz (Hann windows with half overlap).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from darksound.synthesis.acoustics import noise_shape
from darksound.synthesis.recordings import RATE
from darksound.synthesis.scenes import SceneEvent, ScenePlan, plan_scene
from darksound.synthesis.textures import Noise, Samples, noise_table

__all__ = ["Block", "EventEnergy", "EventTruth", "SceneId", "event_truths", "render_block"]

_WINDOW, _HOP = 2048, 1024
#: Samples of a block, 22 s: the length of the sound that is in memory at once.
BLOCK = 1024 * _HOP
# Share of the energy that lies outside the band of an event, at both ends in all.
_OUTSIDE = 0.05
# Below, there is nothing but drift.
_LOWEST_HZ = 20.0
_MIN_ENERGY = 1e-20

Energy = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SceneId:
    """What determines a recording: see `plan_scene`."""

    seed: int
    scene: str
    number: int
    seconds: float
    species: int

    @property
    def samples(self) -> int:
        """Return the length of the recording in samples."""
        return round(self.seconds * RATE)

    @property
    def n_blocks(self) -> int:
        """Return the number of blocks of the recording."""
        return -(-self.samples // BLOCK)


@dataclass(frozen=True)
class EventEnergy:
    """Energy of an event and of everything else in each bin while its units last, in a block.

    Attributes:
        event: number of the event in the plan.
        own: energy of the event `(1025,)`.
        other: energy of everything else `(1025,)`.
    """

    event: int
    own: Energy
    other: Energy


@dataclass(frozen=True)
class Block:
    """A stretch of a recording.

    Attributes:
        samples: 16 bits `(n,)` at 48 kHz.
        energies: of the events that sound in it.
    """

    samples: npt.NDArray[np.int16]
    energies: tuple[EventEnergy, ...]


@dataclass(frozen=True)
class EventTruth:
    """An event with its measured band and SNR."""

    event: SceneEvent
    low_hz: float
    high_hz: float
    snr_db: float


@lru_cache(maxsize=2)
def _plan(scene: SceneId) -> ScenePlan:
    return plan_scene(
        scene.seed, scene.scene, scene.number, seconds=scene.seconds, species=scene.species
    )


@lru_cache(maxsize=2)
def _noise(scene: SceneId) -> Noise:
    plan = _plan(scene)
    rng = np.random.default_rng([*plan.key, 0])
    table = noise_table(lambda n: noise_shape(plan.noise, n, RATE), rng)
    return Noise(table * np.float32(plan.noise.level), int(rng.integers(2**31)))


def render_block(scene: SceneId, number: int) -> Block:
    """Return block `number` of a recording; it does not depend on other blocks."""
    plan = _plan(scene)
    first = number * BLOCK
    last = min(scene.samples, first + BLOCK)
    mix = _noise(scene).render(first, last)
    waves: list[tuple[int, int, Samples]] = []
    for index, event in enumerate(plan.events):
        start = round(event.start_s * RATE)
        stop = round((event.end_s + event.emitter.tail_s) * RATE)
        if start < last and stop > first:
            begin, end = max(start, first), min(stop, last)
            wave = event.emitter.render(begin - start, end - start) * np.float32(event.gain)
            if event.fade_s:
                wave = wave * _fades(event, begin, end)
            mix[begin - first : end - first] += wave
            waves.append((index, begin - first, wave))
    whole = _spectra(mix) if mix.size >= _WINDOW else None
    energies = []
    for index, offset, wave in waves:
        if whole is not None:
            energy = _energy(index, plan.events[index], whole, wave, offset=offset, first=first)
            if energy is not None:
                energies.append(energy)
    rounded = np.clip(np.rint(mix * np.float32(32768)), -32768, 32767).astype(np.int16)
    return Block(rounded, tuple(energies))


def _fades(event: SceneEvent, begin: int, end: int) -> Samples:
    """Return the factors of samples `begin` to `end` of the recording: fade in and out."""
    time = np.arange(begin, end) / RATE
    inside = np.minimum(time - event.start_s, event.end_s - time) / event.fade_s
    fades: Samples = (np.sin(0.5 * np.pi * np.clip(inside, 0, 1)) ** 2).astype(np.float32)
    return fades


def _spectra(wave: Samples) -> npt.NDArray[np.complex64]:
    """Return spectra `(frames, 1025)`."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, _WINDOW)[::_HOP]
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    spectra: npt.NDArray[np.complex64] = fft.rfft(frames * window, axis=1)
    return spectra


def _energy(
    index: int,
    event: SceneEvent,
    whole: npt.NDArray[np.complex64],
    wave: Samples,
    *,
    offset: int,
    first: int,
) -> EventEnergy | None:
    """Return the energies of an event in a block; None where no unit of it is."""
    centres = (np.arange(len(whole)) * _HOP + _WINDOW // 2 + first) / RATE
    margin = 0.5 * _HOP / RATE
    times = np.asarray(event.units)
    # The last unit that starts before a frame is the only one that can contain it.
    unit = np.searchsorted(times[:, 0] - margin, centres, side="right") - 1
    active = np.flatnonzero((unit >= 0) & (centres < times[unit, 1] + margin))
    if not active.size:
        return None
    begin, end = active[0], active[-1] + 1
    padded = np.zeros((end - begin - 1) * _HOP + _WINDOW, dtype=np.float32)
    shift = offset - begin * _HOP
    source = wave[max(0, -shift) : max(0, padded.size - shift)]
    padded[max(0, shift) : max(0, shift) + source.size] = source
    own = _spectra(padded)[active - begin]
    other = whole[active] - own
    return EventEnergy(
        index,
        np.square(np.abs(own)).sum(axis=0, dtype=np.float64),
        np.square(np.abs(other)).sum(axis=0, dtype=np.float64),
    )


def event_truths(scene: SceneId, energies: Iterable[EventEnergy]) -> list[EventTruth]:
    """Return the truth of all events of a recording, in order of their starts.

    Args:
        scene: the recording.
        energies: of all its blocks.
    """
    sums: dict[int, tuple[Energy, Energy]] = {}
    for each in energies:
        own, other = sums.get(each.event, (0.0, 0.0))
        sums[each.event] = own + each.own, other + each.other
    truths = []
    for index, event in enumerate(_plan(scene).events):
        if index in sums:
            own, other = sums[index]
            own = np.where(np.arange(own.size) * RATE / _WINDOW < _LOWEST_HZ, 0.0, own)
            if own.sum() < _MIN_ENERGY:  # the clipped start of a silent stretch
                continue
            share = np.cumsum(own) / own.sum()
            low, high = np.searchsorted(share, [_OUTSIDE / 2, 1 - _OUTSIDE / 2])
            high = min(int(high), own.size - 1)
            band = slice(int(low), high + 1)
            ratio = own[band].sum() / max(float(other[band].sum()), _MIN_ENERGY)
            bin_hz = RATE / _WINDOW
            truths.append(
                EventTruth(
                    event, max(0.0, (low - 0.5) * bin_hz), (high + 0.5) * bin_hz,
                    float(10 * np.log10(ratio)),
                )
            )  # fmt: skip
    return truths
