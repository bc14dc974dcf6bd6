"""Audio files: reading their headers, and reading an excerpt by seek."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from darksound.audio.compressed import AV_SUFFIXES, PyAVFile
from darksound.errors import InputError
from darksound.settings.audio import ChannelMix

__all__ = ["SUFFIXES", "AudioFile", "AudioInfo", "FileReader", "open_audio", "probe", "read"]

#: Suffixes, in lower case, of audio files.
SUFFIXES = AV_SUFFIXES | frozenset(
    {
        ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus",
        ".rf64", ".snd", ".w64", ".wav", ".wave",
    }
)  # fmt: skip

# An excerpt must lie within the file by at least this share; it is clipped at the end of the file.
_MIN_SHARE_IN_FILE = 0.5


class AudioFile(Protocol):
    """An open audio file, as `soundfile.SoundFile`."""

    name: str
    frames: int
    samplerate: int
    channels: int

    def seek(self, frame: int, /) -> object:
        """Move to a sample, counted from the start."""

    def read(
        self, frames: int, dtype: str = "float32", always_2d: bool = True
    ) -> npt.NDArray[np.float32]:
        """Return the next samples `(frames, channels)`, fewer at the end of the file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None: ...


# What opens files that libsndfile does not, by suffix.
_OPENERS: dict[str, Callable[[Path], AudioFile]] = dict.fromkeys(AV_SUFFIXES, PyAVFile)


@dataclass(frozen=True)
class AudioInfo:
    """The header of an audio file.

    Attributes:
        frames: samples per channel.
        rate: sampling rate in Hz.
        channels: number of channels.
        duration_s: length in seconds.
    """

    frames: int
    rate: int
    channels: int
    duration_s: float


def open_audio(path: Path) -> AudioFile:
    """Open an audio file for reading by blocks and by seek.

    Raises:
        InputError: the file is missing, empty or not audio.
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
        file: AudioFile = opener(path)
        return file
    # A .raw file without its parameters gives TypeError; all else libsndfile's own error.
    except (sf.SoundFileError, TypeError, OSError) as error:
        raise InputError(
            f"{path}: not a sound file that can be read ({_cause(error)}); "
            f"readable are {', '.join(sorted(SUFFIXES))}."
        ) from None


def probe(path: Path) -> AudioInfo:
    """Read the header of an audio file without decoding it.

    Raises:
        InputError: the file is missing, empty, not audio, or has no samples.
    """
    with open_audio(path) as file:
        return _info(file)


def read(
    path: Path, start_s: float, end_s: float, rate: int | None, channel: ChannelMix = "mean"
) -> tuple[npt.NDArray[np.float32], int]:
    """Read an excerpt of a file as mono, by seek.

    An excerpt that ends a little after the end of the file is clipped.

    Args:
        path: of the file.
        start_s: start in seconds.
        end_s: end in seconds.
        rate: rate in Hz to resample to (soxr HQ); None keeps the file's.
        channel: `mean` of the channels, or the `first` alone.

    Returns:
        Samples `(n,)` and their rate in Hz.

    Raises:
        InputError: the file cannot be opened or decoded, less than half of the excerpt lies
            within it, or the excerpt is silent or has values that are not finite.
    """
    with open_audio(path) as file:
        info = _info(file)
        excerpt = f"{path} from {start_s:.3f} to {end_s:.3f} s"
        start, stop = round(start_s * info.rate), round(end_s * info.rate)
        waveform = _MIXERS[channel](_decode(file, info, start, stop, excerpt))
    if not np.isfinite(waveform).all():
        raise InputError(
            f"{excerpt}: samples that are not finite (NaN or infinity); "
            "export the file again or leave it out."
        )
    if not waveform.any():
        raise InputError(f"{excerpt}: silent, every sample is zero; leave it out.")
    if rate is None or rate == info.rate:
        return waveform, info.rate
    resampled = soxr.resample(waveform, info.rate, rate, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32), rate


class FileReader:
    """Reads ROIs from files below a root folder; implements `darksound.rois.roi_set.Reader`."""

    def read(
        self,
        root: str,
        recording: str,
        start_s: float,
        end_s: float,
        rate: int | None,
        *,
        channel: ChannelMix = "mean",
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Return mono samples `(n,)` of an excerpt and their rate in Hz; see `read`.

        Raises:
            InputError: see `read`.
        """
        return read(Path(root) / recording, start_s, end_s, rate, channel)

    def stamp(self, root: str, recording: str) -> str:
        """Return the size in bytes and the time of the last change in nanoseconds.

        Raises:
            InputError: the file is missing or access is denied.
        """
        path = Path(root) / recording
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from None
        return f"{status.st_size}-{status.st_mtime_ns}"

    def info(self, root: str, recording: str) -> AudioInfo:
        """Return the header of the recording; see `probe`.

        Raises:
            InputError: see `probe`.
        """
        return probe(Path(root) / recording)


def _info(file: AudioFile) -> AudioInfo:
    if file.frames <= 0 or file.samplerate <= 0:
        raise InputError(
            f"{file.name}: a header without samples; the recording was cut short. "
            "Copy it again or leave it out."
        )
    return AudioInfo(file.frames, file.samplerate, file.channels, file.frames / file.samplerate)


def _decode(
    file: AudioFile, info: AudioInfo, start: int, stop: int, excerpt: str
) -> npt.NDArray[np.float32]:
    """Return samples `(n, channels)`."""
    n_samples = max(stop - start, 1)
    if start < 0 or start >= info.frames:
        raise InputError(
            f"{excerpt}: the file is {info.duration_s:.3f} s long; correct the start and end times."
        )
    try:
        file.seek(start)
        samples = file.read(min(n_samples, info.frames - start), dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise InputError(
            f"{excerpt}: damaged or cut short ({_cause(error)}); copy it again or leave it out."
        ) from None
    if len(samples) < _MIN_SHARE_IN_FILE * n_samples:
        raise InputError(
            f"{excerpt}: only {len(samples) / info.rate:.3f} s are there; the file is cut short, "
            "or the times are of another file."
        )
    return samples


def _first_channel(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(samples[:, 0])


def _mean_of_channels(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if samples.shape[1] == 1:
        return _first_channel(samples)
    mono: npt.NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return mono


# From samples `(n, channels)` to mono `(n,)`, by `audio.channel`.
_MIXERS: dict[str, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]] = {
    "mean": _mean_of_channels,
    "first": _first_channel,
}


def _unreadable(path: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: there is no such file.")
    return InputError(f"{path}: cannot be read ({error.strerror}).")


def _cause(error: Exception) -> str:
    text = getattr(error, "error_string", "") or str(error)
    return text.strip().rstrip(".") or "the decoder failed"
