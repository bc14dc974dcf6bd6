"""Which reader hears which root."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from darksound.audio.files import AudioInfo, FileReader
from darksound.rois.roi_set import Reader
from darksound.synthesis.demo import DemoReader

__all__ = ["DispatchReader"]

_BY_PREFIX: Mapping[str, type[Reader]] = MappingProxyType({"demo:": DemoReader})


class DispatchReader:
    """Hears rows of any source: files, unless the root's prefix names a synthesiser."""

    def read(
        self, root: str, recording: str, start_s: float, end_s: float, rate: int | None
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Mono samples `(n,)` of a stretch and their rate in Hz.

        Raises:
            InputError: the recording cannot be read, or holds no usable samples there.
        """
        return _reader(root).read(root, recording, start_s, end_s, rate)

    def stamp(self, root: str, recording: str) -> str:
        """What changes when the recording does.

        Raises:
            InputError: the recording is missing.
        """
        return _reader(root).stamp(root, recording)

    def info(self, root: str, recording: str) -> AudioInfo:
        """Length, rate and channels of the recording, without hearing it.

        Raises:
            InputError: the recording is missing or no sound.
        """
        return _reader(root).info(root, recording)


def _reader(root: str) -> Reader:
    for prefix, reader in _BY_PREFIX.items():
        if root.startswith(prefix):
            return reader()
    return FileReader()
