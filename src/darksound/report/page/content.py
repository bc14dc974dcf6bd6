"""All that the page's script is given, but for sound and pictures."""

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE
from darksound.report.page.cards import Codes, noise_card
from darksound.report.page.columns import column
from darksound.report.page.glimpse import Scale
from darksound.report.page.story import run_story
from darksound.report.run_result import RunResult

__all__ = ["page_content", "point_columns"]


def point_columns(result: RunResult, codes: Codes) -> dict[str, dict[str, str]]:
    """The columns of all ROIs, as typed arrays; what is a share of 1 has 255 steps."""
    table = result.table
    kinds = {"x": "f4", "y": "f4", "start_s": "f8", "end_s": "f8"}
    columns = {name: column(table[name].to_numpy(), kind) for name, kind in kinds.items()}
    columns["cluster"] = _index(table["cluster"].to_numpy(np.int64))
    columns["assigned"] = _index(table["assigned_cluster"].fillna(NOISE).to_numpy(np.int64))
    for name in ("probability", "outlier_score", "assigned_probability"):
        columns[name] = column(_steps(table[name].to_numpy(np.float64)), "u1")
    for name, numbers in codes.numbers.items():
        columns[name] = _index(numbers)
    return columns


def page_content(result: RunResult, codes: Codes, scale: Scale) -> dict[str, Any]:
    """What does not depend on which ROIs are heard, as plain values.

    Args:
        result: the run.
        codes: of its ROIs.
        scale: of the pictures.
    """
    clusters = result.clusters["cluster"]
    began = (result.manifest.get(name) for name in ("fingerprint", "started"))
    kept = result.iterations.loc[result.iterations["kept"].astype(bool), "iteration"]
    return {
        "run": result.name,
        # What the browser keeps a review under.
        "key": "/".join(str(part) for part in (result.name, result.settings_hash, *began)),
        "version": result.version,
        "n": len(result),
        "n_clusters": int(clusters[clusters != NOISE].nunique()),
        "n_recordings": len(codes.names["recording"]),
        "coverage": float((clusters != NOISE).mean()),
        "kept": int(kept.iloc[0]),
        "ids": result.rois["roi_id"].tolist(),
        "names": codes.names,
        "columns": point_columns(result, codes),
        "noise": noise_card(result, codes),
        "story": run_story(result),
        "scale": {**asdict(scale), "longest_s": result.settings.report.longest_s},
    }


def _index(numbers: npt.NDArray[np.int64]) -> dict[str, str]:
    return column(numbers, "i2" if numbers.max(initial=0) < 2**15 else "i4")


def _steps(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.round(255 * np.clip(np.nan_to_num(shares), 0, 1))
