"""Compare the estimated with the real time of `darksound mec`, alone and beside busy loops.

    python benchmarks/estimates.py [demo] [1000] [20000] [--loops 2] [--options --iterations 1 ...]

Each run is a new process with an empty cache. A number is so many ROIs of synthetic songs: 500
recordings with two songs each, every song in as many ROIs of shifted start as are needed. Printed
are, for each estimate in the log, when it was made, the seconds it stated, and the seconds that the
run took from then on; then the largest factor between the two. An estimate states one value, and a
range where the loop may end early.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from busy import busy_loops
from darksound.jobs.synth import SyntheticBirds, write_synthetic_recordings

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
ESTIMATE = re.compile(
    r"About ([\d.]+) (s|min|h) left(?:, ([\d.]+) (s|min|h) to ([\d.]+) (s|min|h))?"
)
SPECIES, BIRDS, TAKES, SONGS = 50, 5, 2, 2
SHIFT_S = 0.02


def write_rois(folder: Path, n_rois: int) -> Path:
    """Write recordings and a table of so many ROIs."""
    table = write_synthetic_recordings(SyntheticBirds(SPECIES, BIRDS, TAKES, SONGS), folder)
    table = table[["recording", "start_s", "end_s", "low_hz", "high_hz", "label"]]
    copies = -(-n_rois // len(table))
    shifted = [
        table.assign(start_s=table["start_s"] + i * SHIFT_S, end_s=table["end_s"] + i * SHIFT_S)
        for i in range(copies)
    ]
    path = folder / f"{n_rois}.csv"
    pd.concat(shifted).head(n_rois).to_csv(path, index=False)
    return path


def run(data: str, options: list[str]) -> tuple[float, list[tuple[float, re.Match[str]]]]:
    """Return the seconds of a run, and its estimates with the seconds at which they were made."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "darksound", "mec", "--data", data, *options]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--out", f"{folder}/run"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DARKSOUND_CACHE": f"{folder}/cache", "COLUMNS": "500"},
        )
        assert process.stderr is not None
        found = [
            (time.perf_counter() - start, match)
            for line in process.stderr
            if (match := ESTIMATE.search(line))
        ]
        if process.wait() not in (0, 3):
            sys.exit(f"{' '.join(command)} failed")
        return time.perf_counter() - start, found


def measure(name: str, data: str, loops: int, options: list[str]) -> None:
    """Print the estimates of a run and what it took."""
    load = os.getloadavg()[0]
    with busy_loops(loops):
        seconds, found = run(data, options)
    factors = []
    for made_s, match in found:
        value, unit, least, least_unit, most, most_unit = match.groups()
        stated, real = float(value) * UNITS[unit], seconds - made_s
        factors.append(max(stated / real, real / stated))
        span = ""
        if least:
            low, high = float(least) * UNITS[least_unit], float(most) * UNITS[most_unit]
            span = f" ({low:.0f} to {high:.0f} s)"
        print(f"  after {made_s:.1f} s: {stated:.0f} s{span}, really {real:.0f} s", flush=True)
    factor = f"{max(factors):.2f}" if factors else "none, too short for an estimate"
    print(
        f"{name}, {loops} loops, load before {load:.1f}: {seconds:.1f} s in all, "
        f"largest factor {factor}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", default=["demo", "1000", "20000"])
    parser.add_argument("--loops", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.data:
            data = name if name == "demo" else str(write_rois(Path(folder) / "songs", int(name)))
            for loops in (0, options.loops):
                measure(name, data, loops, options.options)


if __name__ == "__main__":
    main()
