"""Waveforms to test with."""

import numpy as np
import pytest


def song(rate: int, seconds: float, seed: int = 0) -> np.ndarray:
    """Return sweeps, clicks and noise, so that every channel has content, `(n,)` float32."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    centre = rng.uniform(0.08, 0.2) * rate
    sweep = np.sin(2 * np.pi * (centre * time + 0.03 * rate * np.sin(5 * time)))
    gate = (np.sin(2 * np.pi * rng.uniform(2, 6) * time) > 0.2) * 1.0
    clicks = np.zeros_like(time)
    clicks[rng.integers(0, len(time), 6)] = 1
    wave = 0.3 * sweep * gate + 0.5 * clicks + 0.01 * rng.normal(size=len(time))
    return wave.astype(np.float32)


@pytest.fixture(name="song", scope="session")
def _song():
    """Return the function `song(rate, seconds, seed=0)`."""
    return song
