"""Where recordings are from, asked of many at once."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darksound.audio.origin.origin import Origin, origin_of
from darksound.data.demo import DEMO
from darksound.data.survey import in_threads
from darksound.settings import Settings

__all__ = ["origins_of", "told_by", "with_origins"]

_COLUMNS = ("recorded_at", "recorder", "gain")


def told_by(origin: Origin) -> dict[str, str | None]:
    """What an origin tells, as columns of the ROI table."""
    return {name: getattr(origin, name) for name in _COLUMNS}


def origins_of(root: Path, recordings: Sequence[str], settings: Settings) -> dict[str, Origin]:
    """Where each recording below `root` is from."""
    found = in_threads(lambda recording: origin_of(root / recording), recordings, settings)
    return dict(zip(recordings, found, strict=True))


def with_origins(rows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Rows with what their recordings tell of their origin, unless they have such columns.

    Args:
        rows: with `root` and `recording`.
        settings: how many threads ask.
    """
    if any(name in rows.columns for name in _COLUMNS):
        return rows
    parts = []
    for root, own in rows.groupby("root", sort=False):
        names = own["recording"].unique().tolist()
        asked = {} if DEMO.matches(str(root)) else origins_of(Path(str(root)), names, settings)
        told = [told_by(asked.get(name, Origin())) for name in own["recording"]]
        parts.append(pd.concat([own, pd.DataFrame(told, own.index)], axis=1))
    return pd.concat(parts).loc[rows.index] if parts else rows
