"""Which pretrained weights fit the ROIs, and the front end that belongs to weights."""

import logging
from typing import Any

import numpy as np

from darksound.meta.backbones.build import resolve_weights
from darksound.meta.weights import BUNDLED, WIDE, bundled_path, front_end_of
from darksound.rois.roi_set import RoiSet
from darksound.settings import FrontEndSettings, Settings

__all__ = ["choose_weights", "describe_band", "low_share"]

logger = logging.getLogger(__name__)

# The weights with the lower band are chosen if at least this share of the ROIs have their loudest
# frequency, or the middle of their band, below the band of the others.
_MIN_LOW_SHARE = 0.05
# The other weights' images show hardly anything of a voice below this frequency.
_LOW_HZ = 500.0


def choose_weights(settings: Settings, rois: RoiSet | None = None) -> Settings:
    """Return the settings with the weights that fit the ROIs, and the front end of these weights.

    `backbone.weights` of `auto` stays as it is, unless the front end is that of the weights with
    the lower band, or the front end is that of the others and many ROIs are below it. The reason
    is logged. Keys of the front end with other values than the defaults stay too.

    Args:
        settings: of a run without a checkpoint.
        rois: its ROIs, if they are known.

    Raises:
        SettingsError: the backbone is unknown, or has no weights of the name in the settings.
    """
    weights = resolve_weights(settings.backbone)
    if settings.backbone.weights == "auto" and weights == BUNDLED:
        if _has_front_end(settings, WIDE):
            weights = WIDE
        elif rois is not None and _has_front_end(settings, BUNDLED):
            share = low_share(rois)
            if share >= _MIN_LOW_SHARE:
                weights = WIDE
                logger.info(
                    "%.0f %% of %d ROIs are centred below %g Hz, so the weights are %s, whose "
                    "images show %s (--weights %s keeps those of %s).",
                    100 * share,
                    len(rois),
                    _LOW_HZ,
                    WIDE,
                    describe_band(_front_end(WIDE)),
                    BUNDLED,
                    describe_band(_front_end(BUNDLED)),
                )
    if weights != WIDE:
        return settings
    defaults, current = (
        section.model_dump(mode="json") for section in (FrontEndSettings(), settings.front_end)
    )
    wanted = _front_end(WIDE)
    changed = {key: wanted[key] for key in wanted if current[key] == defaults[key] != wanted[key]}
    return settings.replace(backbone={"weights": WIDE}, front_end=changed)


def low_share(rois: RoiSet) -> float:
    """Return the share of the ROIs that are centred below 500 Hz.

    The centre of a ROI is its loudest frequency, or else the middle of its band; ROIs without
    both do not count as low.
    """
    if not len(rois):
        return 0.0
    table = rois.table
    centre = table["peak_hz"].fillna((table["low_hz"] + table["high_hz"]) / 2)
    return float(np.mean(centre.to_numpy(dtype=np.float64) < _LOW_HZ))


def describe_band(front_end: dict[str, Any]) -> str:
    """Return the band of the images of a front end, such as `150 Hz to 11.5 kHz`."""
    high_hz = front_end["high_hz"]
    high = high_hz if isinstance(high_hz, str) else f"{high_hz / 1000:g} kHz"
    return f"{front_end['low_hz']:g} Hz to {high}"


def _has_front_end(settings: Settings, weights: str) -> bool:
    """Return whether the front end is that of bundled weights."""
    current = settings.front_end.model_dump(mode="json")
    return all(current[key] == value for key, value in _front_end(weights).items())


def _front_end(weights: str) -> dict[str, Any]:
    return front_end_of(bundled_path(weights))
