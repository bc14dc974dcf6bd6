"""Time commands alone and beside one busy loop a core: a fair share of the cores is half of them.

    python benchmarks/busy.py [train] [embed] [mec] [segment] [--rounds 3] [--small]

Each run is a new process with an empty cache. Runs alone and beside the loops alternate, and the
load before each is printed; start on a quiet machine. Printed are medians over the rounds of wall
time and CPU time (user and system, with worker processes), and the ratio of wall times, which
should be at most 2.5.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile as sf

LIMIT = 2.5
RATE = 48_000
#: Seconds of the recording that is segmented.
LONG_S, SHORT_S = 1200, 60
SMALL = {
    "train": ["--set", "training.episodes_per_epoch=4", "--set", "training.validation_episodes=2"],
    "embed": [],
    "mec": ["--iterations", "0", "--set", "report.page=false"],
    "segment": [],
}


def commands(folder: Path, small: bool) -> dict[str, list[str]]:
    """Return the arguments of each command, without its output."""
    recordings = folder / "recordings"
    recordings.mkdir()
    write_recording(recordings / "site.wav", SHORT_S if small else LONG_S)
    data = {"train": "demo:val" if small else "demo:train", "embed": "demo:test", "mec": "demo"}
    lines = {name: [name, "--data", source] for name, source in data.items()}
    lines["train"] += ["--epochs", "1"]
    lines["segment"] = ["segment", str(recordings)]
    return {name: line + (SMALL[name] if small else []) for name, line in lines.items()}


def write_recording(path: Path, seconds: int) -> None:
    """Write noise with a tone of 0.3 s every two seconds."""
    rng = np.random.default_rng(1979)
    wave = 0.01 * rng.standard_normal(seconds * RATE, dtype=np.float32)
    tone = 0.3 * np.sin(2 * np.pi * 4000 * np.arange(round(0.3 * RATE)) / RATE)
    for start in range(0, len(wave) - len(tone), 2 * RATE):
        wave[start : start + len(tone)] += tone.astype(np.float32)
    sf.write(path, wave, RATE)


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Run so many processes that do nothing but compute."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def run(arguments: list[str]) -> tuple[float, float]:
    """Return the wall and CPU seconds of a command with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / ("rois.parquet" if arguments[0] in ("segment", "embed") else "run")
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "darksound", *arguments, "--out", str(out), "--quiet"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "DARKSOUND_CACHE": f"{folder}/cache"},
        )
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu_s


def measure(name: str, arguments: list[str], rounds: int, loops: int) -> float:
    """Print the seconds of a command alone and beside the loops; return the ratio."""
    runs: dict[int, list[tuple[float, float]]] = {0: [], loops: []}
    for number in range(rounds):
        for count, results in runs.items():
            load = os.getloadavg()[0]
            with busy_loops(count):
                results.append(run(arguments))
            seconds, cpu_s = results[-1]
            print(
                f"  {name}, round {number + 1}, {count} loops: load before {load:.1f}, "
                f"{seconds:.1f} s, {cpu_s:.1f} s of CPU",
                flush=True,
            )
    (alone, cpu_alone), (beside, cpu_beside) = (
        map(statistics.median, zip(*results, strict=True)) for results in runs.values()
    )
    ratio: float = beside / alone
    print(
        f"{name}: alone {alone:.1f} s ({cpu_alone:.1f} s of CPU), beside {loops} busy loops "
        f"{beside:.1f} s ({cpu_beside:.1f} s of CPU), {ratio:.2f} times, "
        f"{'at most' if ratio <= LIMIT else 'MORE THAN'} {LIMIT}",
        flush=True,
    )
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="all, if none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loops", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--small", action="store_true", help="little work, to try this program")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = commands(Path(folder), options.small)
        names = options.commands or list(lines)
        ratios = [measure(name, lines[name], options.rounds, options.loops) for name in names]
    sys.exit(max(ratios) > LIMIT)


if __name__ == "__main__":
    main()
