"""Compare detection histories of made seasons with what is true, cell by cell.

Each seed is a season of `darksound synth --sites`, goes through `darksound mec` and
`darksound export --format occupancy`, with clusters named by the species of most of their ROIs:

    python benchmarks/season.py --seeds 1 2 3 --out seasons
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from darksound.report.result import read_run


def call(*words: object) -> float:
    """Run a command of darksound, and return its seconds."""
    start = time.monotonic()
    command = [sys.executable, "-m", "darksound", *map(str, words), "-q"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def species_of(rois: pd.DataFrame, events: pd.DataFrame) -> "pd.Series[str]":
    """Return the species of the song that shares most time with each ROI, else an empty text."""
    calls = dict(iter(events[events["kind"] == "call"].groupby("recording")))
    found = []
    for roi in rois.to_dict("records"):
        songs = calls.get(roi["recording"])
        best = ""
        if songs is not None:
            ends = np.minimum(songs["end_s"], roi["end_s"])
            shared = ends - np.maximum(songs["start_s"], roi["start_s"])
            best = str(songs["label"][shared.idxmax()]) if (shared > 0).any() else ""
        found.append(best)
    return pd.Series(found, index=rois.index)


def write_review(rois: pd.DataFrame, species: "pd.Series[str]", path: Path) -> None:
    """Write a review that names each cluster by the species of most of its ROIs."""
    names = species.groupby(rois["cluster"]).agg(lambda each: each.value_counts().index[0])
    named = rois["cluster"].map(names.drop(-1, errors="ignore")).fillna("")
    rows = rois.assign(group=rois["cluster"], name=named, rejected="false")
    rows.to_csv(path, index=False)


def score(folder: Path, arguments: argparse.Namespace, seed: int) -> dict[str, object]:
    """Make a season, and return the numbers of cells that are equal and that differ."""
    season, run, review = (folder / name for name in ("season", "run", "review.csv"))
    seconds = {
        "synth": call(
            *("synth", "--out", season, "--sites", arguments.sites, "--days", arguments.days),
            *("--species", arguments.species, "--seed", seed),
        ),
        "mec": call(
            *("mec", "--data", season, "--sites", season / "sites.csv", "--out", run),
            *("--iterations", arguments.iterations, "--no-report"),
        ),
    }
    rois = read_run(run).table
    species = species_of(rois, pd.read_csv(season / "events.csv"))
    write_review(rois, species, review)
    truth = pd.read_csv(season / "detections.csv").rename(columns={"label": "name"})
    expected = truth.set_index(["name", "site", "date"])["detected"]
    wrong: dict[str, object] = {}
    for least in arguments.min_probability:
        out = folder / f"found-{least}"
        seconds["export"] = call(
            *("export", run, "--format", "occupancy", "--review", review, "--out", out),
            *("--min-probability", least),
        )
        found = pd.read_csv(out / "detections.csv").rename(columns={"start": "date"})
        given = found.set_index(["name", "site", "date"])["detected"].reindex(expected.index)
        wrong |= {
            f"false 1 from {least}": int(((given == 1) & (expected != 1)).sum()),
            f"false 0 from {least}": int(((given == 0) & (expected != 0)).sum()),
            f"false NA from {least}": int((given.isna() & expected.notna()).sum()),
        }
    clustered = rois["cluster"] >= 0
    top = species[clustered].groupby(rois["cluster"]).agg(lambda each: each.value_counts().iloc[0])
    return {
        "seed": seed,
        "recordings": len(pd.read_csv(season / "recordings.csv")),
        "ROIs": len(rois),
        "clusters": int(rois.loc[clustered, "cluster"].nunique()),
        "purity": round(float(top.sum() / clustered.sum()), 4),
        "cells": len(expected),
        "1": int((expected == 1).sum()),
        "0": int((expected == 0).sum()),
        "NA": int(expected.isna().sum()),
        **wrong,
        **{f"{name} s": round(value, 1) for name, value in seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1979])
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--species", type=int, default=6)
    parser.add_argument("--iterations", type=int, default=0)
    parser.add_argument("--min-probability", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--out", type=Path, required=True, help="New folder.")
    arguments = parser.parse_args()
    rows = []
    for seed in arguments.seeds:
        rows.append(score(arguments.out / str(seed), arguments, seed))
        print(pd.DataFrame(rows).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
