"""The story of a run: what was done, with what, and how far the result is to be trusted."""

import csv
import json
from typing import Any

import pandas as pd

from darksound.report.accumulation import Accumulation, accumulate
from darksound.report.confounders import confounders
from darksound.report.run_result import RunResult
from darksound.report.tables import Table, iterations_tables
from darksound.settings import to_toml

__all__ = ["run_story"]

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
