"""All that the page's script is given, but for sound and pictures."""

import csv
import json
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.metrics import NOISE
from darksound.report.accumulation import Accumulation, accumulate
from darksound.report.circumstances import confounders
from darksound.report.page.cards import Codes, noise_card
from darksound.report.page.clips import Scale
from darksound.report.page.encoding import column
from darksound.report.tables import Table, iterations_tables
from darksound.run.reading import RunResult
from darksound.settings import to_toml

__all__ = ["page_content", "point_columns", "run_story"]

_UNITS = ("recording", "hour")
_MOST_PROBLEMS = 200


def run_story(result: RunResult) -> dict[str, Any]:
    """What the page tells of the run, as plain values for its script."""
    manifest = result.manifest
    tables = iterations_tables(result.iterations)
    return {
        "facts": _facts(result),
        "tables": [_as_plain(table) for table in tables],
        "curves": _curves(result.iterations),
        "notes": _notes(result),
        "accumulation": [_as_curve(accumulate(result.table, unit)) for unit in _UNITS],
        "confounders": _confounders(result.table),
        "settings": to_toml(result.settings),
        "versions": [[name, version] for name, version in manifest.get("versions", {}).items()],
        "problems": _problems(result),
    }


def _facts(result: RunResult) -> list[list[str]]:
    manifest = result.manifest
    inputs = manifest.get("inputs", {})
    facts = [
        ("Data", ", ".join(inputs.get("data", ()))),
        ("Learner", _learner(result, inputs.get("checkpoint"))),
        ("Command", " ".join(["darksound", *manifest.get("argv", ())])),
        ("Begun", manifest.get("started")),
        ("Ended", manifest.get("ended")),
        ("Seed", manifest.get("seed")),
        ("Settings", f"hash {result.settings_hash}"),
        ("Run", str(result.path.resolve())),
    ]
    return [[name, str(value)] for name, value in facts if value not in (None, "")]


def _learner(result: RunResult, checkpoint: str | None) -> str:
    settings = result.settings
    begun = checkpoint or f"weights: {settings.backbone.weights}"
    return f"{settings.learner.method} on {settings.backbone.name}, {begun}"


def _as_plain(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
        "marked": sorted(table.marked),
    }


def _curves(iterations: pd.DataFrame) -> dict[str, Any]:
    """The figures of the iterations that lie between 0 and 1, for a chart."""
    shown = (
        ("coverage", "coverage"),
        ("dbcv", "DBCV"),
        ("ami_previous", "AMI with the iteration before"),
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


def _notes(result: RunResult) -> list[str]:
    """What was done differently, or ended early, as the journal has it."""
    try:
        lines = (result.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    notes: list[str] = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # a process was killed while it wrote
        if isinstance(entry, dict) and entry.get("event") == "result":
            notes = [str(note) for note in entry.get("notes", ())]
    return notes


def _as_curve(found: Accumulation) -> dict[str, Any]:
    return {
        "unit": found.unit,
        "units": found.units,
        "observed": found.observed,
        "chao2": found.chao2.estimate,
        "low": found.chao2.low,
        "high": found.chao2.high,
        "unseen": found.unseen,
        "curve": {name: found.curve[name].tolist() for name in ("units", "mean", "low", "high")},
    }


def _confounders(table: pd.DataFrame) -> dict[str, Any]:
    found = confounders(table)
    whole = found[found["cluster"].isna()]
    return {
        "rows": whole[["what", "groups", "rois", "ami"]].to_numpy(dtype=object).tolist(),
        "warnings": [warning for warning in whole["warning"] if warning],
        "lone": [
            [int(row["cluster"]), str(row["warning"])]
            for _, row in found[found["cluster"].notna()].iterrows()
        ],
    }


def _problems(result: RunResult) -> dict[str, Any]:
    """Inputs that were left out, from `errors.csv`; the first ones by name."""
    try:
        with (result.path / "errors.csv").open(encoding="utf-8", newline="") as file:
            rows = [[row["recording"], row["cause"]] for row in csv.DictReader(file)]
    except FileNotFoundError:
        rows = []
    return {"count": len(rows), "first": rows[:_MOST_PROBLEMS]}


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
        "scale": {**asdict(scale), "max_clip_s": result.settings.report.max_clip_s},
    }


def _index(numbers: npt.NDArray[np.int64]) -> dict[str, str]:
    return column(numbers, "i2" if numbers.max(initial=0) < 2**15 else "i4")


def _steps(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.round(255 * np.clip(np.nan_to_num(shares), 0, 1))
