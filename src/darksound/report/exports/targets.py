"""Targets of exports: safe names, and files and folders that appear only when complete."""

import json
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath

import pandas as pd
import psutil

from darksound.atomic import MACHINE, claiming, recover_folders, replacing, replacing_folder
from darksound.errors import InputError, RunError
from darksound.report.exports.base import ExportContent
from darksound.rois.spreadsheets import csv_text
from darksound.sources.folder import SPLITS
from darksound.text import valid_text

__all__ = [
    "ERRORS",
    "MARKER",
    "NAMES",
    "RecordingRows",
    "annotation_names",
    "distinct",
    "duration_and_rate",
    "new_file",
    "new_folder",
    "portable_name",
    "recordings",
    "root_names",
    "safe_name",
    "safe_path",
    "write_names",
]

# Characters that Windows forbids in names, path separators of all systems, control characters, and
# those that change the direction of writing, which disguise the end of a name.
_FORBIDDEN = re.compile(
    r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]'
)
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_MAX_BYTES = 100
# How the text of a recording's path writes bytes that are not UTF-8.
_BYTES = re.compile(r"\\(x[89a-f][0-9a-f])")


def safe_name(text: str, max_bytes: int = _MAX_BYTES) -> str:
    """Return `portable_name(text)`, with a trailing `_` where it is the name of a split (`train`).

    Folders of these names have a meaning in data.
    """
    name = portable_name(text, max_bytes)
    return f"{name}_" if name.casefold() in SPLITS else name


def portable_name(text: str, max_bytes: int = _MAX_BYTES) -> str:
    """Return `text` as a name of a file or folder that is valid on any system.

    Separators, control characters and characters that Windows forbids become `_`. So do leading
    dots, which hide a file, and trailing dots and spaces, which Windows removes. Device names
    (`CON`) get a trailing `_`.

    Args:
        text: any text; an empty text gives `_`.
        max_bytes: maximum length in bytes of UTF-8.
    """
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", valid_text(text)))
    if name[:1] == ".":
        name = "_" + name[1:]
    name = name.encode()[:max_bytes].decode("utf-8", "ignore")
    stripped = name.rstrip(". ")
    name = stripped + "_" * (len(name) - len(stripped))
    return f"{name}_" if not name or _DEVICES.fullmatch(name) else name


def safe_path(recording: str) -> PurePosixPath:
    """Return a relative path with all parts safe, which cannot leave the target folder."""
    path = PurePosixPath(_BYTES.sub(r"_\1", recording).replace("\\", "/"))
    parts = [part for part in path.parts if part != "/"]
    return PurePosixPath(*(safe_name(part) for part in parts or ["_"]))


def distinct(names: Iterable[str]) -> list[str]:
    """Return unique names, also on systems that ignore case: `a`, `A-2`, `a-3`."""
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
    """Return the name as a file system compares it that ignores case or decomposes accents."""
    return unicodedata.normalize("NFKC", name).casefold()


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordingRows:
    """A recording and its ROIs.

    Attributes:
        root: the folder that the path is relative to.
        path: relative path with POSIX separators.
        rows: its rows of `ExportContent.table`.
    """

    root: str
    path: str
    rows: pd.DataFrame


def recordings(content: ExportContent, stage: str) -> Iterator[RecordingRows]:
    """Yield the recordings in the order of the table, and report progress of `stage`."""
    groups = content.table.groupby(["root", "recording"], sort=False)
    total = len(groups)
    content.progress(stage, 0, total)
    for done, ((root, path), rows) in enumerate(groups, start=1):
        yield RecordingRows(str(root), str(path), rows)
        content.progress(stage, done, total)


def annotation_names(content: ExportContent, ending: str) -> dict[tuple[str, str], str]:
    """Return the relative path of each recording's annotation file, by root and path.

    It is the path of the recording without its suffix: `night/a.txt` for `night/a.wav`. The suffix
    stays (`night/a.wav.txt`) where two recordings differ in the suffix only. If there are several
    roots, each has a folder.

    Args:
        content: the ROIs to export.
        ending: ending of the files, such as `.txt`.
    """
    pairs = content.table[["root", "recording"]].drop_duplicates()
    keys = list(pairs.itertuples(index=False, name=None))
    folders = root_names(root for root, _ in keys)
    several = len(folders) > 1
    # Suffixes are removed before names are changed: CON.wav becomes CON_.txt, not CON.txt.
    paths, stems = (
        [(folders[root] + "/" if several else "") + str(safe_path(path)) for root, path in named]
        for named in (keys, [(root, _without_suffix(path)) for root, path in keys])
    )
    counts = pd.Series([stem.casefold() for stem in stems]).value_counts()
    chosen = [
        stem if counts[stem.casefold()] == 1 else path
        for stem, path in zip(stems, paths, strict=True)
    ]
    return dict(zip(keys, (f"{name}{ending}" for name in distinct(chosen)), strict=True))


def root_names(roots: Iterable[str]) -> dict[str, str]:
    """Return a name of each root, its last folder, made distinct."""
    each = list(dict.fromkeys(roots))
    return dict(zip(each, distinct(_last_part(root) for root in each), strict=True))


def write_names(
    names: Mapping[tuple[str, str], str], ending: str, path: Path, *, raw_csv: bool = False
) -> None:
    """Write which file is which recording's, where the name of any is not its recording's.

    Args:
        names: as `annotation_names` returns them.
        ending: ending of the files.
        path: the table, CSV with the columns `file`, `root` and `recording`.
        raw_csv: see `ExportContent`.
    """
    if all(_is_obvious(name, recording, ending) for (_, recording), name in names.items()):
        return
    rows = [(name, root, recording) for (root, recording), name in names.items()]
    table = pd.DataFrame(rows, columns=["file", "root", "recording"])
    path.write_text(csv_text(table, raw=raw_csv), encoding="utf-8", newline="")


def _is_obvious(name: str, recording: str, ending: str) -> bool:
    usual = (f"{_without_suffix(recording)}{ending}", f"{recording}{ending}")
    # Several roots have a folder each.
    return name.endswith(tuple(f"/{each}" for each in usual)) or name in usual


def duration_and_rate(content: ExportContent, recording: RecordingRows) -> tuple[float, int] | None:
    """Return duration in seconds and sampling rate in Hz; None where the recording is missing."""
    try:
        info = content.result.rois.reader.info(recording.root, recording.path)
    except InputError as error:
        logger.debug("%s", error)
        return None
    return info.duration_s, info.rate


def _last_part(root: str) -> str:
    return str(safe_path(Path(root).name or root))


def _without_suffix(path: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return (
        stem if dot and not {"/", "\\"} & set(suffix) and stem and not stem.endswith("/") else path
    )


#: File that marks a folder as an export.
MARKER = "export.json"
#: File of a folder that lists the recording of each file.
NAMES = "names.csv"
#: File of a folder that lists skipped ROIs and recordings.
ERRORS = "errors.csv"


@contextmanager
def new_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary path whose file replaces `path` when the block ends without an error.

    Raises:
        RunError: the file exists and `overwrite` is False, or it cannot be written.
    """
    if path.is_dir():
        raise RunError(f"{path} is a folder; give another --out.")
    with claiming(path):
        if path.exists():
            _check_overwrite(path, overwrite)
        _remove_files_of_killed(path)
        with replacing(path) as temporary:
            yield temporary


@contextmanager
def new_folder(path: Path, overwrite: bool, about: Mapping[str, str]) -> Iterator[Path]:
    """Yield a temporary folder that replaces `path` when the block ends without an error.

    An earlier export is replaced with `overwrite`; any other folder with content never is.

    Args:
        path: the folder.
        overwrite: replace an earlier export.
        about: content of `export.json`.

    Raises:
        RunError: the target is not empty, or cannot be written.
    """
    with claiming(path):
        recover_folders(path.parent)
        _check_folder(path, overwrite)
        with replacing_folder(path) as temporary:
            yield temporary
            text = json.dumps(dict(about), indent=2, ensure_ascii=False) + "\n"
            (temporary / MARKER).write_text(text, encoding="utf-8")


def _remove_files_of_killed(path: Path) -> None:
    """Remove the temporary files that killed exports left beside `path`."""
    # Names begin with a dot and hold the number of the process, see `replacing`.
    for part in path.parent.glob(f".{escape(path.name)}.*.part"):
        process, _, machine = part.name[len(path.name) + 2 : -len(".part")].partition("-")
        is_ours = machine == MACHINE and process.isdigit()
        if part.is_file() and is_ours and not psutil.pid_exists(int(process)):
            part.unlink(missing_ok=True)


def _check_folder(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise RunError(f"{path} is a file, and this format is a folder; give another --out.")
    if not any(path.iterdir()):
        return
    if not (path / MARKER).is_file():
        raise RunError(
            f"{path} holds files that are not an export of darksound, so it is not replaced; give "
            "another --out."
        )
    _check_overwrite(path, overwrite)


def _check_overwrite(path: Path, overwrite: bool) -> None:
    if not overwrite:
        raise RunError(f"{path} exists already; give another --out, or --overwrite.")
    logger.warning("Replacing %s.", path)
