"""Precision of a set of ROIs of which a stratified random sample was checked, with an interval."""

from dataclasses import dataclass
from math import inf, isinf, sqrt
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["Precision", "Strata", "Z", "wilson_interval"]

Floats = npt.NDArray[np.float64]

#: Quantile of the normal distribution for 95 % confidence.
Z = 1.959963984540054


def wilson_interval(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927, doi 10.2307/2276774).

    Args:
        share: observed proportion.
        n: sample size; infinity gives the proportion itself.
        z: quantile of the normal distribution for the confidence.
    """
    if isinf(n):
        return share, share
    centre = n * share + z**2 / 2
    half = z * sqrt(max(n * share * (1 - share), 0.0) + z**2 / 4)
    low, high = ((centre + sign * half) / (n + z**2) for sign in (-1, 1))
    return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class Precision:
    """Share of the ROIs of a set that are calls of its type.

    Attributes:
        estimate: the share; NaN if no ROI was checked.
        low, high: ends of the 95 % interval.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Strata:
    """Strata of a set of ROIs, of each of which a random sample was checked.

    Attributes:
        size: `(h,)` number of ROIs in each stratum.
        checked: `(h,)` number of them that were checked and decided.
        yes: `(h,)` number of these that are calls of the type.
        known, known_yes: number of ROIs that were checked outside of the sample, and of those of
            them that are calls of the type.
    """

    size: Floats
    checked: Floats
    yes: Floats
    known: int = 0
    known_yes: int = 0

    @property
    def n_rois(self) -> int:
        """Return the number of ROIs of the set."""
        return int(self.size.sum()) + self.known

    def collapsed(self) -> Self:
        """Return the strata in which something was checked, with the others shared out among them.

        ROIs of strata without a sample are assumed to be like those of the others.
        """
        is_checked = self.checked > 0
        if is_checked.all() or not is_checked.any():
            return self
        size, rest = self.size[is_checked], self.size[~is_checked].sum()
        grown = size + rest * size / size.sum()
        return type(self)(
            grown, self.checked[is_checked], self.yes[is_checked], self.known, self.known_yes
        )

    def precision(self) -> Precision:
        """Return the precision, weighted by the strata, with a Wilson interval.

        The interval is that of a simple random sample of the effective size
        1 / sum(W^2 (1 - f) / n): W is the share of a stratum in the ROIs, n the number of them that
        were checked, and f its share in the stratum (Kish 1965, corrected for finite sets).
        It is one number where all were checked.
        """
        n = self.n_rois
        if not n:
            return Precision(float("nan"), 0.0, 1.0)
        strata = self.collapsed()
        unknown = float(strata.size.sum())
        if unknown and not strata.checked.any():
            return Precision(float("nan"), self.known_yes / n, (self.known_yes + unknown) / n)
        # What was checked is certain.
        n_yes = self.known_yes + float(self.yes.sum())
        n_no = self.known + float(self.checked.sum()) - n_yes
        if not unknown:
            return Precision(n_yes / n, n_yes / n, n_yes / n)
        weight = strata.size / unknown
        share = float(weight @ (strata.yes / strata.checked))
        left = np.maximum(1 - strata.checked / strata.size, 0)
        factor = float((weight**2 * left / strata.checked).sum())
        low, high = wilson_interval(share, 1 / factor if factor else inf)

        def of_all(part: float) -> float:
            return (self.known_yes + unknown * part) / n

        return Precision(
            of_all(share), max(of_all(low), n_yes / n), min(of_all(high), 1 - n_no / n)
        )

    def clips_to_check(self, half_width: float) -> int:
        """Return how many more ROIs to check until the interval is about +- `half_width`.

        The share is taken to stay as it is, and further ROIs to be drawn in proportion to the
        sizes of the strata.
        """
        unknown, checked = float(self.size.sum()), float(self.checked.sum())
        share = (float(self.yes.sum()) + Z**2 / 2) / (checked + Z**2)
        more = 0
        while checked + more < unknown:
            n = checked + more
            left = 1 - n / unknown
            low, high = wilson_interval(share, n / left)
            if (high - low) / 2 * unknown / self.n_rois <= half_width:
                break
            more += 1
        return more
