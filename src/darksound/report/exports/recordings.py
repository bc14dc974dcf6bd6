"""The recordings of an export: what each is called there, and how long and high it is."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darksound.errors import InputError
from darksound.report.exports.base import Found
from darksound.report.exports.names import distinct, safe_path

__all__ = ["Recording", "annotation_names", "duration_and_rate", "recordings"]

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
