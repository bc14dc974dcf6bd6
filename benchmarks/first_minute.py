"""Measure the seconds of each stage of `darksound mec --data demo` from an empty cache.

    python benchmarks/first_minute.py [--rounds 3] [--options --seed 1 ...]

Each round is a new process with a new cache and a new run directory. A stage is one function of the
package or several; what they call is counted there, unless it is a stage of its own. Wall time, and
CPU time (user and system) with that of worker processes, are medians over the rounds.
"""

import argparse
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

START, IMPORTS, REST = "start of Python, settings", "imports of the job", "files and the rest"
#: Stages and their functions: the module that calls one, and its name there.
STAGES: dict[str, tuple[str, ...]] = {
    START: (),
    IMPORTS: (),
    "list of the demo's ROIs": ("darksound.jobs.mec:load_run_rois",),
    "learner and estimate": ("darksound.jobs.mec:build_learner", "darksound.jobs.mec:log_estimate"),
    "synthesis and images": ("darksound.cluster.mec:build_store",),
    "embedding": ("darksound.cluster.loop:MecLoop._embed",),
    "clustering": ("darksound.cluster.loop:find_clusters",),
    "fine-tuning": ("darksound.cluster.loop:fine_tune",),
    "figures of merit": ("darksound.cluster.loop:describe",),
    "map": ("darksound.cluster.mec:map_coordinates",),
    "map.png, iterations.png": ("darksound.jobs.mec:_write_plots",),
    "page": ("darksound.jobs.mec:report_page",),
    REST: ("darksound.jobs.mec:mec_run",),
}
Times = tuple[float, float]


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children, ended or not."""
    total = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += sum(child.cpu_times()[:2])
    return total


class StageClock:
    """Adds up the wall and CPU time of stages, without that of stages within them."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._last = (psutil.Process().create_time(), 0.0)

    def add(self, stage: str) -> None:
        """Count the time since the last call for a stage."""
        now = (time.time(), cpu_seconds())
        for i in range(2):
            self.seconds[stage][i] += now[i] - self._last[i]
        self._last = now

    def timed(
        self, stage: str, function: Callable[..., Any], outer: list[str]
    ) -> Callable[..., Any]:
        """Return the function with its time counted for a stage."""

        @functools.wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            self.add(outer[-1])
            outer.append(stage)
            try:
                return function(*args, **options)
            finally:
                self.add(outer.pop())

        return run


def run_command(record: Path, words: list[str]) -> None:
    """Run `darksound` with these arguments in this process, and write the seconds of its stages."""
    clock, outer = StageClock(), [START]
    from darksound.cli import mec as command
    from darksound.cli.app import main as run_cli

    job = command._job

    def timed_job(*args: Any) -> Any:
        clock.add(START)
        importlib.import_module("darksound.jobs.mec")
        clock.add(IMPORTS)
        for stage, names in STAGES.items():
            for module_name, _, name in (each.partition(":") for each in names):
                owner: Any = importlib.import_module(module_name)
                *classes, name = name.split(".")
                for each in classes:
                    owner = getattr(owner, each)
                setattr(owner, name, clock.timed(stage, getattr(owner, name), outer))
        return job(*args)

    setattr(command, "_job", timed_job)  # noqa: B010
    sys.argv = ["darksound", *words]
    try:
        run_cli()
    finally:
        clock.add(REST)
        record.write_text(json.dumps(clock.seconds))


@contextmanager
def empty_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def measure(options: list[str]) -> dict[str, Times]:
    """Return the wall and CPU seconds of each stage of one run."""
    with empty_folder() as folder:
        record = folder / "seconds.json"
        words = ["mec", "--data", "demo", "--out", str(folder / "run"), "--quiet", *options]
        subprocess.run(
            [sys.executable, __file__, "--record", str(record), "--options", *words],
            env={**os.environ, "DARKSOUND_CACHE": str(folder / "cache")},
            check=True,
        )
        seconds = json.loads(record.read_text())
    return {stage: tuple(seconds.get(stage, (0.0, 0.0))) for stage in STAGES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="of `darksound mec`"
    )
    args = parser.parse_args()
    if args.record is not None:
        run_command(args.record, args.options)
        return
    rounds = []
    for number in range(args.rounds):
        print(f"round {number + 1}: load {os.getloadavg()[0]:.1f}", flush=True)
        rounds.append(measure(args.options))
    print(f"{'stage':28} {'wall':>6} {'CPU':>6}")
    total = [0.0, 0.0]
    for stage in STAGES:
        wall, cpu = (statistics.median(each[stage][i] for each in rounds) for i in range(2))
        print(f"{stage:28} {wall:6.1f} {cpu:6.1f}")
        total = [total[0] + wall, total[1] + cpu]
    print(f"{'sum':28} {total[0]:6.1f} {total[1]:6.1f}")


if __name__ == "__main__":
    main()
