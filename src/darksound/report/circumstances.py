"""Where and when each ROI was recorded, as far as its table tells."""

import pandas as pd

from darksound.data.folder import SPLITS

__all__ = ["KINDS", "circumstances", "sampling_units"]

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
