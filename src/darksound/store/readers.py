"""The reader of recordings by the prefix of their root: files, or a synthesiser."""

import numpy as np
import numpy.typing as npt

from darksound.audio.files import AudioInfo, FileReader
from darksound.rois.roi_set import Reader
from darksound.settings.audio import ChannelMix
from darksound.synthesis.demo import DemoReader

__all__ = ["DispatchReader"]

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
