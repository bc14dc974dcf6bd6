"""Names that every file system takes, whatever people called their birds and recordings."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from darksound.data.folder import SPLITS

__all__ = ["distinct", "safe_name", "safe_path"]

# What Windows refuses, and with it what separates paths anywhere.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_LONGEST = 100


def safe_name(text: str, longest: int = _LONGEST) -> str:
    """`text` as the name of a file or folder on any system.

    Separators, control characters and what Windows refuses become `_`, as do leading dots, which
    hide, and trailing dots and spaces, which Windows drops. Names of devices (`CON`) and of splits
    (`train`), which mean something as folders, get a `_` behind them.

    Args:
        text: any text; an empty one gives `_`.
        longest: bytes of UTF-8 that the name may have.
    """
    # What a surrogate escape stands for is no text, and no other system knows it.
    text = text.encode("utf-8", "replace").decode("utf-8")
    name = _REFUSED.sub("_", unicodedata.normalize("NFC", text))
    if name[:1] == ".":
        name = "_" + name[1:]
    name = name.encode()[:longest].decode("utf-8", "ignore")
    bare = name.rstrip(". ")
    name = bare + "_" * (len(name) - len(bare))
    if not name or _DEVICES.fullmatch(name) or name.casefold() in SPLITS:
        name += "_"
    return name


def safe_path(recording: str) -> PurePosixPath:
    """A recording's relative path with every part of it safe; it leads nowhere else."""
    parts = [part for part in PurePosixPath(recording.replace("\\", "/")).parts if part != "/"]
    return PurePosixPath(*(safe_name(part) for part in parts or ["_"]))


def distinct(names: Iterable[str]) -> list[str]:
    """Names made distinct where only case tells them apart, or nothing: `a`, `a-2`, `a-3`."""
    taken: set[str] = set()
    out: list[str] = []
    for name in names:
        candidate, count = name, 1
        while _folded(candidate) in taken:
            count += 1
            candidate = f"{name}-{count}"
        taken.add(_folded(candidate))
        out.append(candidate)
    return out


def _folded(name: str) -> str:
    """What file systems that do not know case, or decompose accents, make of a name."""
    return unicodedata.normalize("NFKC", name).casefold()
