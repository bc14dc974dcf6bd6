"""Confounders: how well clusters agree with the place and time of recording."""

import numpy as np
import pandas as pd

from darksound.cluster.metrics import adjusted_mutual_information
from darksound.rois.roi_set import TEXT_DTYPE, as_text

__all__ = ["COLUMNS", "CONTEXT", "confounders", "recording_context", "sampling_units"]

#: Columns of `recording_context`.
CONTEXT = ("recording", "recorder", "site", "date", "hour")
# Years of recordings, and the latest start of a ROI in one in seconds, which is some decades.
_YEARS = (1900, 2200)
_MAX_START_S = 1e9


def recording_context(table: pd.DataFrame) -> pd.DataFrame:
    """Return recording, recorder, site, date and hour of each ROI.

    Args:
        table: the ROI table, `n` rows.

    Returns:
        `n` rows of text, missing where unknown: `recording` (with its root, if there are
        several), `recorder`, `site`, `date` (`2022-01-31`) and `hour` (`00` to `23`) of the start
        of the ROI, by the clock of the recorder.
    """
    hours = _hours_of(table)
    return pd.DataFrame(
        {
            "recording": _recordings(table),
            "recorder": table["recorder"],
            "site": as_text(table.get("site", pd.Series(np.nan, table.index))),
            "date": hours.str[:10],
            "hour": hours.str[11:],
        },
        index=table.index,
    )


def sampling_units(table: pd.DataFrame, unit: str) -> "pd.Series[str]":
    """Return the sampling unit of each ROI, `(n,)` texts.

    Args:
        table: the ROI table, `n` rows.
        unit: `recording`; or `hour`: a clock hour of one recorder at one site, or an hour of the
            recording where its time is unknown.

    Raises:
        KeyError: the unit is unknown.
    """
    return _UNITS[unit](table)


def _recordings(table: pd.DataFrame) -> "pd.Series[str]":
    roots, names = as_text(table["root"]), as_text(table["recording"])
    return names if roots.nunique() < 2 else roots + "/" + names


def _hours(table: pd.DataFrame) -> "pd.Series[str]":
    context = recording_context(table)
    source = table["root"].astype(str)
    for name in ("site", "recorder"):
        source = source + "\0" + context[name].astype(object).fillna("").astype(str)
    by_clock = source + "\0" + context["date"] + "\0" + context["hour"]
    of_recording = context["recording"] + "\0" + (table["start_s"] // 3600).astype(int).astype(str)
    return by_clock.where(context["date"].notna(), of_recording)


_UNITS = {"recording": _recordings, "hour": _hours}


def _hours_of(table: pd.DataFrame) -> "pd.Series[str]":
    """Return date and hour of each ROI's start (`2022-01-31 23`) by the clock of the recorder."""
    local = pd.to_datetime(table["recorded_at"].str[:19], errors="coerce")
    # Clocks that were never set, and damaged tables, have years that pandas cannot round to hours.
    local = local.where(local.dt.year.between(*_YEARS))
    start = local + pd.to_timedelta(table["start_s"].clip(upper=_MAX_START_S), unit="s")
    # Formatting is slow, and there are fewer hours than ROIs.
    codes, hours = pd.factorize(start.dt.floor("h"))
    texts = pd.Series(pd.DatetimeIndex(hours).strftime("%Y-%m-%d %H"), dtype=TEXT_DTYPE)
    by_row: pd.Series[str] = pd.Series(
        texts.reindex(codes).array, index=table.index, dtype=TEXT_DTYPE
    )
    return by_row


#: Columns of `confounders`.
COLUMNS = ("what", "cluster", "groups", "rois", "ami", "warning")
# AMI from which a warning is given.
_WARN_AMI = 0.5


def confounders(table: pd.DataFrame) -> pd.DataFrame:
    """Return the agreement of clusters with recording, recorder, site, date and hour.

    The AMI is over the clustered ROIs with a known value: 0 for independence, 1 for the same
    grouping, missing for a single group.

    Args:
        table: ROIs with their `cluster`, as `MecResult.table`.

    Returns:
        A row for each column of `CONTEXT`: `what`, number of `groups` (recordings, recorders,
        ...) and of `rois`, `ami`, and a `warning` from an AMI of 0.5. Then a row with a warning
        for each `cluster` of at least two ROIs that occurs in one recording only, if there are
        several recordings. Cells that do not apply are missing, `warning` is empty.
    """
    clustered = table[table["cluster"] >= 0]
    context = recording_context(clustered)
    rows = [_agreement(what, context[what], clustered["cluster"]) for what in CONTEXT]
    if context["recording"].nunique() > 1:
        rows += _single_recording(clustered["cluster"], context["recording"])
    types = {"what": TEXT_DTYPE, "cluster": "Int64", "ami": "float64", "warning": TEXT_DTYPE}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)


def _agreement(
    what: str, groups: "pd.Series[str]", clusters: "pd.Series[int]"
) -> dict[str, object]:
    known = groups.notna()
    codes, names = pd.factorize(groups[known])
    ami, warning = float("nan"), ""
    if len(names) > 1:
        numbers = np.asarray(clusters[known], dtype=np.int64)
        ami = adjusted_mutual_information(numbers, codes.astype(np.int64))
    if ami >= _WARN_AMI:
        warning = (
            f"Clusters agree with the {what} (AMI {ami:.2f}): they may separate {what}s rather "
            f"than call types. Compare ROIs of different {what}s."
        )
    return {
        "what": what,
        "cluster": pd.NA,
        "groups": len(names),
        "rois": int(known.sum()),
        "ami": ami,
        "warning": warning,
    }


def _single_recording(
    clusters: "pd.Series[int]", recordings: "pd.Series[str]"
) -> list[dict[str, object]]:
    """Return a row for each cluster that occurs in one recording only."""
    by_cluster = recordings.groupby(clusters)
    sizes, counts, first = by_cluster.size(), by_cluster.nunique(), by_cluster.first()
    numbers = sizes.index[(counts == 1) & (sizes > 1)]
    return [
        {
            "what": "recording",
            "cluster": int(number),
            "groups": 1,
            "rois": int(sizes[number]),
            "ami": float("nan"),
            "warning": f"Cluster {number} ({sizes[number]} ROIs) occurs in one recording only: "
            f"{first[number]}.",
        }
        for number in numbers
    ]
