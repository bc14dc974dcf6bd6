"""AAC and other sound that libsndfile does not read, by PyAV where the extra `aac` is installed."""

from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError

__all__ = ["AV_SUFFIXES", "AvSound"]

#: Suffixes, in lower case, of files that need the extra.
AV_SUFFIXES = frozenset({".aac", ".m4a", ".mp4"})

# Decoding begins so many seconds before the place that is wanted: a frame of AAC needs the one
# before it.
_RUN_UP_S = 0.2


class AvSound:
    """An open file, read as `soundfile.SoundFile` is.

    Attributes:
        name: its path.
        frames: samples a channel.
        samplerate: samples a second.
        channels: number of channels.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            InputError: PyAV is not installed, or the file holds no sound that it can decode.
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
            self.frames = self._length()
            self.seek(0)
        except (av.FFmpegError, IndexError, OSError) as error:
            raise InputError(f"{path}: not a sound file that can be read ({error}).") from None

    def seek(self, frame: int) -> None:
        """Go to a sample, counted from the start."""
        stream = self._stream
        start = stream.start_time or 0
        before = max(frame / self.samplerate - _RUN_UP_S, 0)
        self._container.seek(start + int(before / stream.time_base), stream=stream)
        self._resampler = self._av.AudioResampler(format="fltp")
        self._decoded = self._container.decode(stream)
        self._kept = np.empty((0, self.channels), np.float32)
        self._at, self._wanted = frame, frame

    def read(
        self, frames: int, dtype: str = "float32", always_2d: bool = True
    ) -> npt.NDArray[np.float32]:
        """The next samples `(frames, channels)`, fewer at the end.

        Raises:
            OSError: the file is damaged here.
        """
        parts, count = [self._kept], len(self._kept)
        while count < frames:
            try:
                part = self._next()
            except self._av.FFmpegError as error:
                raise OSError(str(error)) from None
            if part is None:
                break
            parts.append(part)
            count += len(part)
        samples = np.concatenate(parts)
        self._kept = samples[frames:]
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

    def _next(self) -> npt.NDArray[np.float32] | None:
        """Samples of the next decoded frame that lie at or after the place that was sought."""
        frame = next(self._decoded, None)
        if frame is None:
            return None
        part = np.concatenate([r.to_ndarray().T for r in self._resampler.resample(frame)])
        if frame.pts is not None and self._wanted is not None:
            start = self._stream.start_time or 0
            self._at = round(float((frame.pts - start) * frame.time_base) * self.samplerate)
        skip = min(max(self._wanted - self._at, 0), len(part))
        self._at += len(part)
        return np.ascontiguousarray(part[skip:], dtype=np.float32)

    def _length(self) -> int:
        if self._stream.duration is not None and self._container.format.name != "aac":
            return round(float(self._stream.duration * self._stream.time_base) * self.samplerate)
        # A bare stream has no header; its packets tell how long they are.
        durations = [packet.duration or 0 for packet in self._container.demux(self._stream)]
        return round(float(sum(durations) * self._stream.time_base) * self.samplerate)
