"""Clips and archives, made in memory."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping

import numpy as np
import soundfile as sf


def clip(seed: int, pitch: float = 1500.0, seconds: float = 0.5, rate: int = 16_000) -> bytes:
    """Return a short song as the bytes of a WAV file."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    song = np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * time)
    wave = 0.3 * song * (np.sin(2 * np.pi * 8 * time) > 0) + rng.normal(scale=0.05, size=len(time))
    out = io.BytesIO()
    sf.write(out, wave, rate, format="WAV")
    return out.getvalue()


def species(prefix: str, names: int = 3, clips: int = 2) -> dict[str, bytes]:
    """Return clips by path, `prefix/species/clip.wav`."""
    return {
        f"{prefix}/bird{number}/{each}.wav": clip(100 * number + each, 800.0 * (number + 1))
        for number in range(names)
        for each in range(clips)
    }


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive; its bytes are reproducible."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def tar_of(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    """Return a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def md5(content: bytes) -> str:
    """Return the md5 in hexadecimal."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
