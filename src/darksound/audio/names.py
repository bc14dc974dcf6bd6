r"""Names of recordings: their text in tables, and the file of that text.

The text of a name that is not UTF-8 has `\xNN` for each byte that is not, see `darksound.text`.
Accents are written in two ways, composed (NFC) and decomposed (NFD, as macOS did): the text has
that of the disk on which the recording was found, and the file is found by either.
"""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePath

from darksound.text import as_written, path_text, with_bytes

__all__ = ["composed", "recording_path", "recording_text"]


def recording_text(path: PurePath | str) -> str:
    r"""Return the POSIX text of a path relative to a root; bytes that are not UTF-8 as `\xNN`.

    Paths of valid UTF-8 give themselves. Another path may give the text of a path that holds
    `\xNN` as text; where both exist, `recording_path` returns the latter.

    Args:
        path: relative path as the operating system gives it.
    """
    return path_text(path).replace(os.sep, "/")


def recording_path(root: Path | str, recording: str) -> Path:
    r"""Return the path on disk of a recording.

    It is the path that is written, if it exists; else that whose bytes are written as `\xNN`; else
    that whose accents are composed or decomposed. If none exists, it is the path that is written.

    Args:
        root: folder, as a path or as its text.
        recording: text of the path relative to it.
    """
    path = Path(root if isinstance(root, Path) else as_written(root), as_written(recording))
    text = f"{root}/{recording}"
    # The usual case costs no look at the disk.
    if (text.isascii() and "\\x" not in text) or os.path.exists(path):
        return path
    return next((other for other in _other_paths(root, recording) if os.path.exists(other)), path)


def composed(name: str) -> str:
    """Return a name with composed accents (NFC), which is the same for both forms of a name."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _other_paths(root: Path | str, recording: str) -> Iterator[Path]:
    for folder in [root] if isinstance(root, Path) else [form(root) for form in _FORMS]:
        for form in _FORMS:
            yield Path(folder, form(recording))


def _decomposed(name: str) -> str:
    return as_written(unicodedata.normalize("NFD", name))


def _composed(name: str) -> str:
    return as_written(composed(name))


# Ways to read the text of a path, the likeliest first.
_FORMS = (as_written, with_bytes, _composed, _decomposed)
