"""Seeded damage to sound files, tables, settings and files of a run."""

import io
import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile

__all__ = [
    "CELLS",
    "FORMATS",
    "SETTINGS_VALUES",
    "Table",
    "damage_bytes",
    "damage_cells",
    "damage_json",
    "damage_recording",
    "recording",
    "rewrite_table",
]

RATE = 24_000
#: Suffix, format and subtype of libsndfile.
FORMATS = (
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "FLOAT"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("aiff", "AIFF", "PCM_16"),
)
_EXTREMES = (0, 1, 44, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def recording(suffix: str, kind: str, subtype: str, seconds: float = 12.0) -> bytes:
    """Return a sound file with a chirp every two seconds."""
    rng = np.random.default_rng(len(suffix) + len(subtype))
    wave = rng.normal(0, 0.003, round(RATE * seconds))
    time = np.arange(round(0.35 * RATE)) / RATE
    for start in np.arange(0.7, seconds - 0.5, 2.0):
        first, low = round(start * RATE), rng.uniform(2500, 3000)
        chirp = np.sin(2 * np.pi * (low * time + 2000 * time**2))
        wave[first : first + len(time)] += 0.3 * chirp * np.hanning(len(time))
    out = io.BytesIO()
    soundfile.write(out, wave.astype(np.float32), RATE, format=kind, subtype=subtype)
    return out.getvalue()


def damage_recording(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return the name of a kind of damage, and a sound file with it."""
    kind = rng.choice(list(_RECORDING_DAMAGE))
    return kind, _RECORDING_DAMAGE[kind](data, rng)


def _header_bytes(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(min(128, len(out)))] = rng.randrange(256)
    return bytes(out)


def _header_number(data: bytes, rng: random.Random) -> bytes:
    out, order = bytearray(data), rng.choice("<>")
    at = rng.randrange(4, min(96, len(out) - 4))
    out[at : at + 4] = struct.pack(order + "I", rng.choice(_EXTREMES))
    return bytes(out)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def _zeros(data: bytes, rng: random.Random) -> bytes:
    size = min(rng.choice((16, 200, 4096, 20_000)), len(data) // 2)
    at = rng.randrange(len(data) - size)
    return data[:at] + bytes(size) + data[at + size :]


def _noise(data: bytes, rng: random.Random) -> bytes:
    size = min(rng.choice((4, 200, 4096)), len(data) // 2)
    at = rng.randrange(len(data) - size)
    return data[:at] + rng.randbytes(size) + data[at + size :]


def _inserted(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 100, 5000))) + data[at:]


def _deleted(data: bytes, rng: random.Random) -> bytes:
    size = min(rng.choice((1, 100, 5000)), len(data) // 2)
    at = rng.randrange(len(data) - size)
    return data[:at] + data[at + size :]


def _joined(data: bytes, rng: random.Random) -> bytes:
    return data * rng.randint(2, 3)


def _appended(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice((bytes(5000), rng.randbytes(5000), b"LIST" + bytes(300)))


def _prepended(data: bytes, rng: random.Random) -> bytes:
    tag = b"ID3\x04\0\0\0\0\x07\x76" + bytes(1014)
    return rng.choice((tag, bytes(512), rng.randbytes(512))) + data


_RECORDING_DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "header bytes": _header_bytes,
    "header number": _header_number,
    "cut": _cut,
    "zeros": _zeros,
    "noise": _noise,
    "inserted": _inserted,
    "deleted": _deleted,
    "joined": _joined,
    "appended": _appended,
    "prepended": _prepended,
}


@dataclass(frozen=True)
class Table:
    """A table in text.

    Attributes:
        name: of its file.
        rows: cells, the header first; without a header for Audacity.
        separator: of its cells.
        fixed: whether the format has one separator, so that another one is not the same table.
    """

    name: str
    rows: Sequence[Sequence[str]]
    separator: str
    fixed: bool

    def text(self, separator: str | None = None, line_end: str = "\n") -> str:
        """Return the table as text."""
        joint = separator or self.separator
        return "".join(joint.join(row) + line_end for row in self.rows)


def rewrite_table(table: Table, rng: random.Random) -> tuple[str, bytes]:
    """Return the same table in another spelling, as spreadsheets save it, and what was changed."""
    separator, cells, changes = table.separator, [list(row) for row in table.rows], []
    if not table.fixed and rng.random() < 0.6:
        separator = rng.choice((";", "\t", "|"))
        changes.append(f"separator {separator!r}")
    if separator != "," and rng.random() < 0.5:
        cells = [[_decimal_comma(cell) for cell in row] for row in cells]
        changes.append("decimal commas")
    if rng.random() < 0.4:
        pads = ("", " ", "  ", "\u00a0")
        cells = [[f"{rng.choice(pads)}{c}{rng.choice(pads)}" for c in row] for row in cells]
        changes.append("blanks")
    encodings = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
    encoding, end = rng.choice(encodings), rng.choice(("\n", "\r\n", "\r\n\r\n"))
    changes.append(encoding)
    text = Table(table.name, cells, separator, True).text(line_end=end)
    return ", ".join(changes), text.encode(encoding)


def _decimal_comma(cell: str) -> str:
    try:
        float(cell)
    except ValueError:
        return cell
    return cell.replace(".", ",")


#: Values of a cell that no table should have.
CELLS = (
    "", " ", "NaN", "inf", "-1", "1e300", "-inf", "TRUE", "#REF!", "1.2.3", "0x10", "a" * 5000,
    "\x1b[31m", "=1+1", "../../etc/passwd", "\u202e", "0,5", "1 000", "9" * 40, "\x00", '"', "None",
)  # fmt: skip


def damage_cells(table: Table, rng: random.Random) -> tuple[str, bytes]:
    """Return a table with some cells that cannot be used, and what was changed."""
    cells = [list(row) for row in table.rows]
    changes = []
    for _ in range(rng.randint(1, 3)):
        row = rng.randrange(1, len(cells))
        column = rng.randrange(len(cells[row]))
        cells[row][column] = rng.choice(CELLS)
        changes.append(f"row {row} column {column} = {cells[row][column][:20]!r}")
    return "; ".join(changes), Table(table.name, cells, table.separator, True).text().encode()


def damage_bytes(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return a file with bytes changed, cut, repeated or inserted, and the kind of damage."""
    kinds = {
        "bytes": _noise, "cut": _cut, "zeros": _zeros, "inserted": _inserted,
        "deleted": _deleted, "joined": _joined,
    }  # fmt: skip
    kind = rng.choice([*kinds, "empty"])
    if kind == "empty" or len(data) < 8:
        return "empty", b""
    return kind, kinds[kind](data, rng)


_JSON_VALUES: tuple[object, ...] = (
    None, True, -1, 1e300, 10**30, "", "text", "\x00", [], {}, [[]], float("nan"),
)  # fmt: skip


def damage_json(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return JSON with one value of another type, or missing, and what was changed."""
    tree = json.loads(data)
    node, path = tree, ""
    while isinstance(node, (dict, list)) and node:
        key = rng.choice(list(node) if isinstance(node, dict) else list(range(len(node))))
        path += f"/{key}"
        child = node[key]
        if not (isinstance(child, (dict, list)) and child) or rng.random() < 0.3:
            value = rng.choice((*_JSON_VALUES, ...))
            if value is ...:
                del node[key]
            else:
                node[key] = value
            return f"{path} = {value!r}", json.dumps(tree).encode()
        node = child
    return "nothing", data


#: Values of a setting that no setting takes, or that only some take, as TOML.
SETTINGS_VALUES = (
    "true", "-1", "0", "1e308", "inf", "nan", "-inf", '""', '"text"', "[]", "{}", "[1, 2]",
    "999999999999999999", "1e-320", '"\\u0000"', "1979-05-27", "'''a\nb'''", "{a = {b = 1}}", "0.5",
)  # fmt: skip
