"""Run `darksound mec` of many embeddings from a file, and its exports: time, memory and disk.

    python benchmarks/scale_whole.py [--sizes 60000 1000000] [--dim 512] [--options --iterations 1]

The embeddings are those of `scale.py`, in `vectors.npy` with a table beside it that has a recording
for each 50 ROIs, each of ten to a site; the recordings themselves do not exist, so the page has no
sound. Each command is a process of its own; peak memory is that of the process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from scale import synthetic

#: Formats that need no sound.
EXPORTS = ("csv", "parquet", "raven", "audacity")
SIZES = (60_000, 1_000_000)
_ROIS_A_RECORDING, _SPACING_S, _LENGTH_S = 50, 6.0, 3.0
_BLOCK = 8192


def write_vectors(folder: Path, n: int, dim: int) -> Path:
    """Write `n` embeddings and their table; return the path of the embeddings."""
    path = folder / "vectors.npy"
    vectors, groups = synthetic(n, dim)
    mapped = open_memmap(path, "w+", np.float32, (n, dim))
    for start in range(0, n, _BLOCK):
        mapped[start : start + _BLOCK] = vectors[start : start + _BLOCK]
    mapped.flush()
    number = np.arange(n)
    recording = number // _ROIS_A_RECORDING
    start_s = _SPACING_S * (number % _ROIS_A_RECORDING)
    names = [f"site-{each // 10:05d}/{each:06d}.wav" for each in recording]
    labels = [None if group < 0 else f"group-{group:04d}" for group in groups]
    columns = {"recording": names, "start_s": start_s, "end_s": start_s + _LENGTH_S}
    pd.DataFrame({**columns, "label": labels}).to_parquet(folder / "vectors.rois.parquet")
    return path


def run(arguments: list[str], cache: Path) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak memory in MB of a command; print its messages."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "darksound", *arguments],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "DARKSOUND_CACHE": str(cache)},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # 3: some inputs were left out, here the sound of the recordings.
    if process.returncode not in (0, 3):
        raise SystemExit(f"darksound {' '.join(arguments)}: exit status {process.returncode}")
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6


def size_mb(path: Path) -> float:
    parts = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    return sum(part.stat().st_size for part in parts) / 1e6


def measure(n: int, dim: int, options: list[str]) -> None:
    """Print time, memory and disk of each command for `n` embeddings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vectors = write_vectors(folder, n, dim)
        print(f"{n:,} embeddings of {dim} dimensions, {size_mb(vectors):,.0f} MB", flush=True)
        result = folder / "run"
        lines = {"mec": ["mec", "--embeddings", str(vectors), "--out", str(result), *options]}
        for kind in EXPORTS:
            out = folder / f"export-{kind}"
            if kind in ("csv", "parquet"):
                out = out.with_suffix(f".{kind}")
            lines[kind] = ["export", str(result), "--format", kind, "--out", str(out), "--quiet"]
        for what, line in lines.items():
            load = os.getloadavg()[0]
            seconds, cpu_s, memory = run(line, folder / "cache")
            written = Path(line[line.index("--out") + 1])
            print(
                f"  {what}: {seconds:.1f} s, {cpu_s:.1f} s of CPU, {memory:,.0f} MB of memory, "
                f"{size_mb(written):,.1f} MB on disk (load before {load:.1f})",
                flush=True,
            )
        print(f"  page {size_mb(result / 'report.html'):.1f} MB")
        print(pd.read_csv(result / "iterations.csv").to_string(index=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="of `darksound mec`"
    )
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores", flush=True)
    for n in given.sizes:
        measure(n, given.dim, given.options)


if __name__ == "__main__":
    main()
