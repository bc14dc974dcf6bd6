"""Recordings with known tones."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

RATE = 24_000
Tone = tuple[float, float, float, float]


def make_waveform(
    seconds: float, tones: Sequence[Tone], rate: int = RATE, noise: float = 1e-3, seed: int = 0
) -> np.ndarray:
    """Return noise with tones `(start_s, end_s, hz, level)`, faded over 5 ms, `(n,)` float32."""
    rng = np.random.default_rng(seed)
    wave = noise * rng.normal(size=round(seconds * rate))
    time = np.arange(len(wave)) / rate
    for start, end, hz, level in tones:
        fade = np.clip(np.minimum(time - start, end - time) / 0.005, 0, 1)
        wave += level * fade * np.sin(2 * np.pi * hz * time)
    return wave.astype(np.float32)


@pytest.fixture
def write_recording(tmp_path) -> Callable[..., Path]:
    """Return a function that writes such a recording and returns its path."""

    def write(seconds, tones, name="a.wav", rate=RATE, **options) -> Path:
        sf.write(
            tmp_path / name, make_waveform(seconds, tones, rate, **options), rate, subtype="FLOAT"
        )
        return tmp_path / name

    return write
