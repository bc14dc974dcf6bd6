"""Files as recorders write them: names, headers and comments."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["RECORDERS", "Deployed", "Recorder", "audiomoth_header"]


@dataclass(frozen=True)
class Deployed:
    """What a recorder writes about a recording.

    Attributes:
        serial: serial number of the device.
        start: start of the recording, with its offset from UTC.
        battery_v: voltage of its battery.
        celsius: temperature.
        stopped: whether the battery ended the recording.
    """

    serial: str
    start: datetime
    battery_v: float
    celsius: float
    stopped: bool = False


@dataclass(frozen=True)
class Recorder:
    """A kind of recorder.

    Attributes:
        rate: its samples a second.
        serial: returns the serial number of the device of a site, from 0.
        name: returns the name of a file from its start.
        header: returns the bytes of a file before its samples, which are mono and of 16 bits, from
            their rate and number.
    """

    rate: int
    serial: Callable[[int], str]
    name: Callable[[datetime], str]
    header: Callable[[Deployed, int, int], bytes]


# Lengths of the texts in the header that the firmware (version 1.8 and later) writes.
_COMMENT_BYTES, _ARTIST_BYTES = 384, 32
_HEADER_BYTES = 488


def audiomoth_header(deployed: Deployed, rate: int, n_samples: int) -> bytes:
    """Return the 488 bytes with which AudioMoth begins a file.

    They are the chunks `fmt ` and `LIST`, with a comment (`ICMT`) and the device (`IART`) of fixed
    lengths, filled with zeros, and the head of `data`. The file is named in local time, which the
    comment repeats with its offset from UTC.

    Args:
        deployed: what the comment states.
        rate: samples a second.
        n_samples: number of samples that follow.
    """
    device = f"AudioMoth {deployed.serial}"
    comment = (
        f"Recorded at {deployed.start:%H:%M:%S %d/%m/%Y} ({_utc(deployed.start)}) by {device} at "
        f"medium gain while battery was {deployed.battery_v:.1f}V and temperature was "
        f"{deployed.celsius:.1f}C."
    )
    if deployed.stopped:
        comment += " Recording stopped due to low voltage."
    n_bytes = 2 * n_samples
    info = b"INFO" + _text(b"ICMT", comment, _COMMENT_BYTES) + _text(b"IART", device, _ARTIST_BYTES)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", n_bytes + _HEADER_BYTES - 8, b"WAVE"),
            struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
            struct.pack("<4sI", b"LIST", len(info)),
            info,
            struct.pack("<4sI", b"data", n_bytes),
        )
    )


def _text(name: bytes, text: str, length: int) -> bytes:
    return struct.pack(f"<4sI{length}s", name, length, text.encode("ascii"))


def _utc(start: datetime) -> str:
    """Return the offset as the firmware writes it: `UTC`, `UTC+2`, `UTC-3:30`."""
    offset = start.utcoffset() or timedelta()
    hours, minutes = divmod(abs(round(offset.total_seconds() / 60)), 60)
    if not hours and not minutes:
        return "UTC"
    sign = "-" if offset < timedelta() else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02d}" if minutes else "")


#: Recorders by name.
RECORDERS: dict[str, Recorder] = {
    "audiomoth": Recorder(
        rate=32_000,
        serial=lambda site: f"24F31905{0x5FD00000 + 0x1A53 * site:08X}",
        name=lambda start: f"{start:%Y%m%d_%H%M%S}.WAV",
        header=audiomoth_header,
    ),
}
