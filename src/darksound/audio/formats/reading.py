"""An open sound file: its parts, one after the other, with silence for what cannot be decoded."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import soundfile as sf

from darksound.audio.formats import inspect, repair
from darksound.audio.formats.decoder import Decoder
from darksound.audio.formats.views import Layout, Part

__all__ = ["LibsndfileFile"]

Samples = npt.NDArray[np.float32]


class LibsndfileFile:
    """A file that libsndfile decodes, with the interface of `darksound.audio.files.AudioFile`.

    Attributes:
        name: its path.
        frames: samples per channel that are there, whatever the header states.
        samplerate: in Hz.
        channels: number of channels.
        present: samples per channel that can be decoded; others are silence.
        missing: samples per channel that are stated, or damaged, and not present.
        damage: what else is wrong with the file, a phrase; empty if nothing is.
        silent: samples per channel of the last block read that are silence for lost ones.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            soundfile.LibsndfileError: it is not a sound file.
            OSError: it cannot be read.
        """
        self.name = str(path)
        status = path.stat()
        self._key = (path, status.st_size, status.st_mtime_ns)
        layout = inspect(*self._key)
        self._file = path.open("rb", buffering=0)
        self._decoder: Decoder | None = None
        self._decoded: Part | None = None
        # Sample of the recording that the decoder returns next.
        self._decoder_position = 0
        self._position = 0
        self.silent = 0
        self._use(layout)

    def seek(self, frame: int) -> None:
        """Move to a sample, counted from the start."""
        self._position = frame

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> Samples:
        """Return the next samples `(frames, channels)`, fewer at the end of the file.

        Raises:
            soundfile.LibsndfileError: the file is damaged at this position.
        """
        try:
            return self._read(frames)
        except sf.SoundFileError:
            layout = repair(*self._key)
            if layout is None or layout == self._layout:
                raise
        self._use(layout)
        return self._read(frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._decoder is not None:
            self._decoder.close()
        self._file.close()

    def _use(self, layout: Layout) -> None:
        """Read by this layout from now on."""
        self._layout, self._decoder, self._decoded = layout, None, None
        self.frames, self.samplerate, self.channels = layout.frames, layout.rate, layout.channels
        self.present, self.missing, self.damage = layout.present, layout.missing, layout.damage

    def _read(self, frames: int) -> Samples:
        """Return the next samples, and move behind them."""
        start, stop = (
            self._position,
            self._position + max(min(frames, self.frames - self._position), 0),
        )
        samples, end = np.zeros((stop - start, self.channels), np.float32), stop
        self.silent = stop - start
        for part in self._layout.parts:
            first, last = max(part.start, start), min(part.start + part.frames, stop)
            if first >= last:
                continue
            block = self._decode(part, first, last - first)
            self.silent -= last - first
            if len(block) == stop - start:
                samples = block
            else:
                samples[first - start : first - start + len(block)] = block
            # The decoder may end a little before the length that it stated.
            if part is self._layout.parts[-1]:
                end = first + len(block)
        self._position = end
        return samples[: end - start]

    def _decode(self, part: Part, first: int, frames: int) -> Samples:
        """Return samples of a part."""
        if self._decoded is not part or self._decoder is None:
            self._decoder = Decoder(self._file, part)
            self._decoded = part
            # The first sample of a part that is not the first one may depend on what is before it.
            self._decoder_position = -1 if part.start else 0
        if self._decoder_position != first:
            self._decoder.seek(first - part.start + part.origin)
        samples = self._decoder.read(frames)
        self._decoder_position = first + len(samples)
        return samples
