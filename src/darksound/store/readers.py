"""The reader of recordings by the prefix of their root: files, or a synthesiser."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from darksound.audio.files import AudioInfo, FileReader
from darksound.audio.names import recording_path
from darksound.errors import InputError, failure_cause
from darksound.parallel.workers import map_in_threads
from darksound.rois.roi_set import Reader
from darksound.settings import ComputeSettings
from darksound.settings.audio import ChannelMix
from darksound.synthesis.demo import DemoReader

__all__ = ["DispatchReader", "stamp_recordings"]

# Root and name of a recording, as in the ROI table.
_Recording = tuple[str, str]

_READERS: dict[str, type[Reader]] = {"demo:": DemoReader}


class DispatchReader:
    """Read recordings of any source: from files, unless the root's prefix names a synthesiser."""

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
        """Return mono samples `(n,)` from `start_s` to `end_s`, and their rate in Hz.

        Raises:
            InputError: the recording cannot be read, or has no usable samples there.
        """
        return _reader(root).read(root, recording, start_s, end_s, rate, channel=channel)

    def stamp(self, root: str, recording: str) -> str:
        """Return a text that changes when the recording does.

        Raises:
            InputError: the recording is missing.
        """
        return _reader(root).stamp(root, recording)

    def info(self, root: str, recording: str) -> AudioInfo:
        """Return length, rate and channels of the recording, without decoding it.

        Raises:
            InputError: the recording is missing or not an audio file.
        """
        return _reader(root).info(root, recording)


def _reader(root: str) -> Reader:
    for prefix, reader in _READERS.items():
        if root.startswith(prefix):
            return reader()
    return FileReader()


def stamp_recordings(
    reader: Reader, recordings: Iterable[_Recording], compute: ComputeSettings
) -> dict[_Recording, str | InputError]:
    """Return texts that change when recordings do, or why a recording has none.

    Args:
        reader: of the recordings.
        recordings: root and name of each; several of the same count once.
        compute: with `verify_cache`, the text of a recording in a file is a digest of its content,
            computed by several threads; else it is that of the reader.
    """
    distinct = list(dict.fromkeys(recordings))
    if not compute.verify_cache:
        return {each: _stamp(reader, each) for each in distinct}
    digests = map_in_threads(lambda each: _digest(reader, each), distinct, compute)
    return dict(zip(distinct, digests, strict=True))


def _stamp(reader: Reader, recording: _Recording) -> str | InputError:
    try:
        return reader.stamp(*recording)
    except Exception as error:
        return InputError(failure_cause(recording_path(*recording), error))


def _digest(reader: Reader, recording: _Recording) -> str | InputError:
    path = recording_path(*recording)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError:
        # A synthesiser has no file; the reader gives the error of a missing one.
        return _stamp(reader, recording)
