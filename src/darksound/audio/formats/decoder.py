"""libsndfile, opened by a descriptor or on a view of a file, and silent on the terminal."""

import os
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile as sf

from darksound.audio.formats.views import FileView, Part
from darksound.audio.quiet_decoders import quiet_decoders

__all__ = ["Decoder", "count_frames", "decodable_frames"]

# After a seek so many samples are decoded before those that are wanted, by format: a frame of MP3
# needs data from the two before it.
_PREROLL = {"MP3": 4 * 1152}
# Samples that are decoded at once where they are counted.
_COUNT_BLOCK = 4096
_STEP_OF_16_BITS = np.float32(2**-15)

Samples = npt.NDArray[np.float32]


class Decoder:
    """A decoder of one part of a file."""

    def __init__(self, file: BinaryIO, part: Part | None = None) -> None:
        """Open it.

        The file is given by its descriptor, since libsndfile looks for a resource fork beside a
        file that it opens by name, and takes any `._` file for one.

        Args:
            file: opened without a buffer; it stays open.
            part: of the file; None: the file as it is.

        Raises:
            soundfile.LibsndfileError: it is not a sound file.
        """
        source: int | FileView
        if part is None or part.spans is None:
            size = os.fstat(file.fileno()).st_size
            # A descriptor means nothing to libsndfile's own C library on Windows.
            source = FileView(file, [(0, size)]) if os.name == "nt" else file.fileno()
            file.seek(0)
        else:
            source = FileView(file, part.spans)
        with quiet_decoders():
            self._file = sf.SoundFile(source, closefd=False)
        # Else the file is moved to its position after every read, which costs time and, where
        # frames depend on those before them, accuracy.
        self._file.seekable = lambda: False
        self.frames: int = self._file.frames
        self.rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.format: str = self._file.format
        self.subtype: str = self._file.subtype

    def seek(self, frame: int) -> None:
        """Move to a sample, counted from the start of the part.

        Raises:
            soundfile.LibsndfileError: the file is damaged there.
        """
        preroll = min(_PREROLL.get(self.format, 0), frame)
        with quiet_decoders():
            self._file.seek(frame - preroll)
            if preroll:
                self._file.read(preroll, dtype="float32")

    def read(self, frames: int) -> Samples:
        """Return the next samples `(frames, channels)`, fewer at the end.

        Raises:
            soundfile.LibsndfileError: the file is damaged there.
        """
        with quiet_decoders():
            if self.subtype == "PCM_16":
                # libsndfile takes twice the time to convert 16 bits to the same numbers.
                integers = self._file.read(frames, dtype="int16", always_2d=True)
                samples: Samples = np.multiply(integers, _STEP_OF_16_BITS, dtype=np.float32)
                return samples
            samples = self._file.read(frames, dtype="float32", always_2d=True)
        return samples

    def close(self) -> None:
        """Close the decoder, not the file."""
        with quiet_decoders():
            self._file.close()


def count_frames(decoder: Decoder, block: int) -> int:
    """Decode from the current position, and return the samples that can be decoded.

    Args:
        decoder: of the part.
        block: samples to decode at once; those of a block with damage are not counted.
    """
    count = 0
    try:
        while n_read := len(decoder.read(block)):
            count += n_read
    except (sf.SoundFileError, OSError):
        pass
    return count


def decodable_frames(file: BinaryIO, part: Part | None = None) -> int:
    """Return the samples that can be decoded: those that libsndfile states if the last one can.

    Args:
        file: opened without a buffer.
        part: of the file; None: the file as it is.

    Raises:
        soundfile.LibsndfileError: it is not a sound file.
    """
    decoder = Decoder(file, part)
    if decoder.frames <= 0:
        return 0
    try:
        decoder.seek(decoder.frames - 1)
        if len(decoder.read(1)) == 1:
            return decoder.frames
    except (sf.SoundFileError, OSError):
        pass
    return count_frames(Decoder(file, part), _COUNT_BLOCK)
