"""A table of sites: which recordings were made where, between which times, and covariates."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from darksound.audio.recording_time import parse_time, parse_utc_offset
from darksound.errors import InputError
from darksound.rois.cells import parse_numbers
from darksound.rois.effort import SITE_SCHEMA, as_site_table
from darksound.rois.roi_set import as_text, clean_labels
from darksound.rois.spreadsheets import unescape_cells
from darksound.rois.text_tables import read_text_table
from darksound.text import path_text

__all__ = ["KEYS", "SiteList", "is_within", "read_sites"]

#: Columns by which a row finds its recordings.
KEYS = ("pattern", "folder", "recorder")
# Other names of the columns, in lower case without blanks and hyphens.
_ALIASES = {
    "site": ("site_id", "sitename", "site_name", "station", "location", "location_id", "plot"),
    "pattern": ("file_pattern", "files"),
    "folder": ("directory", "dir"),
    "recorder": ("serial", "serial_number", "recorder_id", "device", "prefix"),
    "latitude": ("lat", "decimallatitude"),
    "longitude": ("lon", "long", "lng", "decimallongitude"),
    "start": ("deployment_start", "start_date", "start_time", "deployed", "first_day"),
    "end": ("deployment_end", "end_date", "end_time", "retrieved", "last_day"),
    "time_zone": ("timezone", "tz"),
}
_LIMITS = {"latitude": 90.0, "longitude": 180.0}
_DATES = (
    re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)"),
    re.compile(r"(?P<day>\d\d?)\.(?P<month>\d\d?)\.(?P<year>\d{4})"),
)


@dataclass(frozen=True)
class SiteList:
    """The rows of a table of sites, in their order.

    Attributes:
        path: the file.
        rows: index: numbers of the rows; `site`, the columns of `KEYS` and `time_zone` (text or
            missing), and `starts` and `ends`, the first and last moment of the deployment or None.
        sites: a row a site, as `darksound.rois.effort.as_site_table` returns it.
    """

    path: Path
    rows: pd.DataFrame
    sites: pd.DataFrame

    def place(self, row: object) -> str:
        """Return the file and number of a row, for messages."""
        return f"{path_text(self.path)}, row {row}"


def read_sites(path: Path) -> SiteList:
    """Return a table of sites from a CSV file.

    Its columns are `site`; at least one of `pattern`, `folder` and `recorder` where the name of the
    site is neither a folder, a recorder nor the beginning of file names; `latitude` and `longitude`
    in degrees; `start` and `end` of the deployment (a date, or a date and time); `time_zone`; any
    others are covariates. A site may have several rows, such as one a deployment.

    Raises:
        InputError: the file cannot be read, or a cell is not what its column holds.
    """
    table = read_text_table(path, "a table of sites", (*SITE_SCHEMA.names, *KEYS))
    cells = unescape_cells(table.cells)
    names = _renamed(list(cells.columns), path)
    cells = cells.set_axis(names, axis="columns")
    for row, cause in sorted(table.broken.items()):
        raise InputError(f"{path_text(path)}, row {row}: {cause}.")
    if "site" not in names:
        raise InputError(
            f"{path_text(path)}: there is no column 'site' with the names of the sites; the "
            f"columns are {', '.join(table.cells.columns)}."
        )
    if cells.empty:
        raise InputError(f"{path_text(path)}: the table of sites has no rows.")
    check = _Check(path, cells)
    rows = pd.DataFrame(index=cells.index)
    rows["site"] = clean_labels(_text(cells["site"]))
    check.raise_at(rows["site"].isna(), "site", "is empty; every row names a site")
    for name in KEYS:
        rows[name] = _text(cells[name]) if name in names else pd.Series(None, rows.index, object)
    numbers = _coordinates(cells, check, table.separator != ",")
    zones = check.parsed(
        "time_zone", _zone, "is no time zone; write such as Europe/Berlin or UTC+2"
    )
    moments = {
        name: check.parsed(name, parse, "is no date; write such as 2024-05-31 or 2024-05-31 06:00")
        for name, parse in (("start", _first_moment), ("end", _last_moment))
    }
    rows["time_zone"] = zones
    rows["starts"], rows["ends"] = moments["start"], moments["end"]
    backwards = [
        start is not None and end is not None and _clock(end) < _clock(start)
        for start, end in zip(rows["starts"], rows["ends"], strict=True)
    ]
    check.raise_at(pd.Series(backwards, rows.index), "end", "is before the start of the deployment")
    known = pd.DataFrame({"site": rows["site"], **numbers, "time_zone": zones}, rows.index)
    known["start"], known["end"] = (
        pd.Series([_written(cell) for cell in _column(cells, name)], rows.index, object)
        for name in ("start", "end")
    )
    others = [name for name in names if name not in (*SITE_SCHEMA.names, *KEYS)]
    covariates = {name: _covariate(cells[name], table.separator != ",") for name in others}
    sites = _sites(known.assign(**covariates), rows, others, path)
    return SiteList(path, rows, sites)


def _clock(moment: datetime) -> datetime:
    """Return a time without its offset from UTC, as clocks at the site show it."""
    return moment.replace(tzinfo=None)


class _Check:
    """Checks the cells of a column, and raises an error that names row and column."""

    def __init__(self, path: Path, cells: pd.DataFrame) -> None:
        self._path, self._cells = path, cells

    def raise_at(self, bad: "pd.Series[bool]", column: str, cause: str) -> None:
        """Raise InputError for the first row that is bad."""
        if not bad.any():
            return
        row = bad.index[bad.to_numpy(bool)][0]
        cell = self._cells[column][row] if column in self._cells else ""
        shown = f"{column} {cell!r}" if cell else column
        raise InputError(f"{path_text(self._path)}, row {row}: {shown} {cause}.")

    def parsed(self, column: str, parse: Callable[[str], Any], cause: str) -> "pd.Series[Any]":
        """Return what `parse` returns for each cell; None for empty ones."""
        cells = _column(self._cells, column)
        values = [parse(cell) if cell else None for cell in cells]
        bad = [bool(cell) and value is None for cell, value in zip(cells, values, strict=True)]
        self.raise_at(pd.Series(bad, self._cells.index), column, cause)
        return pd.Series(values, self._cells.index, dtype=object)


def _renamed(columns: Sequence[str], path: Path) -> list[str]:
    """Return the names of columns, those with a meaning as `SITE_SCHEMA` and `KEYS` have them."""
    folded = [re.sub(r"[\s-]+", "_", name.strip().casefold()) for name in columns]
    names = list(columns)
    for wanted, others in _ALIASES.items():
        for candidate in (wanted, *others):
            found = [i for i, name in enumerate(folded) if name == candidate]
            if len(found) > 1:
                twice = " and ".join(repr(columns[i]) for i in found)
                raise InputError(f"{path_text(path)}: the columns {twice} are one; remove one.")
            if found:
                names[found[0]] = wanted
                break
    return names


def _column(cells: pd.DataFrame, name: str) -> list[str]:
    if name not in cells:
        return [""] * len(cells)
    return [str(cell).strip() for cell in as_text(cells[name]).fillna("").tolist()]


def _text(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    text = as_text(cells).str.strip()
    return text.mask(text == "")


def _coordinates(cells: pd.DataFrame, check: _Check, commas: bool) -> dict[str, "pd.Series[float]"]:
    empty = pd.Series("", cells.index)
    texts = pd.DataFrame({name: cells.get(name, empty) for name in _LIMITS}, cells.index)
    numbers = pd.DataFrame(index=cells.index)
    for name, limit in _LIMITS.items():
        values, causes = parse_numbers(texts[[name]], commas=commas)
        cause = f"is no number from {-limit:g} to {limit:g}; write degrees, such as 47.8021"
        check.raise_at(causes.notna(), name, cause)
        check.raise_at(values[name].abs() > limit, name, cause)
        numbers[name] = values[name]
    for name, other in (("latitude", "longitude"), ("longitude", "latitude")):
        alone = numbers[name].isna() & numbers[other].notna()
        check.raise_at(alone, name, f"is empty, but {other} is not; give both or none")
    return {name: numbers[name] for name in _LIMITS}


def _zone(text: str) -> str | None:
    """Return the name of a time zone, or None if there is no such zone."""
    zones = available_timezones()
    if text in zones or not zones:
        return text
    named = {zone.casefold(): zone for zone in zones}.get(text.casefold().replace(" ", "_"))
    if named is not None:
        return named
    try:
        parse_utc_offset(_without_utc(text))
    except ValueError:
        return None
    return text


def _date(text: str) -> date | None:
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                return date(*(int(match[part]) for part in ("year", "month", "day")))
            except ValueError:
                return None
    return None


def _first_moment(text: str) -> datetime | None:
    day = _date(text)
    return parse_time(text) if day is None else datetime(day.year, day.month, day.day)


def _last_moment(text: str) -> datetime | None:
    day = _date(text)
    if day is None:
        return parse_time(text)
    # A date alone includes its whole day.
    return datetime(day.year, day.month, day.day) + timedelta(days=1, microseconds=-1)


def _written(text: str) -> str | None:
    """Return a date or time as ISO 8601 text; None for an empty cell."""
    day = _date(text)
    moment = day if day is not None else parse_time(text)
    return None if moment is None else moment.isoformat()


def _covariate(cells: "pd.Series[Any]", commas: bool) -> "pd.Series[Any]":
    """Return numbers, or text where a cell is not a number."""
    values, causes = parse_numbers(pd.DataFrame({"value": cells}), commas=commas)
    return _text(cells) if causes.notna().any() else values["value"]


def _sites(
    known: pd.DataFrame, rows: pd.DataFrame, covariates: Sequence[str], path: Path
) -> pd.DataFrame:
    """Return a row a site: its first coordinates, the whole time of its deployments, covariates.

    Raises:
        InputError: rows of a site have different coordinates, time zones or covariates.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, group in known.groupby("site", sort=False):
        values: dict[str, Any] = {"site": name}
        for column in (*_LIMITS, "time_zone", *covariates):
            given = group[column].dropna()
            if given.nunique() > 1:
                _raise_conflict(path, str(name), column, given)
            values[column] = given.iloc[0] if len(given) else None
        for column, moments, pick in (("start", "starts", min), ("end", "ends", max)):
            times = rows.loc[group.index, moments]
            # A deployment without a limit has none for the site either.
            if len(times) and all(time is not None for time in times):
                chosen = pick(times.index, key=lambda row: _clock(times[row]))
                values[column] = group[column][chosen]
        found[str(name)] = values
    table = as_site_table(pd.DataFrame(list(found.values())))
    for column in covariates:
        if pd.api.types.is_numeric_dtype(known[column]):
            table[column] = table[column].astype("float64")
        else:
            table[column] = as_text(
                table[column].astype(object).where(table[column].notna(), np.nan)
            )
    return table


def _raise_conflict(path: Path, site: str, column: str, given: "pd.Series[Any]") -> NoReturn:
    first = given.iloc[0]
    row = given.index[(given != first).to_numpy(bool)][0]
    raise InputError(
        f"{path_text(path)}, row {row}: {column} of the site {site!r} is {given[row]!r}, but "
        f"{first!r} in row {given.index[0]}; a site has one value, so correct it or name two sites."
    )


def is_within(
    recorded_at: object, starts: datetime | None, ends: datetime | None, zone: object
) -> bool:
    """Return whether a recording was made within a deployment; true where a time is not known.

    Args:
        recorded_at: ISO 8601, with or without an offset from UTC; missing if it is not known.
        starts: first moment; None without a limit.
        ends: last moment; None without a limit.
        zone: time zone of the site, in which times with and without an offset are compared;
            missing: by their clocks.
    """
    try:
        moment = datetime.fromisoformat(str(recorded_at))
    except ValueError:
        return True
    place = _tzinfo(zone)
    early = starts is not None and _is_before(moment, starts, place)
    return not early and not (ends is not None and _is_before(ends, moment, place))


def _is_before(first: datetime, second: datetime, place: tzinfo | None) -> bool:
    if first.tzinfo is not None and second.tzinfo is not None:
        return first < second
    return _local(first, place) < _local(second, place)


def _local(moment: datetime, place: tzinfo | None) -> datetime:
    if moment.tzinfo is None or place is None:
        return _clock(moment)
    return _clock(moment.astimezone(place))


def _tzinfo(zone: object) -> tzinfo | None:
    if not isinstance(zone, str):
        return None
    try:
        return parse_utc_offset(_without_utc(zone))
    except ValueError:
        pass
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return None


def _without_utc(text: str) -> str:
    return re.sub(r"^(UTC|GMT)(?=[+-])", "", text, flags=re.IGNORECASE)
