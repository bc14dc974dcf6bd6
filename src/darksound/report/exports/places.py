"""Where an export is written to: beside its place, and into it only when it is whole."""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from darksound.atomic import replacing
from darksound.errors import RunError

__all__ = ["ERRORS", "MARKER", "new_file", "new_folder"]

#: What tells a folder of ours.
MARKER = "export.json"
#: What lists, in a folder, the ROIs and recordings that were left out.
ERRORS = "errors.csv"
logger = logging.getLogger(__name__)


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
