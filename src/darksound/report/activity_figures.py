"""Figures of activity: by date and hour with the sun, and by hour of the day, with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from darksound.report.activity import NO_HOUR, Recorded, activity
from darksound.report.figures import COLOURS
from darksound.report.site_clock import SUN_TIMES, sun_times

__all__ = ["activity_map", "hour_curves", "site_sun_times", "sites_with_times"]

Floats = npt.NDArray[np.float64]

_MAX_SITES = 8
_MAX_GROUPS = 12
_BLANK = "#E4E4E4"
# Small rates differ visibly.
_GAMMA = 0.5
_HOURS = np.arange(25)


def sites_with_times(recorded: Recorded) -> list[str]:
    """Return the sites that have recordings with a known start, those with most of it first.

    The name of an unknown site is empty.
    """
    timed = recorded.effort[recorded.effort["hour"] != NO_HOUR]
    seconds = timed.groupby("site")["seconds"].sum()
    return list(seconds.sort_values(ascending=False, kind="stable").index)


def site_sun_times(
    recorded: Recorded, sites: pd.DataFrame | None, site: str, dates: Sequence[str]
) -> pd.DataFrame | None:
    """Return the sun times of a site by its clock, or None.

    They are not known without coordinates, or where neither its times have an offset from UTC nor
    its time zone is in the table of sites.

    Args:
        recorded: what was recorded.
        sites: the table of sites.
        site: the name of the site.
        dates: `2022-01-31`.

    Returns:
        One row a date, see `darksound.report.site_clock.sun_times`.
    """
    zone = recorded.clock.zone(site)
    if sites is None or zone is None:
        return None
    place = sites[sites["site"] == site].dropna(subset=["latitude", "longitude"])
    if place.empty:
        return None
    latitude, longitude = (float(place[name].iloc[0]) for name in ("latitude", "longitude"))
    return sun_times(latitude, longitude, list(dates), zone)


def activity_map(recorded: Recorded, sites: pd.DataFrame | None = None) -> Figure:
    """Return calls an hour by date and hour as colours, one panel a site, with the sun times.

    What was never recorded is grey. With many sites, those with most recordings are drawn.

    Args:
        recorded: what was recorded, some of it at known times.
        sites: the table of sites; None: there are no sun times.
    """
    shown = sorted(sites_with_times(recorded)[:_MAX_SITES])
    tables = {site: _of_site(recorded, site) for site in shown}
    highest = max(float(np.nanmax([*table["calls_per_hour"], 0])) for table in tables.values())
    columns = 1 if len(shown) < 3 else 2
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(4.2 * columns + 3.3, 2.6 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    norm = PowerNorm(_GAMMA, vmin=0, vmax=max(highest, 1e-9))
    has_sun = False
    for axes, site in zip(grid, shown, strict=False):
        table = tables[site]
        dates = list(table["date"].unique())
        rates = table["calls_per_hour"].to_numpy(np.float64).reshape(len(dates), 24)
        # Matplotlib counts days from 1970, too.
        days = np.asarray(dates, dtype="datetime64[D]").astype(np.float64)
        edges = np.append(days, days[-1] + 1)
        axes.set_facecolor(_BLANK)
        masked = np.ma.masked_invalid(rates.T)
        mesh = axes.pcolormesh(edges, _HOURS, masked, cmap="viridis", norm=norm, rasterized=True)
        has_sun |= _draw_sun(axes, edges, site_sun_times(recorded, sites, site, dates))
        axes.set_title(site or "site not known" * bool(recorded.sites), fontsize=10)
        axes.set_ylim(0, 24)
        axes.set_yticks(range(0, 25, 6))
        axes.tick_params(labelbottom=True)
        _label_dates(axes)
    for axes in grid[len(shown) :]:
        axes.remove()
    figure.colorbar(mesh, ax=list(grid[: len(shown)]), label="calls an hour of sound", shrink=0.8)
    figure.supylabel("hour of the day", fontsize=10)
    note = "Grey: never recorded."
    note += " Lines: sunrise and sunset, dotted: dawn and dusk." if has_sun else ""
    n_sites = len(sites_with_times(recorded))
    note += f" {len(shown)} of {n_sites} sites." if len(shown) < n_sites else ""
    figure.supxlabel(note, fontsize=8)
    return figure


def _label_dates(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)


def _of_site(recorded: Recorded, site: str) -> pd.DataFrame:
    table = activity(recorded, ["site", "date", "hour"])
    return table[table["site"] == site]


def _draw_sun(axes: Axes, edges: Floats, sun: pd.DataFrame | None) -> bool:
    if sun is None:
        return False
    for name in SUN_TIMES:
        style = "-" if name in ("sunrise", "sunset") else ":"
        hours = sun[name].to_numpy(np.float64)
        for colour, width in (("white", 2.6), ("black", 1.1)):
            axes.stairs(hours, edges, baseline=None, color=colour, lw=width, ls=style)
    axes.set_xlim(edges[0], edges[-1])
    return True


def hour_curves(
    recorded: Recorded,
    groups: npt.NDArray[np.int64] | None = None,
    titles: Mapping[int, str] | None = None,
) -> Figure:
    """Return calls an hour by hour of the day with their 95 % intervals, one panel a group.

    Hours that were never recorded are grey.

    Args:
        recorded: what was recorded, some of it at known times.
        groups: group of each ROI `(n,)`, negative for none; None: one panel for all ROIs, and one
            for each site. The groups with most ROIs are drawn.
        titles: of the groups.
    """
    # Groups that are only in recordings of unknown time have no hours.
    timed = recorded.rois["hour"].to_numpy() != NO_HOUR
    if groups is None or not (groups[timed] >= 0).any():
        tables = {"all sites" if recorded.sites else "all recordings": activity(recorded, ["hour"])}
        by_site = activity(recorded, ["site", "hour"]) if recorded.sites else None
        for site in sorted(sites_with_times(recorded)[:_MAX_SITES]):
            if by_site is not None:
                tables[site or "site not known"] = by_site[by_site["site"] == site]
    else:
        numbers, counts = np.unique(groups[timed & (groups >= 0)], return_counts=True)
        largest = numbers[np.argsort(-counts, kind="stable")][:_MAX_GROUPS]
        all_tables = activity(recorded, ["hour"], groups)
        tables = {
            (titles or {}).get(int(number), f"cluster {number}"): all_tables[
                all_tables["group"] == number
            ]
            for number in largest
        }
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    figure = Figure(figsize=(3.1 * columns + 0.6, 2.0 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, (title, table) in zip(grid, tables.items(), strict=False):
        _draw_curve(axes, table)
        axes.set_title(title, fontsize=9)
    for axes in grid[len(tables) :]:
        axes.remove()
    figure.supylabel("calls an hour of sound", fontsize=10)
    figure.supxlabel("hour of the day (band: 95 % interval; grey: never recorded)", fontsize=9)
    return figure


def _draw_curve(axes: Axes, table: pd.DataFrame) -> None:
    rates, low, high = (
        table[name].to_numpy(np.float64) for name in ("calls_per_hour", "low", "high")
    )
    axes.stairs(high, _HOURS, baseline=low, fill=True, color=COLOURS[0], alpha=0.22, lw=0)
    axes.stairs(rates, _HOURS, baseline=None, color=COLOURS[0], lw=1.4)
    for hour in np.flatnonzero(np.isnan(rates)).tolist():
        axes.axvspan(hour, hour + 1, color=_BLANK, lw=0, zorder=0)
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 6))
    top = np.nanmax([*np.where(np.isnan(rates), 0, rates) * 1.1, 1e-9])
    axes.set_ylim(0, max(min(np.nanmax([*high, top]), 3 * top), 1e-9))
    axes.tick_params(labelsize=8, labelbottom=True)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
