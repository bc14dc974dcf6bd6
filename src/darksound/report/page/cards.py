"""What is told of each cluster, and of the noise."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.metrics import NOISE
from darksound.cluster.structure import why_noise
from darksound.report.circumstances import circumstances
from darksound.report.page.clips import Scale, picture
from darksound.report.page.encoding import to_base64
from darksound.report.page.media import Media
from darksound.report.page.members import NOISE_SHOWN, Members, nearest_clusters, outlying_noise
from darksound.run.reading import RunResult

__all__ = ["Codes", "cluster_cards", "noise_card"]

_NEAREST = 3
_TOP = 6
_HOURS = 24
# A mean spectrogram's energy between these shares is a cluster's band, where nothing better is
# known.
_BAND = (0.05, 0.95)
# A ROI fainter than this share of the clustered ones counts as faint.
_FAINT = 0.1
_BINS = 10


class Codes:
    """What is known of each ROI as numbers `(n,)`, -1 where it is not, and what they mean.

    Attributes:
        numbers: by `recording`, `site`, `label` and `hour`.
        names: what the numbers of the first three mean.
    """

    def __init__(self, rois: pd.DataFrame) -> None:
        about = circumstances(rois).assign(label=rois["label"])
        self.numbers: dict[str, npt.NDArray[np.int64]] = {}
        self.names: dict[str, list[str]] = {}
        for what in ("recording", "site", "label"):
            codes, names = pd.factorize(about[what], sort=True)
            self.numbers[what] = np.asarray(codes, dtype=np.int64)
            self.names[what] = [str(name) for name in names]
        self.numbers["hour"] = np.asarray(about["hour"].astype("float64").fillna(-1), np.int64)


def cluster_cards(
    result: RunResult,
    members: Mapping[int, Members],
    media: Media,
    codes: Codes,
    scale: Scale,
) -> list[dict[str, Any]]:
    """A card for each cluster, as plain values for the page's script."""
    near = nearest_clusters(members, _NEAREST)
    cards = []
    for number, own in members.items():
        table = result.table.iloc[own.order]
        mean = media.means.get(number)
        cards.append(
            {
                "number": number,
                "size": len(own.order),
                "share": len(own.order) / len(result),
                "medoid": own.medoid,
                "typical": own.typical.tolist(),
                "borderline": own.borderline.tolist(),
                "mean": None if mean is None else _mean_picture(mean),
                "averaged": media.averaged.get(number, 0),
                "band": _band(table, mean, scale),
                "duration": _quartiles(table["end_s"] - table["start_s"]),
                "probability": float(table["probability"].mean()),
                "persistence": _persistence(table),
                "nearest": near[number],
                **_occurrence(own.order, codes),
            }
        )
    return cards


def noise_card(result: RunResult, codes: Codes) -> dict[str, Any]:
    """How many ROIs are noise, and what is known of why."""
    table = result.table
    noise = table["cluster"] == NOISE
    rows = np.flatnonzero(noise)
    own = table[noise]
    assigned = own["assigned_cluster"]
    faint = table.loc[~noise, "snr_db"].quantile(_FAINT)
    bins = np.linspace(0, 1, _BINS + 1)
    return {
        "size": len(own),
        "share": len(own) / len(table),
        "recognised": int((assigned.fillna(NOISE) != NOISE).sum()),
        "rejected": int((assigned.fillna(0) == NOISE).sum()),
        "not_asked": int(assigned.isna().sum()),
        "min_assigned_probability": result.settings.mec.min_assigned_probability,
        "flagged": _flag_counts(own["quality_flags"]),
        "faint": None if pd.isna(faint) else int((own["snr_db"] < faint).sum()),
        "faint_db": None if pd.isna(faint) else float(faint),
        "outlier_bins": np.histogram(own["outlier_score"], bins)[0].tolist(),
        "why": why_noise(result.settings, len(table)),
        "examples": outlying_noise(result)[:NOISE_SHOWN].tolist(),
        **_occurrence(rows, codes),
    }


def _mean_picture(mean: npt.NDArray[np.float32]) -> str:
    # Means are pale where clips differ; what they share is to be seen.
    bright = 255 * mean / max(float(mean.max()), 1.0)
    return to_base64(picture(bright.round().astype(np.uint8)))


def _occurrence(rows: npt.NDArray[np.int64], codes: Codes) -> dict[str, Any]:
    own = {what: numbers[rows] for what, numbers in codes.numbers.items()}
    hours, labels = own["hour"], own["label"]
    known = hours[hours >= 0]
    return {
        "hours": np.bincount(known, minlength=_HOURS).tolist() if known.size else None,
        "recordings": _top_counts(own["recording"]),
        "n_recordings": len(np.unique(own["recording"])),
        "labels": _top_counts(labels[labels >= 0]),
    }


def _top_counts(values: npt.NDArray[np.int64]) -> list[list[int]]:
    """The commonest values, each with how often it comes, the commonest first."""
    numbers, times = np.unique(values, return_counts=True)
    order = np.lexsort((numbers, -times))[:_TOP]
    return [[int(numbers[i]), int(times[i])] for i in order]


def _flag_counts(flags: pd.Series) -> list[list[Any]]:
    counts = flags.dropna().str.split().explode().dropna().value_counts()
    return [[str(flag), int(count)] for flag, count in counts.items()]


def _quartiles(values: pd.Series) -> list[float]:
    return [float(value) for value in np.percentile(values, (25, 50, 75))]


def _persistence(table: pd.DataFrame) -> float | None:
    # Runs of earlier versions did not keep it.
    if "persistence" not in table.columns:
        return None
    return float(table["persistence"].iloc[0])


def _band(
    table: pd.DataFrame, mean: npt.NDArray[np.float32] | None, scale: Scale
) -> dict[str, Any] | None:
    """Lower and upper edge in Hz, and whether it was measured on the mean spectrogram."""
    bounds = table[["low_hz", "high_hz"]].dropna()
    if 2 * len(bounds) >= len(table):
        low, high = bounds.median()
        return {"low_hz": float(low), "high_hz": float(high), "measured": False}
    if mean is None or not mean.any():
        return None
    energy = np.cumsum((mean.astype(np.float64) ** 2).sum(axis=1)[::-1])
    low, high = np.searchsorted(energy / energy[-1], _BAND) / len(energy)
    width = scale.high_hz - scale.low_hz
    return {
        "low_hz": scale.low_hz + low * width,
        "high_hz": scale.low_hz + (high + 1 / len(energy)) * width,
        "measured": True,
    }
