r"""Names of files and other text from input, as text that tables, logs and terminals can hold.

A file name on Linux is bytes, which Python shows as text with surrogates where they are not UTF-8
(PEP 383). No table, JSON or TOML file can hold such text, so each of these bytes is written as
`\xNN`, and read back by looking for a file that has the bytes.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

__all__ = [
    "as_written",
    "library_path",
    "path_text",
    "printable",
    "text_path",
    "valid_text",
    "with_bytes",
]

# What `path_text` writes for one byte.
_BYTE = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Control characters, among them those that begin an escape sequence of a terminal; characters that
# end a line; characters that change the direction of writing or have no width. Joiners stay, since
# several scripts need them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# Our messages of several lines indent all lines after the first.
_OWN_LINE = re.compile(r"\n(?=  \S)")


def path_text(path: PurePath | str) -> str:
    r"""Return a path as text that is valid UTF-8: each byte that is not is written as `\xNN`.

    A path of valid UTF-8 is returned unchanged. In others a backslash that would read as the start
    of such a byte is written as `\x5c`, so that two of them never give one text.
    """
    text = str(path)
    if text.isascii():
        return text
    content = os.fsencode(text)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return _BYTE.sub(rb"\\x5cx\1", content).decode("utf-8", "backslashreplace")


def text_path(text: str) -> Path:
    r"""Return the path that `path_text` wrote: the text as it is, or its `\xNN` as bytes.

    It is the one of which more exists, since a valid name may have a backslash. Where the same
    folders exist, it is that of bytes, except on Windows, where a backslash begins each name.
    """
    plain, path = Path(as_written(text)), Path(with_bytes(text))
    if plain == path:
        return plain
    for one, other in zip((plain, *plain.parents), (path, *path.parents), strict=False):
        if one == other:
            break
        if os.path.lexists(one):
            return plain
        if os.path.lexists(other):
            return path
    return plain if os.sep == "\\" else path


def as_written(text: str) -> str:
    """Return the text of a name as the operating system takes it, whatever its encoding."""
    return os.fsdecode(_utf_8(text))


def with_bytes(text: str) -> str:
    r"""Return the name, as the operating system takes it, whose bytes `text` writes as `\xNN`."""
    return os.fsdecode(_BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), _utf_8(text)))


@contextmanager
def library_path(path: Path, mode: str = "rb") -> Iterator[Path]:
    """Yield a path of valid UTF-8 for the same file, for libraries that open no other.

    Args:
        path: the file; with mode `wb` it is created.
        mode: `rb` or `wb`, as in `open`.

    Raises:
        OSError: its name is not UTF-8, and it cannot be opened.
    """
    if valid_text(str(path)) == str(path):
        yield path
        return
    with path.open(mode) as file:
        yield Path("/dev/fd", str(file.fileno()))


def valid_text(text: str) -> str:
    r"""Return text that is valid UTF-8: bytes that are not, as Python shows them, become `\xNN`.

    Surrogates that stand for no byte, such as those of a damaged JSON file, become `\uNNNN`.
    """
    if text.isascii() or not _SURROGATES.search(text):
        return text
    return _SURROGATES.sub(_escape_surrogate, text)


def printable(text: str) -> str:
    r"""Return text that a terminal shows as it is and that cannot control it.

    Control characters are written as in Python (`\x1b`, `\n`), as are characters that change the
    direction of writing. Line breaks stay where the next line is indented by two blanks.
    """
    text = valid_text(text)
    if text.isprintable():
        return text
    return "\n".join(_UNPRINTABLE.sub(_escape, line) for line in _OWN_LINE.split(text))


def _utf_8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return valid_text(text).encode()


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _escape_surrogate(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
