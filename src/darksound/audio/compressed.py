"""AAC and other formats that libsndfile does not read, by PyAV (the extra `aac`)."""

from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError

__all__ = ["AV_SUFFIXES", "PyAVFile"]

#: Suffixes, in lower case, of files that need the extra.
AV_SUFFIXES = frozenset({".aac", ".m4a", ".mp4"})

# Decoding starts this long before the requested position: a frame of AAC needs the one before it.
_PREROLL_S = 0.2


class PyAVFile:
    """An open audio file with the interface of `soundfile.SoundFile`.

    Attributes:
        name: its path.
        frames: samples per channel.
        samplerate: in Hz.
        channels: number of channels.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            InputError: PyAV is not installed, or it cannot decode the file.
        """
        if find_spec("av") is None:
            raise InputError(
                f"{path}: needs PyAV to be read; install it with pip install 'darksound[aac]', or "
                "convert the file to WAV or FLAC."
            )
        import av

        self.name = str(path)
        self._av = av
        try:
            self._container = av.open(self.name)
            self._stream: Any = self._container.streams.audio[0]
            self.samplerate = int(self._stream.codec_context.sample_rate)
            self.channels = int(self._stream.codec_context.channels)
            self.frames = self._n_samples()
            self.seek(0)
        except (av.FFmpegError, IndexError, OSError) as error:
            raise InputError(f"{path}: not a sound file that can be read ({error}).") from None

    def seek(self, frame: int) -> None:
        """Move to a sample, counted from the start."""
        stream = self._stream
        start = stream.start_time or 0
        preroll = max(frame / self.samplerate - _PREROLL_S, 0)
        self._container.seek(start + int(preroll / stream.time_base), stream=stream)
        self._resampler = self._av.AudioResampler(format="fltp")
        self._decoder = self._container.decode(stream)
        self._buffer = np.empty((0, self.channels), np.float32)
        self._position, self._target = frame, frame

    def read(
        self, frames: int, dtype: str = "float32", always_2d: bool = True
    ) -> npt.NDArray[np.float32]:
        """Return the next samples `(frames, channels)`, fewer at the end of the file.

        Raises:
            OSError: the file is damaged at this position.
        """
        parts, n_read = [self._buffer], len(self._buffer)
        while n_read < frames:
            try:
                part = self._decode_frame()
            except self._av.FFmpegError as error:
                raise OSError(str(error)) from None
            if part is None:
                break
            parts.append(part)
            n_read += len(part)
        samples = np.concatenate(parts)
        self._buffer = samples[frames:]
        return samples[:frames]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._container.close()

    def _decode_frame(self) -> npt.NDArray[np.float32] | None:
        """Return the samples of the next frame at or after the target position; None at the end."""
        frame = next(self._decoder, None)
        if frame is None:
            return None
        part = np.concatenate([r.to_ndarray().T for r in self._resampler.resample(frame)])
        if frame.pts is not None and self._target is not None:
            start = self._stream.start_time or 0
            self._position = round(float((frame.pts - start) * frame.time_base) * self.samplerate)
        skip = min(max(self._target - self._position, 0), len(part))
        self._position += len(part)
        return np.ascontiguousarray(part[skip:], dtype=np.float32)

    def _n_samples(self) -> int:
        if self._stream.duration is not None and self._container.format.name != "aac":
            return round(float(self._stream.duration * self._stream.time_base) * self.samplerate)
        # A bare stream has no header; its length is the sum of its packets' durations.
        durations = [packet.duration or 0 for packet in self._container.demux(self._stream)]
        return round(float(sum(durations) * self._stream.time_base) * self.samplerate)
