"""What sound is in a file: every number in a header is compared with the bytes that are there."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from darksound.audio.formats.chunked import (
    inspect_aiff,
    inspect_au,
    inspect_caf,
    inspect_wave,
    inspect_wave64,
)
from darksound.audio.formats.decoder import Decoder, decodable_frames
from darksound.audio.formats.flac import inspect_flac, repair_flac
from darksound.audio.formats.mpeg import inspect_mpeg
from darksound.audio.formats.ogg import inspect_ogg
from darksound.audio.formats.views import Layout, after_id3, read_at, whole_file

__all__ = ["inspect", "repair"]

# Return what is in an open file of so many bytes; None if libsndfile must decide.
_Inspector = Callable[[BinaryIO, int], Layout | None]

# By the first bytes of a file, behind ID3v2 tags.
_INSPECTORS: dict[bytes, _Inspector] = {
    b"RIFF": inspect_wave,
    b"RIFX": inspect_wave,
    b"RF64": inspect_wave,
    b"BW64": inspect_wave,
    b"riff": inspect_wave64,
    b"FORM": inspect_aiff,
    b"caff": inspect_caf,
    b".snd": inspect_au,
    b"dns.": inspect_au,
    b"fLaC": inspect_flac,
    b"OggS": inspect_ogg,
}
# Files of other first bytes, by suffix: MP3 has no certain ones.
_BY_SUFFIX: dict[str, _Inspector] = {".mp3": inspect_mpeg}
# Of formats in which only decoding shows damage.
_REPAIRERS: dict[bytes, _Inspector] = {b"fLaC": repair_flac}
# Files of which the result is kept in memory.
_MAX_KEPT = 4096


@lru_cache(maxsize=_MAX_KEPT)
def inspect(path: Path, size: int, changed_ns: int) -> Layout:
    """Return what sound is in a file.

    Args:
        path: of the file.
        size: its bytes.
        changed_ns: time of its last change in nanoseconds; a changed file is inspected again.

    Raises:
        soundfile.LibsndfileError: it is not a sound file.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        head = read_at(file, 4, after_id3(file))
        inspector = _INSPECTORS.get(head, _BY_SUFFIX.get(path.suffix.lower()))
        if inspector is None and head[:1] == b"\xff":
            inspector = inspect_mpeg
        layout = inspector(file, size) if inspector is not None else None
        return layout or _by_libsndfile(file)


@lru_cache(maxsize=_MAX_KEPT)
def repair(path: Path, size: int, changed_ns: int) -> Layout | None:
    """Return what can be decoded of a file in which damage was found; None if that is not known.

    All of the file is decoded.

    Args:
        path: of the file.
        size: its bytes.
        changed_ns: time of its last change in nanoseconds.

    Raises:
        soundfile.LibsndfileError: it is not a sound file.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        repairer = _REPAIRERS.get(read_at(file, 4, after_id3(file)))
        return repairer(file, size) if repairer is not None else None


def _by_libsndfile(file: BinaryIO) -> Layout:
    """Return what libsndfile finds; its number of samples is trusted if the last one decodes."""
    decoder = Decoder(file)
    frames = decodable_frames(file)
    parts = whole_file(frames) if frames else ()
    return Layout(parts, decoder.rate, decoder.channels, decoder.frames)
