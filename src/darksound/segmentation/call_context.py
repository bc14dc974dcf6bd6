"""What surrounds a ROI for many seconds: whether its band is busy with sounds as loud as it."""

import numpy as np
import numpy.typing as npt

from darksound.segmentation.grid import Grid

__all__ = ["CONTEXT_FEATURES", "context_features"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ratio = npt.NDArray[np.float32]

# Octaves on either side of the loudest frequency of a ROI.
_BANDS = {"core": 1 / 12, "near": 1 / 3, "octave": 1.0}
# Seconds on either side of its middle. At the border of a block there may be less.
_REACHES_S = {"10s": 10.0, "20s": 20.0}
# Apart from these seconds around its middle, the time before and after is compared.
_APART_S = 3.4
# Seconds of which the loudest point counts.
_STEP_S = 0.085
# Decibels over background of sound; sounds as loud as a ROI are at most so many below it.
_SOUND_DB, _AS_LOUD_DB = 8.0, 6.0
_LOWEST_DB, _HIGHEST_DB = -10.0, 50.0
_QUANTILES = {"p20": 0.2, "p50": 0.5, "p80": 0.8, "p95": 0.95}

#: Names of the features, in the order of their columns.
CONTEXT_FEATURES = tuple(
    f"{band}_{name}"
    for band in _BANDS
    for name in (
        *(
            f"{reach}_{name}"
            for reach in _REACHES_S
            for name in ("occupied", "as_loud", "onsets", *_QUANTILES)
        ),
        "before",
        "after",
    )
)


def context_features(
    first: Ints, last: Ints, peak: Ints, ratio: Ratio, grid: Grid
) -> dict[str, Floats]:
    """Return what the bands of each ROI have in the seconds around it, by name.

    Levels are in decibels relative to the ROI's own, others are shares of the time.

    Args:
        first: first frame of each ROI, `(n,)`.
        last: its last frame.
        peak: its loudest band.
        ratio: power over background of the block, `(frames, bands)`.
        grid: frames and bands.
    """
    step = max(round(_STEP_S / grid.frame_s), 1)
    # The last step is shorter, if need be.
    n_full = len(ratio) // step * step
    steps = ratio[:n_full].reshape(-1, step, ratio.shape[1])
    # By frames of the steps, which is several times faster than a maximum along the middle axis.
    loudest = steps[:, 0].copy() if n_full else np.empty((0, ratio.shape[1]), np.float32)
    for frame in range(1, step):
        np.maximum(loudest, steps[:, frame], out=loudest)
    if n_full < len(ratio):
        loudest = np.concatenate([loudest, ratio[n_full:].max(axis=0, keepdims=True)])
    step_s = step * grid.frame_s
    middle = (first + last) // 2 // step
    columns: dict[str, Floats] = {}
    for name, octaves in _BANDS.items():
        levels = _levels(loudest, peak, octaves, grid)
        columns |= _around(levels, (first // step, middle, last // step), step_s, name)
    return columns


def _levels(loudest: Ratio, peak: Ints, octaves: float, grid: Grid) -> Ratio:
    """Return the loudest point of the bands around each peak in each step in dB, `(n, steps)`."""
    bands, inverse = np.unique(peak, return_inverse=True)
    hertz = (grid.first_bin + bands) * grid.band_hz
    edges = np.round(hertz[:, None] * 2.0 ** np.array([-octaves, octaves]) / grid.band_hz)
    low = np.clip(edges[:, 0].astype(np.int64) - grid.first_bin, 0, bands)
    high = np.clip(edges[:, 1].astype(np.int64) - grid.first_bin, bands, grid.bands - 1)
    rows = np.stack([loudest[:, a : b + 1].max(axis=1) for a, b in zip(low, high, strict=True)])
    decibels = 10 * np.log10(np.maximum(rows, np.float32(1e-3)))
    levels: Ratio = np.clip(decibels, _LOWEST_DB, _HIGHEST_DB)[inverse]
    return levels


def _around(
    levels: Ratio, places: tuple[Ints, Ints, Ints], step_s: float, name: str
) -> dict[str, Floats]:
    """Return the features of levels `(n, steps)`, with the first, middle and last step of ROIs."""
    first, middle, last = places
    n_steps = levels.shape[1]
    steps = np.arange(n_steps)
    reach = max(round(max(_REACHES_S.values()) / step_s), 1)
    offsets = np.arange(-reach, reach)
    where = middle[:, None] + offsets
    seen = (where >= 0) & (where < n_steps)
    around = np.take_along_axis(levels, np.clip(where, 0, n_steps - 1), axis=1)
    inside = (steps >= first[:, None]) & (steps <= last[:, None])
    own = np.where(inside, levels, -np.inf).max(axis=1)
    own = np.where(
        np.isfinite(own), own, levels[np.arange(len(own)), np.minimum(middle, n_steps - 1)]
    )
    columns: dict[str, Floats] = {}
    for of_reach, seconds in _REACHES_S.items():
        width = max(round(seconds / step_s), 1)
        part = slice(reach - width, reach + width)
        columns |= {
            f"{name}_{of_reach}_{key}": values
            for key, values in _statistics(around[:, part], seen[:, part], own).items()
        }
    apart = max(round(_APART_S / step_s), 1)
    for side, chosen in (("before", offsets < -apart), ("after", offsets >= apart)):
        used = seen & chosen
        total = np.where(used, around, 0).sum(axis=1, dtype=np.float64)
        count = used.sum(axis=1)
        mean = total / np.maximum(count, 1) - own
        columns[f"{name}_{side}"] = np.where(count > 0, mean, 0.0)
    return columns


def _statistics(
    levels: Ratio, seen: npt.NDArray[np.bool_], own: npt.NDArray[np.floating]
) -> dict[str, Floats]:
    """Return the features of levels `(n, steps)` where they are seen."""
    n = len(levels)
    count = np.maximum(seen.sum(axis=1), 1)
    loud = seen & (levels > np.maximum(own - _AS_LOUD_DB, _AS_LOUD_DB)[:, None])
    ranked = np.sort(np.where(seen, levels, np.inf), axis=1)
    quantiles = {
        key: (ranked[np.arange(n), (share * (count - 1)).astype(np.int64)] - own).astype(np.float64)
        for key, share in _QUANTILES.items()
    }
    return {
        "occupied": (seen & (levels > _SOUND_DB)).sum(axis=1) / count,
        "as_loud": (seen & (levels > own[:, None] - _AS_LOUD_DB)).sum(axis=1) / count,
        "onsets": (loud[:, 1:] & ~loud[:, :-1]).sum(axis=1) / count,
        **quantiles,
    }
