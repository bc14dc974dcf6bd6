"""Measure pretraining: images a second of its batches alone, and of its steps.

    python benchmarks/pretraining.py [--device DEVICE] [--species N] [--batch N ...] [--seconds S]

Songs of few species are rendered first, or read from the cache; their number does not change the
rate. Each rate is measured for some seconds after a warm-up, with the CPU time that an image takes,
all threads together, and the load of the machine before.
"""

import argparse
import os
import time
from collections.abc import Callable

import torch

from darksound.device import resolve_device
from darksound.jobs.pretrain import song_libraries
from darksound.meta.device import describe_machine
from darksound.meta.pretraining.batches import PairBatches
from darksound.meta.pretraining.pretrainer import Pretrainer
from darksound.parallel.threads import map_in_order, single_threaded
from darksound.progress import silent
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary

# Sizes of the small CNN: channels and dimensions of the embedding.
SIZES = {"default": ((24, 48, 96, 192), 512), "wide": ((32, 64, 128, 256), 512)}
WARM_UP_STEPS = 5


def main() -> None:
    arguments = parse()
    base = Settings().replace(
        pretraining={"species": arguments.species, "individuals": 2, "songs": 1},
        compute={"device": arguments.device},
        backbone={"name": "small", "weights": "none"},
    )
    libraries = song_libraries(base, silent)
    print(", ".join(f"{key} {value}" for key, value in describe_machine(base).items()))
    print(f"{'what':<24}{'batch':>7}{'images/s':>10}{'CPU ms/image':>14}{'load':>7}")
    for batch_species in arguments.batch:
        settings = base.replace(pretraining={"batch_species": batch_species})
        rate("batches alone", settings, make_batches(libraries, settings), arguments.seconds)
        for name, (channels, dim) in SIZES.items():
            sized = settings.replace(
                backbone={"channels": channels, "embedding_dim": dim},
                pretraining={"embedding_fit_batches": 0},
            )
            steps = make_steps(libraries, sized)
            rate(f"steps, {name} network", sized, steps, arguments.seconds)


def make_batches(libraries: list[SongLibrary], settings: Settings) -> Callable[[int], None]:
    batches = PairBatches(libraries, settings)

    def run(count: int) -> None:
        for _ in map_in_order(batches, range(count), ahead=1):
            pass

    return run


def make_steps(libraries: list[SongLibrary], settings: Settings) -> Callable[[int], None]:
    pretrainer = Pretrainer(libraries, settings.replace(pretraining={"steps": 1_000_000}))

    def run(count: int) -> None:
        pretrainer.settings = settings.replace(
            pretraining={"steps": pretrainer.n_steps_done + count}
        )
        pretrainer.run()

    return run


def rate(what: str, settings: Settings, run: Callable[[int], None], seconds: float) -> None:
    """Print the rate of `run(count)`, called with more steps until it takes long enough."""
    n_images = 2 * settings.pretraining.batch_species
    load, count, wall = os.getloadavg()[0], WARM_UP_STEPS, 0.0
    with single_threaded():
        measured(run, count, settings)
        while wall < seconds:
            wall, cpu = measured(run, count, settings)
            done, count = count, max(2 * count, round(1.2 * count * seconds / max(wall, 1e-3)))
    images = done * n_images
    print(f"{what:<24}{n_images:>7}{images / wall:>10.0f}{1e3 * cpu / images:>14.2f}{load:>7.1f}")


def measured(run: Callable[[int], None], count: int, settings: Settings) -> tuple[float, float]:
    """Return the wall-clock time and the CPU time of some steps."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(count)
    if resolve_device(settings.compute)[0].type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    parser.add_argument("--species", type=int, default=1024, help="for each window length")
    parser.add_argument("--batch", type=int, nargs="+", default=[96, 512], help="species a batch")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    options = parser.parse_args()
    if max(options.batch) > options.species:
        parser.error("a batch needs as many species as it has; raise --species or lower --batch")
    return options


if __name__ == "__main__":
    main()
