"""How many clusters so many recordings or hours show, and how many are still unseen.

A recording, or an hour of sound, is a sampling unit in which a cluster occurs or does not. The
curve is the expected number of clusters in `t` of the `T` units (Colwell et al. 2012, Journal of
Plant Ecology 5:3-21, eq. 17; Mao Tau), which needs no resampling; Chao2 (Chao 1987, Biometrics
43:783-791) estimates from the clusters of one and of two units how many none has shown.
"""

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln

from darksound.report.circumstances import sampling_units

__all__ = ["Accumulation", "Richness", "accumulate", "chao2", "rarefaction"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_NORMAL_95 = 1.959963984540054
# A curve of more points is not smoother to the eye.
_POINTS = 200


@dataclass(frozen=True)
class Richness:
    """An estimate of how many clusters there are, seen and unseen.

    Attributes:
        estimate: Chao2.
        low, high: its 95 % confidence interval, log-normal.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Accumulation:
    """How clusters accumulate.

    Attributes:
        unit: `recording` or `hour`.
        curve: a row a number of units: `units`, `mean` clusters, and `low` and `high` of the 95 %
            confidence interval.
        units: how many there are; only those with a ROI are known and counted.
        observed: clusters that were found.
        chao2: how many there are, unseen ones included.
    """

    unit: str
    curve: pd.DataFrame
    units: int
    observed: int
    chao2: Richness

    @property
    def unseen(self) -> float:
        """How many clusters are estimated to be still unseen."""
        return self.chao2.estimate - self.observed

    def as_table(self) -> pd.DataFrame:
        """The curve with the estimate in every row, as `accumulation.csv` has it."""
        estimate = self.chao2
        return self.curve.round(6).assign(
            unit=self.unit,
            observed=self.observed,
            chao2=estimate.estimate,
            chao2_low=estimate.low,
            chao2_high=estimate.high,
        )[["unit", *self.curve.columns, "observed", "chao2", "chao2_low", "chao2_high"]]


def accumulate(table: pd.DataFrame, unit: str = "recording") -> Accumulation:
    """The accumulation of clusters over recordings or hours.

    Args:
        table: ROIs with their `cluster`, as `RunResult.table`; noise (-1) is no cluster, but the
            units that hold nothing else count.
        unit: `recording` or `hour`, see `darksound.report.circumstances.sampling_units`.
    """
    units = sampling_units(table, unit)
    total = int(units.nunique())
    clustered = table["cluster"] >= 0
    pairs = pd.DataFrame({"cluster": table["cluster"][clustered], "unit": units[clustered]})
    incidence = np.asarray(pairs.drop_duplicates().groupby("cluster").size(), dtype=np.int64)
    return Accumulation(
        unit, rarefaction(incidence, total), total, int(incidence.size), chao2(incidence, total)
    )


def rarefaction(incidence: Ints, units: int) -> pd.DataFrame:
    """Expected clusters in `t` units, drawn without replacement from all.

    Exact (Colwell et al. 2012, eq. 17), with the unconditional variance of Colwell et al. 2004
    (Ecology 85:2717-2727, eq. 6), in which Chao2 stands for the unknown number of clusters.

    Args:
        incidence: `(k,)` in how many units each cluster occurs, 1 or more.
        units: how many units there are, `T`.

    Returns:
        At most some 200 rows from 1 to `T` units: `units`, `mean`, `low`, `high`.
    """
    steps = np.unique(np.linspace(1, units, min(units, _POINTS)).round().astype(np.int64))
    counts, clusters = np.unique(incidence, return_counts=True)
    missed = _missed(counts, units, steps)
    mean = ((1 - missed) * clusters).sum(axis=1)
    total = max(chao2(incidence, units).estimate, 1.0)
    variance = ((1 - missed) ** 2 * clusters).sum(axis=1) - mean**2 / total
    half = _NORMAL_95 * np.sqrt(np.maximum(variance, 0))
    low = np.maximum(mean - half, 0)
    return pd.DataFrame({"units": steps, "mean": mean, "low": low, "high": mean + half})


def chao2(incidence: Ints, units: int) -> Richness:
    """Chao2 with its log-normal interval (Chao 1987; Colwell et al. 2012, eq. 20).

    Where no cluster occurs in exactly two units, the bias-corrected form. Variances are those of
    Colwell's EstimateS (appendix B, eq. 10 to 14).

    Args:
        incidence: `(k,)` in how many units each cluster occurs, 1 or more.
        units: how many units there are.
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
    """The interval where nothing hints at unseen clusters, from how often the others occur."""
    p = exp(-incidences / seen)
    middle, half = seen / (1 - p), _NORMAL_95 * sqrt(seen * p) / (1 - p)
    return Richness(float(seen), max(float(seen), middle - half), middle + half)


def _missed(counts: Ints, units: int, steps: Ints) -> Floats:
    """`(steps, counts)` probability that none of `t` units shows a cluster of `y` of them:
    C(T - y, t) / C(T, t)."""
    y, t = counts[None, :].astype(np.float64), steps[:, None].astype(np.float64)
    left = units - y - t
    logs = gammaln(units - y + 1) + gammaln(units - t + 1)
    logs = logs - gammaln(np.maximum(left, 0) + 1) - gammaln(units + 1.0)
    chance: Floats = np.where(left < 0, 0.0, np.exp(logs))
    return chance
