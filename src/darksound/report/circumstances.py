"""How far clusters are explained by where and when sound was recorded, and not by what sings."""

import numpy as np
import pandas as pd

from darksound.cluster.metrics import adjusted_mutual_information
from darksound.sources.folder import SPLITS

__all__ = ["COLUMNS", "KINDS", "circumstances", "confounders", "sampling_units"]

#: Columns of `circumstances`, from the narrowest to the widest.
KINDS = ("recording", "recorder", "site", "date", "hour")


def circumstances(table: pd.DataFrame) -> pd.DataFrame:
    """What was the same for ROIs that were recorded together, missing where it is not known.

    Args:
        table: the ROI table, `n` rows; a column `site` is believed where there is one.

    Returns:
        `n` rows of text: `recording` (with its root, where there are several), `recorder`, `site`
        (else the first folder of the recording's path, unless that is its label or split),
        `date` (`2022-01-31`) and `hour` (`00` to `23`) at which the ROI starts, by the recorder's
        clock.
    """
    hours = _hours_of(table)
    return pd.DataFrame(
        {
            "recording": _recordings(table),
            "recorder": table["recorder"],
            "site": _sites(table),
            "date": hours.str[:10],
            "hour": hours.str[11:],
        },
        index=table.index,
    )


def sampling_units(table: pd.DataFrame, unit: str) -> "pd.Series[str]":
    """What was sampled at once, `(n,)` texts.

    Args:
        table: the ROI table, `n` rows.
        unit: `recording`; or `hour`: a clock hour of one recorder at one site, and where nobody
            knows when a recording was made, an hour of that recording.

    Raises:
        KeyError: there is no such unit.
    """
    return _UNITS[unit](table)


def _recordings(table: pd.DataFrame) -> "pd.Series[str]":
    roots, names = table["root"].astype("str"), table["recording"].astype("str")
    return names if roots.nunique() < 2 else roots + "/" + names


def _hours(table: pd.DataFrame) -> "pd.Series[str]":
    about = circumstances(table)
    place = table["root"].astype(str)
    for name in ("site", "recorder"):
        place = place + "\0" + about[name].astype(object).fillna("").astype(str)
    by_clock = place + "\0" + about["date"] + "\0" + about["hour"]
    of_recording = about["recording"] + "\0" + (table["start_s"] // 3600).astype(int).astype(str)
    return by_clock.where(about["date"].notna(), of_recording)


_UNITS = {"recording": _recordings, "hour": _hours}


def _hours_of(table: pd.DataFrame) -> "pd.Series[str]":
    """`2022-01-31 23` of each ROI's start by the clock of the recorder, whatever its offset."""
    local = pd.to_datetime(table["recorded_at"].str[:19], errors="coerce")
    began = local + pd.to_timedelta(table["start_s"], unit="s")
    # There are few hours beside ROIs, and writing one out takes long.
    codes, hours = pd.factorize(began.dt.floor("h"))
    texts = pd.Series(pd.DatetimeIndex(hours).strftime("%Y-%m-%d %H"), dtype="str")
    return pd.Series(texts.reindex(codes).array, index=table.index, dtype="str")


def _sites(table: pd.DataFrame) -> "pd.Series[str]":
    nowhere = pd.Series(None, index=table.index, dtype="str")
    if "site" in table.columns:
        return table["site"].astype("str")
    first = table["recording"].str.split("/", n=1).str[0]
    below = table["recording"].str.contains("/", regex=False)
    sites = first.where(below & ~first.isin(SPLITS), nowhere)
    # Sets of clips are sorted into folders by what is to be heard, not by where it was recorded.
    by_label = (sites == table["label"]).fillna(False).astype(bool)
    return nowhere if by_label.any() else sites


#: What `confounders` says; see there.
COLUMNS = ("what", "cluster", "groups", "rois", "ami", "warning")
# From here on a circumstance shares more with the clusters than it leaves.
_STRONG = 0.5


def confounders(table: pd.DataFrame) -> pd.DataFrame:
    """Agreement of the clusters with recording, recorder, site, date and hour, and warnings.

    AMI is over the clustered ROIs of which the circumstance is known, 0 where clusters have
    nothing to do with it and 1 where they are the same; missing where there is but one group.

    Args:
        table: ROIs with their `cluster`, as `RunResult.table`.

    Returns:
        First a row for each circumstance: `what`, how many `groups` (recordings, recorders, ...)
        and `rois`, `ami`, and a `warning` where it is 0.5 or more. Then a row for each `cluster`
        of two ROIs or more that lives in one recording only, with its warning; none where there
        is but one recording. What does not apply is missing, `warning` empty.
    """
    clustered = table[table["cluster"] >= 0]
    about = circumstances(clustered)
    rows = [_agreement(what, about[what], clustered["cluster"]) for what in KINDS]
    if about["recording"].nunique() > 1:
        rows += _lone(clustered["cluster"], about["recording"])
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    types = {"what": "str", "cluster": "Int64", "ami": "float64", "warning": "str"}
    return found.astype(types)


def _agreement(
    what: str, groups: "pd.Series[str]", clusters: "pd.Series[int]"
) -> dict[str, object]:
    known = groups.notna()
    codes, names = pd.factorize(groups[known])
    ami, warning = float("nan"), ""
    if len(names) > 1:
        found = np.asarray(clusters[known], dtype=np.int64)
        ami = adjusted_mutual_information(found, codes.astype(np.int64))
    if ami >= _STRONG:
        warning = (
            f"Clusters go with the {what} (AMI {ami:.2f}): they may tell apart {what}s rather "
            "than call types. Listen across."
        )
    return {
        "what": what,
        "cluster": pd.NA,
        "groups": len(names),
        "rois": int(known.sum()),
        "ami": ami,
        "warning": warning,
    }


def _lone(clusters: "pd.Series[int]", recordings: "pd.Series[str]") -> list[dict[str, object]]:
    """A row for each cluster of one recording."""
    by_cluster = recordings.groupby(clusters)
    sizes, counts, first = by_cluster.size(), by_cluster.nunique(), by_cluster.first()
    lone = sizes.index[(counts == 1) & (sizes > 1)]
    return [
        {
            "what": "recording",
            "cluster": int(number),
            "groups": 1,
            "rois": int(sizes[number]),
            "ami": float("nan"),
            "warning": f"Cluster {number} ({sizes[number]} ROIs) lives in one recording only: "
            f"{first[number]}.",
        }
        for number in lone
    ]
