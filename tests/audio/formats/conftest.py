"""Sound files made in memory, and what this package reads of them."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from darksound.audio.files import open_audio, problem_of

RATE = 24_000


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Return a rising tone with noise, so that each moment is like no other."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.01, len(time))
    return (0.3 * np.sin(2 * np.pi * (500 + 90 * time) * time) + noise).astype(np.float32)


def encoded(samples: np.ndarray, container: str, **options) -> bytes:
    """Return the bytes of a sound file."""
    file = io.BytesIO()
    sf.write(file, samples, RATE, format=container, **options)
    return file.getvalue()


class ReadFile:
    """All samples of a file as this package reads them, and the problem that it reports."""

    def __init__(self, path: Path, content: bytes, block: int = 7_001) -> None:
        """Write the file, and read it block by block."""
        path.write_bytes(content)
        self.path = path
        with open_audio(path) as file:
            self.frames, self.channels, blocks = file.frames, file.channels, []
            while len(samples := file.read(block)):
                blocks.append(samples)
            self.samples = np.concatenate(blocks)[:, 0] if blocks else np.empty(0, np.float32)
            self.present, self.missing = file.present, file.missing
            self.problem = problem_of(file)

    def excerpt(self, start: int, frames: int) -> np.ndarray:
        """Return an excerpt, read by seek from a file that is newly opened."""
        with open_audio(self.path) as file:
            file.seek(start)
            return file.read(frames)[:, 0]


@pytest.fixture
def read_bytes(tmp_path):
    """Return a function that reads a file of these bytes and this suffix."""
    count = iter(range(10_000))
    return lambda content, suffix: ReadFile(tmp_path / f"{next(count)}{suffix}", content)
