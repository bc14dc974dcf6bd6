"""Text of files that people and programs wrote, whatever its encoding and line ends.

Spreadsheets save tables in UTF-8 with a mark at the start, in UTF-16 ("Unicode text") or in the
8-bit encoding of the system (Windows-1252, Mac Roman), and other programs in UTF-8 without a mark.
"""

import codecs
import logging
import re
from pathlib import Path

from darksound.errors import InputError
from darksound.system_errors import check_readable
from darksound.text import path_text

__all__ = ["DAMAGED", "is_damaged", "read_text"]

logger = logging.getLogger(__name__)

# UTF-32 comes first, since its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# First bytes of files that are often named as text by mistake.
_OTHER_FORMATS = {
    b"PK\x03\x04": "it is a workbook or another ZIP archive; save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "it is an Excel workbook; save the sheet as CSV UTF-8",
    b"PAR1": "it is a Parquet file; give it the suffix .parquet",
    b"\x1f\x8b": "it is compressed; unpack it",
    b"%PDF": "it is a PDF file; save the table as CSV UTF-8",
    b"SQLite format 3": "it is a database; export the table as CSV",
}
#: Cause for rows that are damaged.
DAMAGED = "has characters that are not text (NUL or a surrogate)"
_SURROGATE = re.compile("[\ud800-\udfff]")
_SNIFFED_BYTES = 4096
# A file with a larger share of control characters at its start is not text.
_MAX_CONTROL_SHARE = 0.05
_CONTROLS = frozenset(map(chr, range(32))) - set("\t\n\r\x0c\x1a")
# Accented letters of Mac Roman. In Windows-1252 these bytes are signs, not assigned, or rare.
_MAC = rb"[\x80\x81\x85-\x8a\x8c-\x90\x9a\x9d\x9f\xa7]"
_MAC_LETTERS = re.compile(rb"(?<=[A-Za-z])" + _MAC + rb"|" + _MAC + rb"(?=[A-Za-z])")
_WINDOWS_LETTERS = re.compile(rb"[\xc0-\xff]")
_ENCODING_NAMES = {
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
    "mac_roman": "Mac Roman",
}


def read_text(path: Path, kind: str, limit: int | None = None) -> str:
    """Return the text of a file, with `\\n` at the ends of its lines and no byte order mark.

    Text that is neither UTF-8 nor UTF-16 is read as Mac Roman or Windows-1252, by its accented
    letters, which is logged. Lines that are UTF-8 are read as such even among others. A character
    that its encoding does not allow in UTF-16 stays as a surrogate.

    Args:
        path: the file.
        kind: what the file should be, such as "a CSV table", for messages.
        limit: bytes to read at most; None for all.

    Raises:
        InputError: the file cannot be read, or is not text.
    """
    try:
        with path.open("rb") as file:
            content = file.read() if limit is None else file.read(limit)
    except (OSError, ValueError) as error:  # ValueError: a name that the system does not take
        check_readable(path, error)
        raise InputError(f"{path_text(path)}: cannot be read as {kind} ({error}).") from None
    for start, cause in _OTHER_FORMATS.items():
        if content.startswith(start):
            raise InputError(f"{path_text(path)}: cannot be read as {kind}: {cause}.")
    text, encoding = _decoded(content, complete=limit is None)
    # Joined files have marks inside, and files of DOS end with Ctrl-Z.
    text = text.replace("\ufeff", "").rstrip("\x1a")
    # A file that was cut off by a full disk or a crash may end in zeros.
    head = text[:_SNIFFED_BYTES].rstrip("\0")
    if text and sum(character in _CONTROLS for character in head) >= _MAX_CONTROL_SHARE * len(head):
        raise InputError(f"{path_text(path)}: cannot be read as {kind} (it is not text).")
    if encoding is not None and limit is None:
        logger.warning(
            "%s: is not UTF-8 and is read as %s; if letters are wrong, save it as UTF-8.",
            path_text(path),
            encoding,
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def is_damaged(text: str) -> bool:
    """Return whether text has a character that no text has: NUL or a lone surrogate."""
    return "\0" in text or (not text.isascii() and _SURROGATE.search(text) is not None)


def _decoded(content: bytes, complete: bool) -> tuple[str, str | None]:
    """Return the text, and the name of its encoding if that had to be guessed."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return _decode_wide(content[len(mark) :], encoding), None
    if (unmarked := _unmarked_utf_16(content)) is not None:
        return _decode_wide(content, unmarked), None
    try:
        # A part of a file may end within a character.
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=complete), None
    except UnicodeDecodeError:
        return _decode_lines(content)


def _decode_wide(content: bytes, encoding: str) -> str:
    width = 4 if "32" in encoding else 2
    whole = content[: len(content) // width * width]
    try:
        return whole.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return whole.decode(encoding, "replace")


def _unmarked_utf_16(content: bytes) -> str | None:
    """Return the encoding of UTF-16 without a mark: the first characters, a header, are ASCII."""
    head = content[:64]
    even, odd = head[::2], head[1::2]
    # Few characters, such as `Ā`, have a zero in the other place.
    zeros_even, zeros_odd = even.count(0), odd.count(0)
    if len(odd) > 1 and zeros_odd > len(odd) // 2 and 8 * zeros_even < zeros_odd:
        return "utf-16-le"
    if len(odd) > 1 and zeros_even > len(odd) // 2 and 8 * zeros_odd < zeros_even:
        return "utf-16-be"
    return None


def _decode_lines(content: bytes) -> tuple[str, str | None]:
    """Return text of which not all is UTF-8, and the name of the encoding that is guessed."""
    lines = content.splitlines(keepends=True)
    texts = [_utf_8_or_none(line) for line in lines]
    others = b"".join(line for line, text in zip(lines, texts, strict=True) if text is None)
    encoding = _one_byte_encoding(others)
    text = "".join(
        line.decode(encoding) if text is None else text
        for line, text in zip(lines, texts, strict=True)
    )
    if not others:
        return text, None
    name = _ENCODING_NAMES[encoding]
    mixed = any(text is not None and not text.isascii() for text in texts)
    return text, f"UTF-8 in some lines and {name} in others" if mixed else name


def _utf_8_or_none(line: bytes) -> str | None:
    try:
        # Surrogates stay, so that only their row is refused.
        return line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _one_byte_encoding(content: bytes) -> str:
    if len(_MAC_LETTERS.findall(content)) > len(_WINDOWS_LETTERS.findall(content)):
        return "mac_roman"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        # Five bytes have no character in Windows-1252.
        return "latin-1"
    return "cp1252"
