"""Where an export is written to: beside its place, and into it only when it is whole."""

import json
import logging
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from darksound.atomic import replacing
from darksound.errors import InputError, RunError
from darksound.report.exports.base import Found
from darksound.sources.folder import SPLITS

__all__ = [
    "ERRORS",
    "MARKER",
    "Recording",
    "annotation_names",
    "distinct",
    "duration_and_rate",
    "new_file",
    "new_folder",
    "recordings",
    "safe_name",
    "safe_path",
]

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


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A recording and what was found in it.

    Attributes:
        root: what its path is relative to.
        path: its path below the root, POSIX separators.
        rows: its ROIs, a part of `Found.table`.
    """

    root: str
    path: str
    rows: pd.DataFrame


def recordings(found: Found, stage: str) -> Iterator[Recording]:
    """The recordings one after the other, as the table is sorted, telling of `stage`."""
    groups = found.table.groupby(["root", "recording"], sort=False)
    total = len(groups)
    found.progress(stage, 0, total)
    for done, ((root, path), rows) in enumerate(groups, start=1):
        yield Recording(str(root), str(path), rows)
        found.progress(stage, done, total)


def annotation_names(found: Found, ending: str) -> dict[tuple[str, str], str]:
    """Relative path of each recording's annotation file, by root and path.

    It is called like the recording, in the same folder, without its suffix: `night/a.txt` for
    `night/a.wav`; with it (`night/a.wav.txt`) where two recordings differ in nothing else. Each
    root has a folder of its own where there are several.

    Args:
        found: what is exported.
        ending: of the files, such as `.txt`.
    """
    pairs = found.table[["root", "recording"]].drop_duplicates()
    keys = list(pairs.itertuples(index=False, name=None))
    roots = list(dict.fromkeys(root for root, _ in keys))
    several = len(roots) > 1
    homes = dict(zip(roots, distinct(_last_part(root) for root in roots), strict=True))
    full = [(homes[root] + "/" if several else "") + str(safe_path(path)) for root, path in keys]
    bare = [_without_suffix(path) for path in full]
    counts = pd.Series([path.casefold() for path in bare]).value_counts()
    chosen = [
        short if counts[short.casefold()] == 1 else path
        for short, path in zip(bare, full, strict=True)
    ]
    return dict(zip(keys, (f"{name}{ending}" for name in distinct(chosen)), strict=True))


def duration_and_rate(found: Found, recording: Recording) -> tuple[float, int] | None:
    """Seconds and samples a second of a recording; None where it is not there to be asked."""
    try:
        info = found.result.reader.info(recording.root, recording.path)
    except InputError as error:
        logger.debug("%s", error)
        return None
    return info.duration_s, info.rate


def _last_part(root: str) -> str:
    return str(safe_path(Path(root).name or root))


def _without_suffix(path: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return stem if dot and "/" not in suffix and stem and not stem.endswith("/") else path


#: What tells a folder of ours.
MARKER = "export.json"
#: What lists, in a folder, the ROIs and recordings that were left out.
ERRORS = "errors.csv"


@contextmanager
def new_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """A path to write a file to that becomes `path` when the block ends well.

    Raises:
        RunError: there is such a file and it is not to be overwritten, or it cannot be written.
    """
    if path.is_dir():
        raise RunError(f"{path} is a folder; give another --out.")
    if path.exists():
        _agreed(path, overwrite)
    with replacing(path) as beside:
        yield beside


@contextmanager
def new_folder(path: Path, overwrite: bool, about: Mapping[str, str]) -> Iterator[Path]:
    """An empty folder to write to that becomes `path` when the block ends well.

    A folder that an export left before is replaced where that was asked for; any other that holds
    something never is.

    Args:
        path: the folder.
        overwrite: replace an export that is there.
        about: what to say of the export in `export.json`.

    Raises:
        RunError: there is something in its place, or it cannot be written.
    """
    _place(path, overwrite)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.mkdir(parents=True)
        yield beside
        text = json.dumps(dict(about), indent=2, ensure_ascii=False) + "\n"
        (beside / MARKER).write_text(text, encoding="utf-8")
        _swap(beside, path)
    except OSError as error:
        raise RunError(
            f"Cannot write {error.filename or path}: {error.strerror or error}. Make room or give "
            "another --out."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _place(path: Path, overwrite: bool) -> None:
    """See that an export may go to `path`."""
    if not path.exists():
        return
    if not path.is_dir():
        raise RunError(f"{path} is a file, and this format is a folder; give another --out.")
    if not any(path.iterdir()):
        return
    if not (path / MARKER).is_file():
        raise RunError(
            f"{path} holds something that is no export of darksound, and stays as it is; give "
            "another --out."
        )
    _agreed(path, overwrite)


def _agreed(path: Path, overwrite: bool) -> None:
    if not overwrite:
        raise RunError(f"{path} is there already; give another --out, or --overwrite.")
    logger.warning("Replacing %s.", path)


def _swap(new: Path, path: Path) -> None:
    """Put `new` where `path` is, which is gone only when `new` is there."""
    if not path.exists():
        os.replace(new, path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old.part")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old)
