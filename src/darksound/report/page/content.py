"""The data of the page for its script, without sounds and images."""

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.metrics import NOISE
from darksound.progress import duration
from darksound.report.accumulation import Accumulation, accumulate
from darksound.report.activity import Recorded, recorded_times
from darksound.report.confounders import confounders
from darksound.report.page.activity import activity_content, cells_of_rois
from darksound.report.page.cards import RoiCodes, noise_card
from darksound.report.page.clips import ThumbnailScale
from darksound.report.page.levels import PageLevels, page_levels
from darksound.report.page.media import column
from darksound.report.page.plan import stratum_codes
from darksound.report.result import MecResult
from darksound.report.tables import Table, iterations_tables
from darksound.run.manifest import Manifest
from darksound.settings import Settings, to_toml
from darksound.text import valid_text

__all__ = ["page_content", "point_columns", "run_details"]

_UNITS = ("recording", "hour")
_MAX_PROBLEMS = 200


def run_details(result: MecResult, recorded: Recorded) -> dict[str, Any]:
    """Return the content of the tab of the run, as plain values for the script."""
    tables = iterations_tables(result.iterations)
    return {
        "facts": _facts(result),
        "tables": [_as_plain(table) for table in tables],
        "curves": _curves(result.iterations),
        "notes": list(result.notes),
        "recorded": None if result.manifest is None else _recorded(result.manifest),
        "accumulation": [_as_curve(accumulate(result.table, unit, recorded)) for unit in _UNITS],
        "confounders": _confounders(result.table),
        "settings": to_toml(result.settings),
        "versions": [[name, version] for name, version in result.versions.items()],
        "problems": _problems(result),
    }


def _facts(result: MecResult) -> list[list[object]]:
    """Return what is known of the run, as keys of texts and values."""
    manifest = result.manifest
    facts: list[tuple[str, object]] = []
    if manifest is not None:
        facts = [
            ("data", ", ".join(manifest.inputs.data)),
            ("recorded", _recorded(manifest)),
            ("left_out", manifest.left_out or None),
            ("learner", _learner(result.settings, manifest.inputs.checkpoint)),
            ("command", " ".join(["darksound", *manifest.argv])),
            ("started", manifest.started),
            ("ended", manifest.ended),
        ]
    facts += [
        ("seed", str(result.settings.seed)),
        ("settings", f"hash {result.settings_hash}"),
        ("run", None if result.path is None else result.path.resolve()),
    ]
    return [
        [key, value if isinstance(value, int) else valid_text(str(value))]
        for key, value in facts
        if value not in (None, "")
    ]


def _recorded(manifest: Manifest) -> str | None:
    return None if not manifest.recorded_s else duration(manifest.recorded_s)


def _learner(settings: Settings, checkpoint: str | None) -> str:
    origin = checkpoint or f"weights: {settings.backbone.weights}"
    return f"{settings.learner.method} on {settings.backbone.name}, {origin}"


def _as_plain(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
        "marked": sorted(table.marked),
    }


def _curves(iterations: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics of the iterations that lie between 0 and 1, for a chart."""
    shown = (
        ("coverage", "coverage"),
        ("dbcv", "DBCV"),
        ("ami_previous", "AMI with the previous iteration"),
        ("ami_all", "AMI with the labels, all ROIs"),
    )
    return {
        "x": iterations["iteration"].tolist(),
        "kept": iterations.loc[iterations["kept"].astype(bool), "iteration"].tolist(),
        "series": [
            {"name": name, "y": iterations[column].tolist()}
            for column, name in shown
            if column in iterations.columns and iterations[column].notna().any()
        ],
    }


def _as_curve(accumulation: Accumulation) -> dict[str, Any]:
    return {
        "unit": accumulation.unit if accumulation.by_effort else f"{accumulation.unit}_found",
        "units": accumulation.units,
        "observed": accumulation.observed,
        "chao2": accumulation.chao2.estimate,
        "low": accumulation.chao2.low,
        "high": accumulation.chao2.high,
        "unseen": accumulation.unseen,
        "curve": {
            name: accumulation.curve[name].tolist() for name in ("units", "mean", "low", "high")
        },
    }


def _confounders(table: pd.DataFrame) -> dict[str, Any]:
    rows = confounders(table)
    overall = rows[rows["cluster"].isna()]
    return {
        "rows": overall[["what", "groups", "rois", "ami"]].to_numpy(dtype=object).tolist(),
        "warned": overall.loc[overall["warning"] != "", ["what", "ami"]].to_numpy(object).tolist(),
        "single_recording": rows["cluster"].dropna().astype(int).tolist(),
    }


def _problems(result: MecResult) -> dict[str, Any]:
    """Return the number of skipped inputs, and the first of them with their causes."""
    rows = [[problem.recording, problem.cause] for problem in result.rois.problems]
    return {"count": len(rows), "first": rows[:_MAX_PROBLEMS]}


def point_columns(
    result: MecResult, codes: RoiCodes, levels: PageLevels, cells: npt.NDArray[np.int64]
) -> dict[str, dict[str, str]]:
    """Return the columns of all ROIs as typed arrays; shares of 1 have 255 steps."""
    table = result.table
    kinds = {"x": "f4", "y": "f4", "start_s": "f8", "end_s": "f8"}
    columns = {name: column(table[name].to_numpy(), kind) for name, kind in kinds.items()}
    columns["stratum"] = column(stratum_codes(result), "u1")
    columns["cluster"] = _index(table["cluster"].to_numpy(np.int64))
    columns["assigned"] = _index(table["assigned_cluster"].fillna(NOISE).to_numpy(np.int64))
    for name in ("probability", "outlier_score", "assigned_probability"):
        columns[name] = column(_steps(table[name].to_numpy(np.float64)), "u1")
    for name, numbers in {**codes.numbers, "leaf": levels.leaf, "cell": cells}.items():
        columns[name] = _index(numbers)
    return columns


def page_content(
    result: MecResult, codes: RoiCodes, scale: ThumbnailScale, planned: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Return the data that do not depend on which ROIs have clips, as plain values.

    Args:
        result: the result of MEC.
        codes: codes of its ROIs.
        scale: scale of the thumbnails.
        planned: rows of the ROIs to check.
    """
    manifest = result.manifest
    recorded = recorded_times(result.rois.table, result.effort, result.sites)
    levels = page_levels(result)
    origin = (None, None) if manifest is None else (manifest.fingerprint, manifest.started)
    return {
        "run": result.name,
        # The key of the review in the storage of the browser.
        "key": "/".join(str(part) for part in (result.name, result.settings_hash, *origin)),
        "version": result.version,
        "language": result.settings.report.language,
        "map_title": result.map_title,
        "n": len(result),
        "n_clusters": result.n_clusters,
        "n_superclusters": result.n_superclusters,
        "n_recordings": len(codes.names["recording"]),
        "coverage": result.coverage,
        "kept": result.kept,
        "ids": result.rois.table["roi_id"].tolist(),
        "names": codes.names,
        "columns": point_columns(result, codes, levels, cells_of_rois(recorded)),
        "levels": levels.as_data(),
        "types": None if result.types is None else asdict(result.types),
        "dbcv": _kept_figure(result, "dbcv"),
        "plan": planned.tolist(),
        "noise": noise_card(result, codes),
        "details": run_details(result, recorded),
        "activity": activity_content(recorded, result.sites),
        "scale": {**asdict(scale), "max_clip_s": result.settings.report.max_clip_s},
    }


def _kept_figure(result: MecResult, name: str) -> float | None:
    iterations = result.iterations
    values = iterations.loc[iterations["iteration"] == result.kept, name].dropna()
    return float(values.iloc[0]) if len(values) else None


def _index(numbers: npt.NDArray[np.int64]) -> dict[str, str]:
    return column(numbers, "i2" if numbers.max(initial=0) < 2**15 else "i4")


def _steps(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.round(255 * np.clip(np.nan_to_num(shares), 0, 1))
