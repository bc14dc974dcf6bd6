"""Sound files for the tests of this room."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

Write = Callable[..., Path]


@pytest.fixture
def tone() -> Write:
    """Return a function that writes a tone, louder between the two times of `loud`."""

    def write(
        path: Path,
        seconds: float = 1.0,
        rate: int = 16_000,
        level: float = 0.1,
        loud: tuple[float, float] | None = None,
        **options: object,
    ) -> Path:
        time = np.arange(round(seconds * rate)) / rate
        wave = level * np.sin(2 * np.pi * 2000 * time)
        if loud is not None:
            wave[(time >= loud[0]) & (time < loud[1])] *= 100
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, wave, rate, **options)
        return path

    return write
