"""The content of the cluster cards and of the noise card."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.metrics import NOISE
from darksound.cluster.structure import why_noise
from darksound.report.confounders import recording_context
from darksound.report.page.clips import ThumbnailScale, encode_webp
from darksound.report.page.media import RenderedMedia, to_base64
from darksound.report.page.members import (
    NOISE_SHOWN,
    ClusterMembers,
    nearest_clusters,
    outlying_noise,
)
from darksound.report.result import MecResult

__all__ = ["RoiCodes", "cluster_cards", "noise_card"]

_NEAREST = 3
_TOP = 6
_HOURS = 24
# Where ROIs have no frequency bounds, the band of a cluster lies between these quantiles of the
# energy of its mean spectrogram.
_BAND = (0.05, 0.95)
# Noise ROIs below this quantile of the SNR of clustered ROIs count as faint.
_FAINT = 0.1
_BINS = 10
# Bits of the column of quality flags.
_MAX_FLAGS = 14


class RoiCodes:
    """Recording, site, label, recorder and hour of each ROI as codes `(n,)`, -1 where unknown.

    Attributes:
        numbers: codes by `recording`, `site`, `label`, `recorder` and `hour`; `flags` is the sum of
            2 ** i for each quality flag i that a ROI has.
        names: names of the codes but `hour`; the quality flags.
    """

    def __init__(self, rois: pd.DataFrame) -> None:
        context = recording_context(rois).assign(label=rois["label"])
        self.numbers: dict[str, npt.NDArray[np.int64]] = {}
        self.names: dict[str, list[str]] = {}
        for what in ("recording", "site", "label", "recorder"):
            codes, names = pd.factorize(context[what], sort=True)
            self.numbers[what] = np.asarray(codes, dtype=np.int64)
            self.names[what] = [str(name) for name in names]
        self.numbers["hour"] = np.asarray(context["hour"].astype("float64").fillna(-1), np.int64)
        flags = rois["quality_flags"].fillna("").str.split()
        self.names["flags"] = sorted({flag for row in flags for flag in row})[:_MAX_FLAGS]
        self.numbers["flags"] = sum(
            (
                2**i * np.array([flag in row for row in flags], dtype=np.int64)
                for i, flag in enumerate(self.names["flags"])
            ),
            start=np.zeros(len(rois), dtype=np.int64),
        )


def cluster_cards(
    result: MecResult,
    members: Mapping[int, ClusterMembers],
    media: RenderedMedia,
    codes: RoiCodes,
    scale: ThumbnailScale,
) -> list[dict[str, Any]]:
    """Return the content of a card for each cluster, as plain values for the script."""
    nearest = nearest_clusters(members, _NEAREST)
    call_types = _call_types(result)
    cards = []
    for number, cluster in members.items():
        table = result.table.iloc[cluster.order]
        mean = media.means.get(number)
        cards.append(
            {
                "number": number,
                "supercluster": int(table["supercluster"].iloc[0]),
                "size": len(cluster.order),
                "share": len(cluster.order) / len(result),
                "medoid": cluster.medoid,
                "typical": cluster.typical.tolist(),
                "borderline": cluster.borderline.tolist(),
                "mean_image": None if mean is None else _mean_image(mean),
                "n_averaged": media.averaged.get(number, 0),
                "band": _band(table, mean, scale),
                "duration": _quartiles(table["end_s"] - table["start_s"]),
                "probability": float(table["probability"].mean()),
                "persistence": _first_number(table, "persistence"),
                "stability": _first_number(table, "stability"),
                "nearest": nearest[number],
                "call_type": call_types.get(number),
                **_occurrence(cluster.order, codes),
            }
        )
    return cards


def noise_card(result: MecResult, codes: RoiCodes) -> dict[str, Any]:
    """Return the content of the noise card: counts, and possible reasons."""
    table = result.table
    noise = table["cluster"] == NOISE
    rows = np.flatnonzero(noise)
    noise_table = table[noise]
    assigned = noise_table["assigned_cluster"]
    faint = table.loc[~noise, "snr_db"].quantile(_FAINT)
    bins = np.linspace(0, 1, _BINS + 1)
    return {
        "size": len(noise_table),
        "share": len(noise_table) / len(table),
        "assigned": int((assigned.fillna(NOISE) != NOISE).sum()),
        "rejected": int((assigned.fillna(0) == NOISE).sum()),
        "not_computed": int(assigned.isna().sum()),
        "min_assigned_probability": result.settings.mec.min_assigned_probability,
        "flagged": _flag_counts(noise_table["quality_flags"]),
        "faint": None if pd.isna(faint) else int((noise_table["snr_db"] < faint).sum()),
        "faint_db": None if pd.isna(faint) else float(faint),
        "outlier_bins": np.histogram(noise_table["outlier_score"], bins)[0].tolist(),
        "reason": why_noise(result.settings, len(table)),
        "examples": outlying_noise(result)[:NOISE_SHOWN].tolist(),
        **_occurrence(rows, codes),
    }


def _call_types(result: MecResult) -> dict[int, dict[str, str]]:
    """Return id and status of the call type of each cluster; empty without a catalogue."""
    types = result.call_types
    if types is None:
        return {}
    rows = zip(types["cluster"], types["type_id"], types["status"], strict=True)
    return {int(number): {"id": type_id, "status": status} for number, type_id, status in rows}


def _mean_image(mean: npt.NDArray[np.float32]) -> str:
    # Differences between clips make a mean pale, so its peak is scaled to black.
    bright = 255 * mean / max(float(mean.max()), 1.0)
    return to_base64(encode_webp(bright.round().astype(np.uint8)))


def _occurrence(rows: npt.NDArray[np.int64], codes: RoiCodes) -> dict[str, Any]:
    selected = {what: numbers[rows] for what, numbers in codes.numbers.items()}
    hours, labels = selected["hour"], selected["label"]
    known = hours[hours >= 0]
    return {
        "hours": np.bincount(known, minlength=_HOURS).tolist() if known.size else None,
        "recordings": _top_counts(selected["recording"]),
        "n_recordings": len(np.unique(selected["recording"])),
        "labels": _top_counts(labels[labels >= 0]),
    }


def _top_counts(values: npt.NDArray[np.int64]) -> list[list[int]]:
    """Return the most frequent values with their counts, the most frequent first."""
    numbers, counts = np.unique(values, return_counts=True)
    order = np.lexsort((numbers, -counts))[:_TOP]
    return [[int(numbers[i]), int(counts[i])] for i in order]


def _flag_counts(flags: pd.Series) -> list[list[Any]]:
    counts = flags.dropna().str.split().explode().dropna().value_counts()
    return [[str(flag), int(count)] for flag, count in counts.items()]


def _quartiles(values: pd.Series) -> list[float]:
    return [float(value) for value in np.percentile(values, (25, 50, 75))]


def _first_number(table: pd.DataFrame, name: str) -> float | None:
    # Runs of earlier versions have no such column.
    if name not in table.columns or pd.isna(table[name].iloc[0]):
        return None
    return float(table[name].iloc[0])


def _band(
    table: pd.DataFrame, mean: npt.NDArray[np.float32] | None, scale: ThumbnailScale
) -> dict[str, Any] | None:
    """Return lower and upper edge in Hz, and whether they are from the mean spectrogram."""
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
