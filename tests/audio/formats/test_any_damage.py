"""Random damage of every kind, in every format: nothing hangs, and nothing is short in silence."""

import time

import numpy as np
import pytest
import soundfile as sf
from tests.audio.formats.conftest import encoded, sound

from darksound.errors import InputError

SOUND = sound(3.0)
FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", None),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}
# Bytes at the start that are not damaged: without them a format has no length to compare with.
HEADERS = {".wav": 44, ".aiff": 54, ".flac": 86, ".mp3": 400, ".ogg": 4_000, ".opus": 1_000}


def damaged(content: bytes, first: int, rng: np.random.Generator) -> bytes:
    """Return the bytes with one kind of damage behind the first bytes."""
    changed, place = bytearray(content), int(rng.integers(first, len(content)))
    length = int(rng.integers(1, 4_000))
    kind = rng.integers(6)
    if kind == 0:
        del changed[place:]
    elif kind == 1:
        del changed[place : place + length]
    elif kind == 2:
        changed[place:place] = rng.bytes(length)
    elif kind == 3:
        changed[place : place + length] = bytes(min(length, len(changed) - place))
    elif kind == 4:
        changed[place : place + length] = rng.bytes(min(length, len(changed) - place))
    else:
        for number in rng.integers(first, len(content), 8):
            changed[number] ^= 1 << rng.integers(8)
    return bytes(changed)


@pytest.mark.parametrize("suffix", FORMATS)
def test_damage_behind_the_header_is_never_short_in_silence(read_bytes, suffix):
    container, coding = FORMATS[suffix]
    content = encoded(SOUND, container, subtype=coding)
    rng = np.random.default_rng(7)
    for _ in range(40):
        try:
            file = read_bytes(damaged(content, HEADERS[suffix], rng), suffix)
        except InputError:
            continue
        assert len(file.samples) == file.frames
        if not file.frames:
            # An error where the file is probed.
            continue
        assert np.isfinite(file.samples).all()
        # Bytes that are put into or taken out of samples without a structure cannot be seen.
        assert file.problem is not None or file.frames >= len(SOUND) - 50


@pytest.mark.parametrize("suffix", FORMATS)
def test_damage_of_the_header_gives_sound_or_an_error_and_never_hangs(read_bytes, suffix):
    container, coding = FORMATS[suffix]
    content = encoded(SOUND, container, subtype=coding)
    rng, start = np.random.default_rng(3), time.monotonic()
    for _ in range(60):
        changed = bytearray(content)
        for number in rng.integers(0, 200, rng.integers(1, 10)):
            changed[number] = rng.integers(256)
        try:
            file = read_bytes(bytes(changed), suffix)
        except (InputError, sf.SoundFileError):
            continue
        # No more samples than bits of the file could hold, however they are coded.
        assert file.frames == len(file.samples) < 20 * len(SOUND)
    assert time.monotonic() - start < 60
