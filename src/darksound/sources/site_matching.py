"""Find the site of each recording in a table of sites."""

import fnmatch
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from darksound.audio.names import composed
from darksound.errors import InputError
from darksound.rois.roi_set import TEXT_DTYPE
from darksound.sources.site_list import KEYS, SiteList, is_within

__all__ = ["find_sites", "is_folder_of_sites"]

logger = logging.getLogger(__name__)

_WILD = re.compile(r"[*?\[]")
_MAX_LISTED = 3
_Rows = frozenset[int]


class _Index:
    """Finds the rows of a table of sites by folder, recorder, pattern and the site's name.

    Capitals and the form of accents do not count.
    """

    def __init__(self, sites: SiteList) -> None:
        self._by_text: dict[str, dict[str, set[int]]] = {
            name: defaultdict(set) for name in (*KEYS, "site")
        }
        self._globs: list[tuple[re.Pattern[str], int]] = []
        without: dict[str, set[int]] = {name: set() for name in KEYS}
        self._named: set[int] = set()
        for number, row in enumerate(sites.rows[["site", *KEYS]].itertuples(index=False)):
            given = {name: getattr(row, name) for name in KEYS}
            for name, text in given.items():
                if pd.isna(text):
                    without[name].add(number)
                elif name == "pattern" and _WILD.search(text):
                    self._globs.append((_glob(text), number))
                else:
                    self._by_text[name][_key(text)].add(number)
            if all(pd.isna(text) for text in given.values()):
                self._named.add(number)
                self._by_text["site"][_key(str(row.site))].add(number)
        self._without = {name: frozenset(rows - self._named) for name, rows in without.items()}
        self._of_recorder = lru_cache(maxsize=None)(self._rows_of_recorder)
        self._of_folder = lru_cache(maxsize=None)(self._rows_of_folder)

    def find(self, root: str, recording: str, recorder: Any, site: Any) -> dict[int, int]:
        """Return the rows of a recording, each with the depth of the folder that it names."""
        path = PurePosixPath(recording)
        stem = _key(path.stem)
        depths = self._of_folder(root, path.parent)
        recorder_text = "" if pd.isna(recorder) else str(recorder)
        by_recorder = self._of_recorder(recorder_text)
        prefixes = list(_beginnings(stem))
        by_prefix: Callable[[str], _Rows] = lambda name: frozenset().union(  # noqa: E731
            *(self._by_text[name].get(prefix, ()) for prefix in prefixes)
        )
        text = _key(recording)
        by_pattern = by_prefix("pattern") | {n for glob, n in self._globs if glob.fullmatch(text)}
        in_folder = frozenset(depths["folder"])
        found = (
            (in_folder | self._without["folder"])
            & (by_recorder["recorder"] | by_prefix("recorder") | self._without["recorder"])
            & (by_pattern | depths["pattern"].keys() | self._without["pattern"])
        )
        named = by_prefix("site") | depths["site"].keys() | by_recorder["site"]
        if not pd.isna(site):
            named = named | self._by_text["site"].get(_key(str(site)), set())
        every = {**depths["pattern"], **depths["site"], **depths["folder"]}
        return {number: every.get(number, 0) for number in found | named}

    def _rows_of_folder(self, root: str, folder: PurePosixPath) -> dict[str, dict[int, int]]:
        """Return the rows that name a folder of a path, with its depth, by column."""
        parts = [*PurePosixPath(root.replace("\\", "/")).parts, *folder.parts]
        parts = [_key(part) for part in parts]
        depths: dict[str, dict[int, int]] = {}
        for name in ("pattern", "folder", "site"):
            depths[name] = {}
            for end in range(1, len(parts) + 1):
                for start in range(end):
                    for number in self._by_text[name].get("/".join(parts[start:end]), ()):
                        depths[name][number] = end
        return depths

    def _rows_of_recorder(self, recorder: str) -> dict[str, _Rows]:
        """Return the rows that name a recorder or words of it, such as its serial number."""
        words = _key(recorder).split()
        texts = {
            " ".join(words[start:end]) for end in range(1, len(words) + 1) for start in range(end)
        }
        return {
            name: frozenset().union(*(self._by_text[name].get(text, ()) for text in texts))
            for name in ("recorder", "site")
        }


def _key(text: str) -> str:
    return composed(str(text)).casefold().replace("\\", "/").strip("/ ")


def _glob(text: str) -> re.Pattern[str]:
    """Return the expression of a pattern, which may begin at any folder of the path."""
    return re.compile(rf"(?:.*/)?{fnmatch.translate(_key(text))}")


def _beginnings(stem: str) -> Iterator[str]:
    """Yield the beginnings of a name that end before a character that is no letter or digit."""
    for match in re.finditer(r"(?<=[^\W_])(?=[\W_]|$)", stem):
        yield stem[: match.start()]


def find_sites(recordings: pd.DataFrame, sites: SiteList, *, log: bool = True) -> "pd.Series[str]":
    """Return the site of each recording `(n,)` in a table of sites, missing where there is none.

    A recording belongs to a row that names its folder, recorder and pattern, as far as the row has
    them; a row without any is found by the name of its site. A recording outside of the deployment
    belongs to no row. Of rows that name folders of one path, the inner folder counts.

    Args:
        recordings: `root`, `recording`, `recorder`, `recorded_at` and `site`, where it is known.
        sites: the table of sites.
        log: warn of recordings without a site, and of rows without a recording.

    Raises:
        InputError: a recording belongs to rows of several sites.
    """
    index, rows = _Index(sites), sites.rows
    names, starts, ends, zones = (
        rows[key].tolist() for key in ("site", "starts", "ends", "time_zone")
    )
    found: list[str | None] = []
    outside: list[str] = []
    used: set[int] = set()
    columns = ["root", "recording", "recorder", "recorded_at", "site"]
    for root, recording, recorder, recorded_at, site in recordings[columns].itertuples(index=False):
        named = index.find(root, recording, recorder, site)
        deepest = max(named.values(), default=0)
        named = {n: depth for n, depth in named.items() if depth == deepest or not depth}
        fitting = [n for n in named if is_within(recorded_at, starts[n], ends[n], zones[n])]
        candidates = sorted({names[n]: n for n in sorted(fitting, reverse=True)}.items())
        if len(candidates) > 1:
            (_, first), (_, second) = sorted(candidates, key=lambda each: each[1])[:2]
            raise InputError(
                f"{sites.place(rows.index[second])}: {recording} belongs to the site "
                f"{names[second]!r}, and by row {rows.index[first]} to {names[first]!r}; give the "
                "rows a folder, pattern, start or end that only one of them has."
            )
        found.append(candidates[0][0] if candidates else None)
        used.update(fitting)
        if named and not fitting:
            outside.append(recording)
    result = pd.Series(found, recordings.index, dtype=TEXT_DTYPE)
    if log:
        _log(recordings, result, outside, sorted(set(range(len(rows))) - used), sites)
    return result


def _log(
    recordings: pd.DataFrame,
    found: "pd.Series[str]",
    outside: list[str],
    unused: list[int],
    sites: SiteList,
) -> None:
    """Log which recordings have no site, and which rows have no recording."""
    missing = found.isna().to_numpy(bool)
    others = [name for name in recordings["recording"][missing] if name not in set(outside)]
    if others:
        logger.warning(
            "%s: %d of %d recordings belong to no row (%s); add their folder, recorder or pattern.",
            sites.path,
            len(others),
            len(recordings),
            _listed(others),
        )
    if outside:
        logger.warning(
            "%s: %d of %d recordings were made before the start or after the end of the deployment "
            "(%s), and have no site.",
            sites.path,
            len(outside),
            len(recordings),
            _listed(outside),
        )
    if unused:
        numbers = [str(sites.rows.index[n]) for n in unused]
        logger.warning(
            "%s: no recording belongs to %s %s (%s).",
            sites.path,
            "row" if len(numbers) == 1 else "rows",
            _listed(numbers),
            _listed(list(dict.fromkeys(sites.rows["site"].iloc[unused]))),
        )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MAX_LISTED]) + (", ..." if len(names) > _MAX_LISTED else "")


def is_folder_of_sites(folders: set[str], sites: SiteList) -> bool:
    """Return whether a table of sites names one of these folders."""
    names = {
        _key(text) for key in ("folder", "site", "pattern") for text in sites.rows[key].dropna()
    }
    names = {name.split("/")[0] for name in names} | names
    return any(_key(folder) in names for folder in folders)
