"""Speed-up of several workers over one, each with a core of its own.

    python benchmarks/workers.py [segmentation] [images] [embedding] [training]

Segmentation, images and embedding run alternately on a Dask cluster of this machine with one worker
and on one with several; each worker is a process with one thread. Training runs under torchrun, as
one process and as several. Caches are empty at each start, processes are running and have done a
job before, and the first round is not counted, because it includes what is set up once.

Results with more workers than cores are meaningless.
"""

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
from distributed import LocalCluster

import darksound as ds
from darksound.cluster.embedding import embed
from darksound.meta.learners.build import build_learner
from darksound.parallel.event_loop import running_loop

# Runs a stage, given the address of a scheduler and a new cache folder.
Stage = Callable[[str, Path], object]


def write_recordings(folder: Path, count: int, minutes: float) -> None:
    """Write recordings of tones in noise, at 48 kHz."""
    rng = np.random.default_rng(1)
    n = int(minutes * 60 * 48_000)
    for number in range(count):
        wave = rng.normal(scale=0.01, size=n).astype(np.float32)
        for start in rng.integers(0, n - 48_000, int(minutes * 20)):
            t = np.arange(rng.integers(9_600, 33_600)) / 48_000
            pitch = rng.uniform(1500, 8000) + 400 * np.sin(2 * np.pi * 6 * t)
            wave[start : start + len(t)] += 0.1 * np.sin(2 * np.pi * np.cumsum(pitch) / 48_000)
        sf.write(folder / f"{number}.wav", wave, 48_000)


def segmentation(folder: Path, arguments: argparse.Namespace) -> tuple[Stage, float, str]:
    write_recordings(folder, 2 * arguments.workers, arguments.minutes)

    def run(address: str, cache: Path) -> None:
        settings = ds.Settings().replace(compute={"dask": address, "cache_dir": cache})
        ds.load_rois(folder, settings=settings, rois="segment")

    return run, 2 * arguments.workers * arguments.minutes * 60, "s of audio a second"


def images(folder: Path, arguments: argparse.Namespace) -> tuple[Stage, float, str]:
    rois = _rois(folder, arguments.rois)

    def run(address: str, cache: Path) -> None:
        settings = ds.Settings().replace(compute={"dask": address, "cache_dir": cache})
        ds.build_store(rois, settings)

    return run, len(rois), "images a second"


def embedding(folder: Path, arguments: argparse.Namespace) -> tuple[Stage, float, str]:
    rois = _rois(folder, arguments.rois)
    settings = ds.Settings().replace(
        backbone={"weights": "none"},
        compute={"precision": "float32", "cache_dir": folder / "cache"},
    )
    store = ds.build_store(rois, settings)
    learner = build_learner(store.settings)

    def run(address: str, _: Path) -> None:
        embed(store, learner, settings.replace(compute={"dask": address}))

    return run, len(rois), "ROIs a second"


STAGES = {"segmentation": segmentation, "images": images, "embedding": embedding}


def _rois(folder: Path, count: int) -> ds.RoiSet:
    write_recordings(folder, 4, 2)
    starts = np.linspace(0, 115, -(-count // 4))
    table = pd.DataFrame(
        [
            {"recording": f"{number}.wav", "start_s": start, "end_s": start + 3}
            for number in range(4)
            for start in starts
        ]
    )
    table.to_csv(folder / "rois.csv", index=False)
    return ds.load_rois(folder / "rois.csv")


def run_on_dask(stage: str, arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        run_stage, amount, unit = STAGES[stage](folder, arguments)
        counts = (1, arguments.workers)
        loop = stack.enter_context(running_loop())
        addresses = [
            stack.enter_context(
                LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=":0", loop=loop)
            ).scheduler_address
            for n in counts
        ]
        durations_s: list[list[float]] = [[] for _ in counts]
        for number in range(arguments.rounds + 1):
            for address, seconds, n in zip(addresses, durations_s, counts, strict=True):
                start = time.perf_counter()
                run_stage(address, folder / f"cache-{number}-{n}")
                seconds.append(time.perf_counter() - start)
        rates = [amount / statistics.median(seconds[1:]) for seconds in durations_s]
        print_speedup(stage, rates, unit, arguments)


def training(arguments: argparse.Namespace) -> None:
    rates = []
    with tempfile.TemporaryDirectory() as name:
        for n in (1, arguments.workers):
            out = Path(name) / f"{n}"
            subprocess.run(
                [
                    *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n)),
                    *("-m", "darksound", "train", "--data", "demo:train", "--out", str(out), "-q"),
                    *("--set", f"training.episodes_per_step={arguments.workers}"),
                    *("--set", "training.epochs=3", "--set", "training.episodes_per_epoch=40"),
                    *("--set", "training.validation_episodes=4"),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "DARKSOUND_CACHE": f"{name}/cache"},
            )
            rates.append(pd.read_csv(out / "training.csv")["images_per_s"].iloc[1:].median())
    print_speedup("training", rates, "images a second", arguments)


def print_speedup(stage: str, rates: list[float], unit: str, arguments: argparse.Namespace) -> None:
    single, several = rates
    print(
        f"{stage}: 1 -> {arguments.workers} workers, {single:.4g} -> {several:.4g} {unit}, "
        f"{several / single:.2f} times",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", default=[*STAGES, "training"], metavar="STAGE")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rois", type=int, default=2048)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    for stage in arguments.stages:
        if stage == "training":
            training(arguments)
        else:
            run_on_dask(stage, arguments)


if __name__ == "__main__":
    main()
