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
# Damaged frames in a row that are passed over.
_MAX_ERRORS = 1000


class PyAVFile:
    """An open audio file with the interface of `soundfile.SoundFile`.

    Attributes:
        name: its path.
        frames: samples per channel.
        samplerate: in Hz.
        channels: number of channels.
        present: samples per channel that can be decoded.
        missing: samples per channel that the header states, and not present.
        damage: what else is wrong with the file, a phrase; empty if nothing is.
        silent: samples per channel of the last block read that are silence for lost ones.
    """

    damage: str

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
        self.damage, self.silent = "", 0
        try:
            self._container = av.open(self.name)
            self._stream: Any = self._container.streams.audio[0]
            self.samplerate = int(self._stream.codec_context.sample_rate)
            self.channels = int(self._stream.codec_context.channels)
            stated, self.frames = self._lengths()
            self.present, self.missing = self.frames, max(stated - self.frames, 0)
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
        self.silent = 0
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
        """Return the samples of the next frame at or after the target position; None at the end.

        Frames that cannot be decoded are silence, and counted as missing.
        """
        frame, n_errors = None, 0
        while frame is None:
            try:
                frame = next(self._decoder, None)
                if frame is None:
                    return None
            except self._av.FFmpegError:
                n_errors += 1
                if n_errors == _MAX_ERRORS:
                    raise
                self._decoder = self._container.decode(self._stream)
        part = np.concatenate([r.to_ndarray().T for r in self._resampler.resample(frame)])
        n_lost = 0
        if frame.pts is not None and self._target is not None:
            start = self._stream.start_time or 0
            position = round(float((frame.pts - start) * frame.time_base) * self.samplerate)
            n_lost = max(position - max(self._position, self._target), 0) if n_errors else 0
            self._position = position - n_lost
        if n_lost:
            self.damage = "some of its frames cannot be decoded"
            self.silent += n_lost
            self.present, self.missing = self.present - n_lost, self.missing + n_lost
            part = np.concatenate([np.zeros((n_lost, self.channels), part.dtype), part])
        skip = min(max(self._target - self._position, 0), len(part))
        self._position += len(part)
        return np.ascontiguousarray(part[skip:], dtype=np.float32)

    def _lengths(self) -> tuple[int, int]:
        """Return the samples that the header states and those that are in the file's packets."""
        stream = self._stream
        tick = float(stream.time_base) * self.samplerate
        if stream.duration is not None and self._container.format.name != "aac":
            stated = round(stream.duration * tick)
            # A table in the header says where each packet is; the file may end before the last.
            entries = getattr(stream, "index_entries", ())
            size = self._container.size
            if entries and all(entry.pos + entry.size <= size for entry in entries[-1:]):
                return stated, stated
            start = stream.start_time or 0
            ends = [
                packet.pts + (packet.duration or 0) - start
                for packet in self._container.demux(stream)
                if packet.pts is not None and not packet.is_corrupt
            ]
            return stated, min(round(max(ends, default=0) * tick), stated)
        # A bare stream has no header; its length is the sum of its packets' durations, and bytes
        # between them are damaged packets.
        packets = [packet for packet in self._container.demux(stream) if packet.size]
        length = round(sum(packet.duration or 0 for packet in packets) * tick)
        n_bytes = sum(packet.size for packet in packets)
        lost = round(max(self._container.size - n_bytes, 0) * len(packets) / max(n_bytes, 1))
        return length + (round(lost * length / len(packets)) if lost else 0), length
