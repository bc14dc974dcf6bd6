"""Single events of every kind in noise, with their truth: to train and test a call score."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from darksound.synthesis.acoustics import draw_acoustics, noise_shape, noise_spectrum, transfer
from darksound.synthesis.night_voices import NIGHT_VOICES, churr_texture, draw_night_voice
from darksound.synthesis.other_sounds import OTHER_SOUNDS, draw_other_sound
from darksound.synthesis.recordings import RATE
from darksound.synthesis.song_types import perform, render_performance
from darksound.synthesis.textures import Samples
from darksound.synthesis.wild_species import draw_repertoire, draw_wild_species

__all__ = ["CALL_KINDS", "OTHER_KINDS", "SingleEvent", "render_single_event", "scale_to_snr"]

#: Kinds of calls: `wild` is a song of a random species of any pitch.
CALL_KINDS = ("wild", *NIGHT_VOICES)
#: Kinds of everything else.
OTHER_KINDS = tuple(OTHER_SOUNDS)


@dataclass(frozen=True)
class SingleEvent:
    """An event in noise.

    Attributes:
        samples: recording `(n,)` at 48 kHz, float32.
        kind: name in `CALL_KINDS` or `OTHER_KINDS`.
        is_call: whether it is a bird's.
        start_s: start of the event in the recording.
        end_s: its end.
        low_hz: its lowest frequency: 95 % of its energy lie between it and `high_hz`.
        high_hz: its highest frequency.
        snr_db: mean power of the event over that of the noise, in its band while it lasts.
    """

    samples: Samples
    kind: str
    is_call: bool
    start_s: float
    end_s: float
    low_hz: float
    high_hz: float
    snr_db: float


def render_single_event(
    kind: str, rng: np.random.Generator, *, longest_s: float = 12.0, margin_s: float = 2.0
) -> SingleEvent:
    """Return one event of a kind in noise, at a random distance and SNR of -3 to 30 dB.

    Args:
        kind: name in `CALL_KINDS` or `OTHER_KINDS`.
        rng: draws everything.
        longest_s: longer events are cut.
        margin_s: noise before and after the event.
    """
    dry = _dry(kind, rng, longest_s)
    acoustics = draw_acoustics(rng)
    n = fft.next_fast_len(dry.size + round(2 * margin_s * RATE), real=True)
    first = round(margin_s * RATE)
    padded = np.zeros(n, dtype=np.float32)
    padded[first : first + dry.size] = dry
    spectrum = fft.rfft(padded)
    if kind in CALL_KINDS or kind in ("frog", "frog_chorus", "cricket", "insect", "speech"):
        spectrum = spectrum * transfer(acoustics, n, RATE, rng)
    noise = noise_spectrum(noise_shape(acoustics, n, RATE), rng)
    snr_db = float(rng.uniform(-3, 30))
    low, high = scale_to_snr(spectrum, noise, snr_db, dry.size, n)
    wave = fft.irfft(spectrum + noise, n).astype(np.float32)
    loudest = np.float32(acoustics.level) / np.sqrt(np.square(wave).mean() + 1e-12)
    wave = np.clip(wave * loudest, -1, 1)
    return SingleEvent(
        wave, kind, kind in CALL_KINDS, first / RATE, (first + dry.size) / RATE,
        low * RATE / n, high * RATE / n, snr_db,
    )  # fmt: skip


def scale_to_snr(
    spectrum: np.ndarray, noise: np.ndarray, snr_db: float, n_sound: int, n: int
) -> tuple[int, int]:
    """Scale a sound, in place, to an SNR in the band that has 95 % of its energy.

    Args:
        spectrum: of the sound, `(n // 2 + 1,)`.
        noise: spectrum of the noise, `(n // 2 + 1,)`.
        snr_db: mean power of the sound over that of the noise, while it lasts.
        n_sound: samples for which it lasts.
        n: samples of the transform.

    Returns:
        The first and the last bin of the band.
    """
    power = np.square(np.abs(spectrum))
    low, high = energy_band(power, n)
    inside = slice(low, high + 1)
    noise_power = np.square(np.abs(noise[inside])).sum() * n_sound / n
    spectrum *= np.float32(np.sqrt(10 ** (snr_db / 10) * noise_power / power[inside].sum()))
    return low, high


def energy_band(power: np.ndarray, n: int) -> tuple[int, int]:
    """Return the first and the last bin of the band that has 95 % of the energy.

    Args:
        power: in each bin `(n // 2 + 1,)`.
        n: samples of the transform; bins below 20 Hz are left out.
    """
    power = np.where(np.arange(power.size) * RATE / n < 20.0, 0.0, power)
    share = np.cumsum(power) / max(float(power.sum()), 1e-30)
    low, high = np.searchsorted(share, [0.025, 0.975])
    return int(low), int(min(high, power.size - 1))


def _dry(kind: str, rng: np.random.Generator, longest_s: float) -> Samples:
    """Return the event without noise and echo."""
    if kind in OTHER_SOUNDS:
        other = draw_other_sound(kind, rng)
        seconds = min(longest_s, other.duration_s)
        if other.duration_s == float("inf"):
            seconds = float(rng.uniform(0.4, 1.0) * longest_s)
        first = round(rng.uniform(0, 60) * RATE)
        wave = other.texture.render(first, first + round(seconds * RATE))
        return _faded(wave)
    if kind == "wild":
        songs = draw_repertoire(draw_wild_species(rng), rng)
        song = songs[int(rng.integers(len(songs)))]
        return render_performance(perform(song, rng, longest_s), RATE, rng)
    voice = draw_night_voice(kind, rng)
    if voice.churr is not None:
        return _faded(churr_texture(voice.churr, rng).render(0, round(longest_s * RATE)))
    assert voice.song is not None
    return render_performance(perform(voice.song, rng, longest_s), RATE, rng)


def _faded(wave: Samples) -> Samples:
    """Return the wave with a fade of 20 ms at both ends."""
    n = min(wave.size // 2, round(0.02 * RATE))
    ramp = np.linspace(0, 1, n, dtype=np.float32)
    wave = wave.copy()
    wave[:n] *= ramp
    wave[wave.size - n :] *= ramp[::-1]
    return wave
