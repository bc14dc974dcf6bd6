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
from darksound.audio.formats.reading import LibsndfileFile
from darksound.audio.mixing import mix_channels
from darksound.audio.names import recording_path
from darksound.errors import InputError
from darksound.settings.audio import ChannelMix
from darksound.system_errors import check_readable, reading_error

__all__ = [
    "SUFFIXES",
    "AudioFile",
    "AudioInfo",
    "FileReader",
    "open_audio",
    "probe",
    "problem_of",
    "read",
]

#: Suffixes, in lower case, of audio files.
SUFFIXES = AV_SUFFIXES | frozenset(
    {
        ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus",
        ".rf64", ".snd", ".w64", ".wav", ".wave",
    }
)  # fmt: skip

# An excerpt must lie within the file by at least this share; it is clipped at the end of the file.
_MIN_SHARE_IN_FILE = 0.5
# No recorder of sound writes another sampling rate: seismic and elephant recorders begin at some
# hundred Hz, recorders of bats and porpoises end at 1 MHz. Outside, the header is damaged.
_MIN_RATE, _MAX_RATE = 100, 1_000_000
# As many as libsndfile reads.
_MAX_CHANNELS = 1024
# AppleDouble files, which macOS leaves beside files on disks of other systems.
_RESOURCE_FORKS = (b"\x00\x05\x16\x07", b"\x00\x05\x16\x00")


class AudioFile(Protocol):
    """An open audio file, as `soundfile.SoundFile`.

    Attributes:
        name: its path.
        frames: samples per channel that are there, whatever the header states.
        samplerate: in Hz.
        channels: number of channels.
        present: samples per channel that can be decoded; others are silence.
        missing: samples per channel that the header states, or that are damaged, and not present.
        damage: what else is wrong with the file, a phrase; empty if nothing is.
        silent: samples per channel of the last block read that are silence for lost ones.
    """

    name: str
    frames: int
    samplerate: int
    channels: int
    present: int
    missing: int
    damage: str
    silent: int

    def seek(self, frame: int, /) -> object:
        """Move to a sample, counted from the start."""

    def read(
        self, frames: int, dtype: str = "float32", always_2d: bool = True
    ) -> npt.NDArray[np.float32]:
        """Return the next samples `(frames, channels)`, fewer at the end of the file.

        Damage that only decoding shows is counted in `missing` from then on, and is silence.
        """

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
    """What is in an audio file.

    Attributes:
        frames: samples per channel that are there, whatever the header states.
        rate: sampling rate in Hz.
        channels: number of channels.
        duration_s: length in seconds of what is there.
        missing_s: seconds that the header states, or that are damaged, and not there.
        problem: what is missing, a sentence; None if nothing is.
    """

    frames: int
    rate: int
    channels: int
    duration_s: float
    missing_s: float = 0.0
    problem: str | None = None


def open_audio(path: Path) -> AudioFile:
    """Open an audio file for reading by blocks and by seek.

    Raises:
        InputError: the file is missing, empty or not audio.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:
        raise InputError(f"{path}: no file has a NUL character in its name.") from None
    if not path.is_file():
        raise InputError(f"{path}: a folder or device, not a sound file.")
    if size == 0:
        raise InputError(f"{path}: empty (0 bytes); copy it again or leave it out.")
    opener = _OPENERS.get(path.suffix.lower(), LibsndfileFile)
    try:
        file: AudioFile = opener(path)
    except (sf.SoundFileError, OSError) as error:
        check_readable(path, error)
        if _is_resource_fork(path):
            raise InputError(
                f"{path}: a resource fork of macOS, without sound; name the file beside it, "
                f"{path.name.removeprefix('._')}."
            ) from None
        raise InputError(
            f"{path}: not a sound file that can be read ({_cause(error)}); "
            f"readable are {', '.join(sorted(SUFFIXES))}."
        ) from None
    _check_header(file)
    return file


def _is_resource_fork(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in _RESOURCE_FORKS


def _check_header(file: AudioFile) -> None:
    """Check that rate and channels are those of a recording.

    Raises:
        InputError: one of them is not.
    """
    if not _MIN_RATE <= file.samplerate <= _MAX_RATE:
        wrong = f"a sampling rate of {file.samplerate} Hz, where {_MIN_RATE} to {_MAX_RATE} can be"
    elif not 1 <= file.channels <= _MAX_CHANNELS:
        wrong = f"{file.channels} channels, where 1 to {_MAX_CHANNELS} can be"
    else:
        return
    file.__exit__(None, None, None)
    raise InputError(
        f"{file.name}: its header states {wrong}; the file is damaged. Copy it again, correct the "
        "header, or leave it out."
    )


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
        return read(recording_path(root, recording), start_s, end_s, rate, channel)

    def stamp(self, root: str, recording: str) -> str:
        """Return the size in bytes and the time of the last change in nanoseconds.

        Raises:
            InputError: the file is missing or access is denied.
        """
        path = recording_path(root, recording)
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
        return probe(recording_path(root, recording))


def _info(file: AudioFile) -> AudioInfo:
    if file.frames <= 0 or file.samplerate <= 0:
        raise InputError(
            f"{file.name}: a header without samples; the recording was cut short. "
            "Copy it again or leave it out."
        )
    duration_s, missing_s = file.frames / file.samplerate, file.missing / file.samplerate
    return AudioInfo(
        file.frames, file.samplerate, file.channels, duration_s, missing_s, problem_of(file)
    )


def problem_of(file: AudioFile) -> str | None:
    """Return what is missing in an open file, a sentence; None if nothing is.

    Damage that only decoding shows is included once it was read.
    """
    if not file.missing and not file.damage:
        return None
    stated_s = (file.present + file.missing) / file.samplerate
    present_s = file.present / file.samplerate
    # A difference is never rounded away.
    missing_s = stated_s - present_s
    digits = 1 if missing_s > 0.1 or not missing_s else 3 if missing_s > 0.001 else 6
    stated, present = f"{stated_s:.{digits}f} s", f"{present_s:.{digits}f} s"
    if not file.missing:
        text = f"damaged: {file.damage}; {present} are there, which are used"
    elif file.damage:
        text = f"damaged: {file.damage}; {present} of {stated} are there, which are used"
    else:
        text = f"truncated: its header states {stated}, the file has {present}, which are used"
    return f"{file.name}: {text}. Copy the file again if the original is complete."


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
        # Damage that the header showed was reported when the file was probed.
        if file.silent and file.missing > round(info.missing_s * info.rate):
            raise OSError(file.damage)
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


# From samples `(n, channels)` to mono `(n,)`, by `audio.channel`.
_MIXERS: dict[str, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]] = {
    "mean": lambda samples: mix_channels(samples).samples,
    "first": _first_channel,
}


def _unreadable(path: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: there is no such file.")
    return InputError(f"{path}: {reading_error(path, error)}.")


def _cause(error: Exception) -> str:
    text = (getattr(error, "error_string", "") or str(error)).strip().rstrip(".")
    # libsndfile's text for headers that its checks do not foresee.
    is_vague = not text or "internal error" in text.lower()
    return "the decoder failed" if is_vague else text
