"""Accumulation of clusters over recordings or hours, and the number of unseen clusters.

A recording, or an hour of the clock, is a sampling unit in which a cluster is present or absent.
Where the effort is known, units without a ROI count too; otherwise only those with one. The curve
is the expected number of clusters in `t` of the `T` units (Colwell et al. 2012, Journal of Plant
Ecology 5:3-21, eq. 17; Mao Tau), which needs no resampling. Chao2 (Chao 1987, Biometrics
43:783-791) estimates the number of unseen clusters from those in one and in two units.
"""

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import gammaln

from darksound.report.activity import Recorded
from darksound.report.confounders import sampling_units
from darksound.report.figures import COLOURS

__all__ = [
    "UNIT_NAMES",
    "Accumulation",
    "Richness",
    "accumulate",
    "accumulation_plot",
    "chao2",
    "rarefaction",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: What the units of an accumulation are, by unit and by whether those without a ROI count. A short
#: recording is not an hour of sound.
UNIT_NAMES = {
    ("recording", True): "recordings",
    ("recording", False): "recordings with a ROI",
    ("hour", True): "recorded hours",
    ("hour", False): "hours with a ROI",
}

_ESTIMATES = ("chao2", "chao2_low", "chao2_high")
_NORMAL_95 = 1.959963984540054
_CURVE, _ESTIMATE = COLOURS[0], COLOURS[5]
# More points make no visible difference.
_MAX_POINTS = 200


@dataclass(frozen=True)
class Richness:
    """An estimate of the number of clusters, seen and unseen.

    Attributes:
        estimate: Chao2.
        low, high: its 95 % confidence interval, log-normal.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Accumulation:
    """The accumulation of clusters over sampling units.

    Attributes:
        unit: `recording` or `hour`.
        curve: one row for each number of units: `units`, `mean` number of clusters, and `low` and
            `high` of the 95 % confidence interval.
        units: number of units.
        observed: number of clusters in the data.
        chao2: estimated number of clusters, unseen ones included.
        by_effort: whether units without a ROI are counted.
    """

    unit: str
    curve: pd.DataFrame
    units: int
    observed: int
    chao2: Richness
    by_effort: bool = False

    @property
    def unit_name(self) -> str:
        """Return what the units are, in the plural."""
        return UNIT_NAMES[self.unit, self.by_effort]

    @property
    def unseen(self) -> float:
        """Return the estimated number of unseen clusters."""
        return self.chao2.estimate - self.observed

    def as_table(self) -> pd.DataFrame:
        """Return the content of `accumulation.csv`: the curve, with the estimate in every row."""
        estimate = self.chao2
        return self.curve.round(6).assign(
            unit=self.unit,
            by_effort=self.by_effort,
            observed=self.observed,
            chao2=estimate.estimate,
            chao2_low=estimate.low,
            chao2_high=estimate.high,
        )[["unit", "by_effort", *self.curve.columns, "observed", *_ESTIMATES]]


def accumulate(
    table: pd.DataFrame, unit: str = "recording", recorded: Recorded | None = None
) -> Accumulation:
    """Return the accumulation of clusters over recordings or hours.

    Args:
        table: ROIs with their `cluster`, as `MecResult.table`; noise (-1) is not a cluster, but
            units with noise only are counted.
        unit: `recording` or `hour`, see `Recorded.units` and, without effort,
            `darksound.report.confounders.sampling_units`.
        recorded: what was recorded, so that units without a ROI are counted; None: not known.
    """
    by_effort = recorded is not None and recorded.is_complete
    if recorded is not None and recorded.is_complete:
        total, numbers = recorded.units(unit)
        units = pd.Series(numbers, table.index)
        clustered = (table["cluster"] >= 0) & (units >= 0)
    else:
        units = sampling_units(table, unit)
        total = int(units.nunique())
        clustered = table["cluster"] >= 0
    pairs = pd.DataFrame({"cluster": table["cluster"][clustered], "unit": units[clustered]})
    incidence = np.asarray(pairs.drop_duplicates().groupby("cluster").size(), dtype=np.int64)
    curve, estimate = rarefaction(incidence, total), chao2(incidence, total)
    return Accumulation(unit, curve, total, int(incidence.size), estimate, by_effort)


def rarefaction(incidence: Ints, units: int) -> pd.DataFrame:
    """Return the expected number of clusters in `t` units drawn without replacement.

    Exact (Colwell et al. 2012, eq. 17), with the unconditional variance of Colwell et al. 2004
    (Ecology 85:2717-2727, eq. 6), with Chao2 as the number of clusters.

    Args:
        incidence: `(k,)` number of units with each cluster, at least 1.
        units: number of units `T`.

    Returns:
        At most about 200 rows from 1 to `T` units: `units`, `mean`, `low`, `high`.
    """
    steps = np.unique(np.linspace(1, units, min(units, _MAX_POINTS)).round().astype(np.int64))
    counts, clusters = np.unique(incidence, return_counts=True)
    absent = _absence(counts, units, steps)
    mean = ((1 - absent) * clusters).sum(axis=1)
    total = max(chao2(incidence, units).estimate, 1.0)
    variance = ((1 - absent) ** 2 * clusters).sum(axis=1) - mean**2 / total
    half = _NORMAL_95 * np.sqrt(np.maximum(variance, 0))
    low = np.maximum(mean - half, 0)
    return pd.DataFrame({"units": steps, "mean": mean, "low": low, "high": mean + half})


def chao2(incidence: Ints, units: int) -> Richness:
    """Return Chao2 with its log-normal interval (Chao 1987; Colwell et al. 2012, eq. 20).

    The bias-corrected form is used where no cluster occurs in exactly two units. Variances are
    those of Colwell's EstimateS (appendix B, eq. 10 to 14).

    Args:
        incidence: `(k,)` number of units with each cluster, at least 1.
        units: number of units.
    """
    seen = int(incidence.size)
    once, twice = int(np.sum(incidence == 1)), int(np.sum(incidence == 2))
    if not seen:
        return Richness(0.0, 0.0, 0.0)
    if not once:
        return _all_seen(seen, int(incidence.sum()))
    a = (units - 1) / units
    if twice:
        ratio = once / twice
        unseen = a * once**2 / (2 * twice)
        variance = twice * (a / 2 * ratio**2 + a**2 * ratio**3 + a**2 / 4 * ratio**4)
    else:
        unseen = a * once * (once - 1) / 2
        variance = (
            a * once * (once - 1) / 2
            + a**2 * once * (2 * once - 1) ** 2 / 4
            - a**2 * once**4 / (4 * (seen + unseen))
        )
    if unseen <= 0:
        return _all_seen(seen, int(incidence.sum()))
    spread = exp(_NORMAL_95 * sqrt(log(1 + max(variance, 0.0) / unseen**2)))
    return Richness(seen + unseen, seen + unseen / spread, seen + unseen * spread)


def _all_seen(seen: int, incidences: int) -> Richness:
    """Return the interval for no unseen clusters, from the mean incidence of the others."""
    p = exp(-incidences / seen)
    middle, half = seen / (1 - p), _NORMAL_95 * sqrt(seen * p) / (1 - p)
    return Richness(float(seen), max(float(seen), middle - half), middle + half)


def _absence(counts: Ints, units: int, steps: Ints) -> Floats:
    """Return the probability `(steps, counts)` that `t` units lack a cluster that is in `y` units.

    It is C(T - y, t) / C(T, t).
    """
    y, t = counts[None, :].astype(np.float64), steps[:, None].astype(np.float64)
    remaining = units - y - t
    logs = gammaln(units - y + 1) + gammaln(units - t + 1)
    logs = logs - gammaln(np.maximum(remaining, 0) + 1) - gammaln(units + 1.0)
    probability: Floats = np.where(remaining < 0, 0.0, np.exp(logs))
    return probability


def accumulation_plot(accumulation: Accumulation) -> Figure:
    """Return the rarefaction curve and the Chao2 estimate, both with their intervals."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    curve, estimate = accumulation.curve, accumulation.chao2
    axes.axhspan(estimate.low, estimate.high, color=_ESTIMATE, alpha=0.12, lw=0)
    axes.axhline(
        estimate.estimate,
        color=_ESTIMATE,
        ls="--",
        label=f"Chao2: {estimate.estimate:.1f} ({estimate.low:.1f} to {estimate.high:.1f})",
    )
    axes.fill_between(curve["units"], curve["low"], curve["high"], color=_CURVE, alpha=0.2, lw=0)
    # A line through one point is invisible.
    marker = "o" if len(curve) == 1 else ""
    axes.plot(curve["units"], curve["mean"], color=_CURVE, marker=marker, label="expected")
    axes.set_xlabel(accumulation.unit_name)
    axes.set_ylabel("clusters")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    return figure
