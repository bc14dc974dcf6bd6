"""Sound files: what they hold, and reading a stretch of one by seek."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from darksound.audio.compressed import AV_SUFFIXES, AvSound
from darksound.errors import InputError

__all__ = ["SUFFIXES", "AudioInfo", "FileReader", "Sound", "open_sound", "probe", "read"]

#: Suffixes, in lower case, of sound files.
SUFFIXES = AV_SUFFIXES | frozenset(
    {
        ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus",
        ".rf64", ".snd", ".w64", ".wav", ".wave",
    }
)  # fmt: skip

#: A stretch of which less than this share lies within the file is refused, the rest is clipped.
_LEAST_SHARE = 0.5


class Sound(Protocol):
    """An open sound file, as `soundfile.SoundFile`."""

    name: str
    frames: int
    samplerate: int
    channels: int

    def seek(self, frame: int, /) -> object:
        """Go to a sample, counted from the start."""

    def read(
        self, frames: int, dtype: str = "float32", always_2d: bool = True
    ) -> npt.NDArray[np.float32]:
        """The next samples `(frames, channels)`, fewer at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None: ...


# What opens a file that libsndfile does not.
_OPENERS: Mapping[str, Callable[[Path], Sound]] = MappingProxyType(
    dict.fromkeys(AV_SUFFIXES, AvSound)
)


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself.

    Attributes:
        frames: samples a channel.
        rate: samples a second.
        channels: number of channels.
        duration_s: length in seconds.
    """

    frames: int
    rate: int
    channels: int
    duration_s: float


def open_sound(path: Path) -> Sound:
    """A file opened for reading by blocks and by seek.

    Raises:
        InputError: the file is missing, empty or no audio.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    if not path.is_file():
        raise InputError(f"{path}: a folder or device, not a sound file.")
    if size == 0:
        raise InputError(f"{path}: empty (0 bytes); copy it again or leave it out.")
    opener = _OPENERS.get(path.suffix.lower(), sf.SoundFile)
    try:
        sound: Sound = opener(path)
        return sound
    # A .raw file without its parameters gives TypeError; all else libsndfile's own error.
    except (sf.SoundFileError, TypeError, OSError) as error:
        raise InputError(
            f"{path}: not a sound file that can be read ({_cause(error)}); "
            f"readable are {', '.join(sorted(SUFFIXES))}."
        ) from None


def probe(path: Path) -> AudioInfo:
    """What a file says of itself, without decoding it.

    Raises:
        InputError: the file is missing, empty, no audio, or a header without samples.
    """
    with open_sound(path) as sound:
        return _describe(sound)


def read(
    path: Path, start_s: float, end_s: float, rate: int | None
) -> tuple[npt.NDArray[np.float32], int]:
    """A stretch of a file as mono (mean of the channels), reached by seek.

    A stretch that runs a little past the end of the file is clipped there.

    Args:
        path: the file.
        start_s: start in seconds.
        end_s: end in seconds.
        rate: rate in Hz to resample to (soxr HQ); None keeps the file's.

    Returns:
        Samples `(n,)` and their rate in Hz.

    Raises:
        InputError: the file cannot be opened or decoded, less than half of the stretch lies
            within it, or the stretch is silent or holds values that are no numbers.
    """
    with open_sound(path) as sound:
        info = _describe(sound)
        where = f"{path} from {start_s:.3f} to {end_s:.3f} s"
        wave = _decode(sound, info, round(start_s * info.rate), round(end_s * info.rate), where)
    if not np.isfinite(wave).all():
        raise InputError(
            f"{where}: samples that are no finite numbers (NaN or infinity); "
            "export the file again or leave it out."
        )
    if not wave.any():
        raise InputError(f"{where}: silent, every sample is zero; leave it out.")
    if rate is None or rate == info.rate:
        return wave, info.rate
    resampled = soxr.resample(wave, info.rate, rate, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32), rate


class FileReader:
    """Reads ROIs from files below a root folder, as `darksound.rois.roi_set.Reader` asks."""

    def read(
        self, root: str, recording: str, start_s: float, end_s: float, rate: int | None
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Mono samples `(n,)` of a stretch and their rate in Hz; see `read`.

        Raises:
            InputError: as `read` raises it.
        """
        return read(Path(root) / recording, start_s, end_s, rate)

    def stamp(self, root: str, recording: str) -> str:
        """Size in bytes and time of last change in nanoseconds.

        Raises:
            InputError: the file is missing or may not be looked at.
        """
        path = Path(root) / recording
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from None
        return f"{status.st_size}-{status.st_mtime_ns}"

    def info(self, root: str, recording: str) -> AudioInfo:
        """What the recording says of itself; see `probe`.

        Raises:
            InputError: as `probe` raises it.
        """
        return probe(Path(root) / recording)


def _describe(sound: Sound) -> AudioInfo:
    if sound.frames <= 0 or sound.samplerate <= 0:
        raise InputError(
            f"{sound.name}: a header without samples; the recording was cut short. "
            "Copy it again or leave it out."
        )
    return AudioInfo(
        sound.frames, sound.samplerate, sound.channels, sound.frames / sound.samplerate
    )


def _decode(
    sound: Sound, info: AudioInfo, start: int, stop: int, where: str
) -> npt.NDArray[np.float32]:
    wanted = max(stop - start, 1)
    if start < 0 or start >= info.frames:
        raise InputError(f"{where}: the file is {info.duration_s:.3f} s long; mend the times.")
    try:
        sound.seek(start)
        samples = sound.read(min(wanted, info.frames - start), dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise InputError(
            f"{where}: damaged or cut short ({_cause(error)}); copy it again or leave it out."
        ) from None
    if len(samples) < _LEAST_SHARE * wanted:
        raise InputError(
            f"{where}: only {len(samples) / info.rate:.3f} s are there; the file is cut short, or "
            "the times do not belong to it."
        )
    if info.channels == 1:
        return np.ascontiguousarray(samples[:, 0])
    mono: npt.NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return mono


def _unreadable(path: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: there is no such file.")
    return InputError(f"{path}: cannot be read ({error.strerror}).")


def _cause(error: Exception) -> str:
    text = getattr(error, "error_string", "") or str(error)
    return text.strip().rstrip(".") or "the decoder gave up"
