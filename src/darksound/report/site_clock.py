"""When recordings were made by the clock of their site, and the sun there.

A time with an offset from UTC is an instant: where the time zone of its site is known, it becomes
the civil time there, which changes with daylight saving. Other times stay as the clock of the
recorder wrote them, since that clock is not changed by anybody during a deployment.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from astral import Observer
from astral.sun import dawn, dusk, sunrise, sunset

from darksound.audio.recording_time import parse_utc_offset
from darksound.errors import InputError
from darksound.rois.roi_set import as_text

__all__ = ["SUN_TIMES", "SiteClock", "sun_times", "time_zone"]

Ints = npt.NDArray[np.int64]

#: Columns of `sun_times` in hours of the day; dawn and dusk are civil (the sun 6 degrees below).
SUN_TIMES = ("dawn", "sunrise", "sunset", "dusk")
_SUN = (dawn, sunrise, sunset, dusk)
# Clocks that were never set, and damaged tables, have other years.
_YEARS = (1900, 2200)
_TEXT = r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?"
# As in UTC+2.
_PREFIX = re.compile(r"^(?:UTC|GMT)(?=[+-])", re.IGNORECASE)
_NS = 1_000_000_000


def time_zone(name: str) -> tzinfo:
    """Return the time zone of a name such as `Europe/Berlin`, `UTC` or `UTC+02:00`.

    Raises:
        InputError: there is no such time zone.
    """
    try:
        return parse_utc_offset(_PREFIX.sub("", name))
    except ValueError:
        pass
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"There is no time zone {name!r}; use a name such as Europe/Berlin or UTC+02:00."
        ) from None


class SiteClock:
    """The starts of recordings, and the clocks of their sites.

    Attributes:
        starts: `(n,)` nanoseconds since 1970: of an instant in UTC, or of the local clock. Only
            `local` reads them.
        is_known: `(n,)`: whether the start is known.
    """

    def __init__(self, recordings: pd.DataFrame, sites: pd.DataFrame | None = None) -> None:
        """Read the starts.

        Args:
            recordings: `n` rows with `recorded_at` and `site`, text or missing.
            sites: rows with `site` and `time_zone`; None: no time zone is known.

        Raises:
            InputError: a time zone does not exist.
        """
        texts = as_text(recordings["recorded_at"]).str.extract(_TEXT)
        local = pd.to_datetime(texts[0], format="ISO8601", errors="coerce")
        local = local.where(local.dt.year.between(*_YEARS)).astype("datetime64[ns]")
        offsets = _seconds_of(texts[1])
        self._sites = as_text(recordings["site"]).fillna("").to_numpy(object)
        zones = _zones(sites)
        self._names = list(zones)
        self._zones = list(zones.values())
        known = pd.Series(self._sites).map({name: i for i, name in enumerate(zones)})
        has_offset = ~np.isnan(offsets)
        # Number of the zone that an instant is converted to; -1 for a clock that stays.
        self._zone_of = np.where(has_offset, known.fillna(-1).to_numpy(), -1).astype(np.int64)
        self._offsets = offsets
        self.is_known = local.notna().to_numpy()
        clock = local.fillna(pd.Timestamp(0)).to_numpy("datetime64[ns]").astype(np.int64)
        shift = np.where(self._zone_of >= 0, np.nan_to_num(offsets), 0).astype(np.int64) * _NS
        self.starts: Ints = clock - shift

    def local(self, rows: Ints, times: Ints) -> pd.DatetimeIndex:
        """Return times by the clock of the site.

        Args:
            rows: `(m,)` numbers of recordings.
            times: `(m,)` nanoseconds: the start of that recording, and what follows it.
        """
        local = times.astype("datetime64[ns]")
        zone_of = self._zone_of[rows]
        for number in np.unique(zone_of[zone_of >= 0]):
            inside = zone_of == number
            instants = pd.DatetimeIndex(times[inside].astype("datetime64[ns]"), tz="UTC")
            civil = instants.tz_convert(self._zones[number]).tz_localize(None)
            local[inside] = civil.to_numpy("datetime64[ns]")
        return pd.DatetimeIndex(local)

    def zone(self, site: str) -> tzinfo | None:
        """Return the time zone of the clock of a site; None where it is not known.

        Where its times have no offset from UTC, it is the one that the zone of the site had when
        the first of its recordings began.
        """
        rows = np.flatnonzero((self._sites == site) & self.is_known)
        if not rows.size:
            return None
        first = rows[np.argmin(self.starts[rows])]
        name = self._names.index(site) if site in self._names else None
        if name is None:
            offset = self._offsets[first]
            return None if np.isnan(offset) else timezone(timedelta(seconds=float(offset)))
        if self._zone_of[first] >= 0:
            return self._zones[name]
        start = pd.Timestamp(int(self.starts[first])).to_pydatetime()
        shift = start.replace(tzinfo=self._zones[name]).utcoffset()
        return None if shift is None else timezone(shift)


def _zones(sites: pd.DataFrame | None) -> dict[str, tzinfo]:
    if sites is None or "time_zone" not in sites.columns:
        return {}
    known = sites.dropna(subset=["site", "time_zone"]).drop_duplicates("site")
    names = zip(known["site"], known["time_zone"], strict=True)
    return {str(site): time_zone(str(name)) for site, name in names if str(name).strip()}


def _seconds_of(offsets: "pd.Series[str]") -> npt.NDArray[np.float64]:
    """Return offsets from UTC such as `+02:00` and `Z` in seconds; NaN where there is none."""
    parts = as_text(offsets).str.extract(r"^([+-])(\d\d):?(\d\d)$")
    seconds = 3600 * pd.to_numeric(parts[1]) + 60 * pd.to_numeric(parts[2])
    signed = seconds.where(parts[0] != "-", -seconds)
    return signed.where(offsets != "Z", 0.0).to_numpy(np.float64)


def sun_times(latitude: float, longitude: float, dates: list[str], zone: tzinfo) -> pd.DataFrame:
    """Return dawn, sunrise, sunset and dusk of each date.

    Args:
        latitude, longitude: of the site in degrees, north and east positive.
        dates: `2022-01-31`.
        zone: the time zone of its clock.

    Returns:
        One row a date: `date`, and `SUN_TIMES` in hours of that day; missing where the sun does
        not rise or set.
    """
    observer = Observer(latitude, longitude)
    rows = [(text, *_sun_of_day(observer, date.fromisoformat(text), zone)) for text in dates]
    return pd.DataFrame(rows, columns=["date", *SUN_TIMES])


def _sun_of_day(observer: Observer, day: date, zone: tzinfo) -> Iterator[float]:
    for function in _SUN:
        try:
            time = function(observer, day, tzinfo=zone)
        except ValueError:  # The sun does not get there on this day.
            yield float("nan")
        else:
            yield time.hour + time.minute / 60 + time.second / 3600
