"""Measure the speed of stages against the plain code of `reference.py`, on the same data.

    python benchmarks/speed.py [default] [hpss] [front-end] [embedding] [training] [losses]
        [operations] [dbcv] [--rois 96] [--birdnet MODEL.tflite]

The data are songs of the demo's birds, in WAV files of up to 3 s at 48 kHz. Both run in turn, with
the default number of threads of torch and NumPy; see `timing.py` for which rounds count. `default`
is what a user gets: sound to embedding by the default network and front end, beside the plain
ResNet18 and, with `--birdnet`, beside BirdNET through the same package.
"""

import argparse
import itertools
import logging
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
import torch

import darksound as ds
import reference
import timing
from darksound.audio.hpss import separate
from darksound.cluster.embedding import embed
from darksound.cluster.validity import dbcv
from darksound.meta.episodes import EpisodeSampler
from darksound.meta.learners.build import build_learner
from darksound.meta.optimization import OptimizerStep, make_optimizer
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.meta.regimes import EpisodicRegime
from darksound.settings import EpisodeSettings, load_settings
from darksound.store.building import build_store
from darksound.store.cached_store import build_images

# FLOP of ResNet18 at 224 px: a multiply-add (He et al. 2016, table 1) counts as two.
_RESNET18_FLOP = 2 * 1.82e9


#: The two ways that are compared.
WAYS = ("plain", "darksound")
HPSS_REPEATS = 20
#: Command line options.
options = argparse.Namespace(birdnet=None)


def published_settings(cache: Path, **changes: object) -> ds.Settings:
    settings = load_settings("thesis-2023")
    return settings.replace(
        backbone={"weights": "none"},
        learner={"method": "prototypical"},
        compute={"cache_dir": str(cache)},
        **changes,
    )


def write_songs(folder: Path, count: int) -> list[Path]:
    rois = ds.load_rois("demo:train")
    rows = rois.table.iloc[:: max(1, len(rois) // count)].iloc[:count]
    paths = []
    for number, row in enumerate(rows.to_dict("records")):
        span = (row["root"], row["recording"], row["start_s"], row["end_s"])
        wave, rate = rois.reader.read(*span, 48_000)
        paths.append(folder / row["label"] / f"{number:04d}.wav")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        sf.write(paths[-1], wave, rate)
    return sorted(paths)


def hpss(paths: list[Path], rounds: int) -> None:
    mels = [np.ascontiguousarray(reference.mel_power(path)) for path in paths[:24]]
    # The batch size of the front end.
    batches = torch.split(torch.from_numpy(np.stack(mels)).float(), 8)
    timings = timing.alternate(
        {
            "plain": lambda: [
                librosa.decompose.hpss(mel, kernel_size=31, margin=(1, 5), power=2.0)
                for mel in mels
            ],
            # Repeated, since CPU times of processes are counted in steps of 10 ms.
            "darksound": lambda: [
                separate(batch, 31, (1.0, 5.0)) for _ in range(HPSS_REPEATS) for batch in batches
            ],
        },
        rounds,
    )
    amounts = {"plain": len(mels), "darksound": HPSS_REPEATS * len(mels)}
    timing.print_ratio("HPSS", timings, amounts, "ROIs a second")


def front_end(paths: list[Path], rounds: int) -> None:
    rois = ds.load_rois(paths[0].parents[1], rois="whole")
    some_paths = paths[:24]
    with tempfile.TemporaryDirectory() as caches:

        def build() -> None:
            # Old caches are removed after the last round: that is no part of the work.
            build_images(rois, published_settings(Path(tempfile.mkdtemp(dir=caches))))

        # The first call includes one-time initialisation.
        build()
        timings = timing.alternate(
            {
                "plain": lambda: [reference.image(path) for path in some_paths],
                "darksound": build,
            },
            rounds,
        )
    amounts = {"plain": len(some_paths), "darksound": len(rois)}
    timing.print_ratio("WAV to cached image", timings, amounts, "ROIs a second")


def embedding(paths: list[Path], rounds: int) -> None:
    rois, some_paths = ds.load_rois(paths[0].parents[1], rois="whole"), paths[:24]
    network = reference.resnet()
    reference_images = [reference.image(path) for path in some_paths]
    with tempfile.TemporaryDirectory() as folder:
        settings = published_settings(Path(folder))
        learner, images = build_learner(settings), build_images(rois, settings)

        def embed_from_sound() -> None:
            empty_cache = published_settings(Path(tempfile.mkdtemp(dir=folder)))
            embed(build_images(rois, empty_cache), learner, empty_cache)

        embed_from_sound()
        timings = timing.alternate(
            {
                "plain": lambda: reference.embed(network, list(map(reference.image, some_paths))),
                "darksound": embed_from_sound,
                "plain, from images": lambda: reference.embed(network, reference_images),
                "darksound, from images": lambda: embed(images, learner, settings),
            },
            rounds,
        )
    n_plain, n = len(some_paths), len(rois)
    amounts = {"plain": n_plain, "darksound": n}
    timing.print_ratio("sound to embedding", timings, amounts, "ROIs a second")
    from_images = {"plain, from images": n_plain, "darksound, from images": n}
    rate = timing.print_ratio("image to embedding", timings, from_images, "ROIs a second")
    mixed = {"plain": n_plain, "darksound, from images": n}
    timing.print_ratio("sound to embedding, ours from images", timings, mixed, "ROIs/s")
    if rate is not None:
        print_share_of_peak(rate * _RESNET18_FLOP)


def default(paths: list[Path], rounds: int) -> None:
    """Measure sound to embedding with the default settings, beside ResNet18 and BirdNET."""
    rois, some_paths = ds.load_rois(paths[0].parents[1], rois="whole"), paths[:24]
    network = reference.resnet()
    with tempfile.TemporaryDirectory() as folder:

        def embed_with(backbone: str) -> None:
            cache = tempfile.mkdtemp(dir=folder)
            settings = ds.Settings().replace(
                compute={"cache_dir": cache}, backbone={"name": backbone}
            )
            embed(build_store(rois, settings), learners[backbone], settings)

        ways: dict[str, Callable[[], object]] = {
            "plain": lambda: reference.embed(network, list(map(reference.image, some_paths))),
            "darksound": lambda: embed_with("pair"),
            "darksound, small": lambda: embed_with("small"),
        }
        names = ["pair", "small"]
        if options.birdnet is not None:
            names.append(f"birdnet:{options.birdnet}")
            ways["BirdNET"] = lambda: embed_with(names[-1])
        learners = {
            name: build_learner(ds.Settings().replace(backbone={"name": name})) for name in names
        }
        ways["darksound"]()
        timings = timing.alternate(ways, rounds)
    amounts = {"plain": len(some_paths), "darksound": len(rois)}
    timing.print_ratio("sound to embedding by default, ResNet18", timings, amounts, "ROIs a second")
    for way in ("darksound, small", "BirdNET"):
        if way in ways:
            amounts = {way: len(rois), "darksound": len(rois)}
            title = f"sound to embedding by default, {way}"
            timing.print_ratio(title, timings, amounts, "ROIs a second")


def print_share_of_peak(flop_per_s: float) -> None:
    peak = matrix_rate()
    share = flop_per_s / peak
    print(f"{share:.0%} of the {peak / 1e9:.0f} GFLOP/s of bfloat16 products of matrices")


def matrix_rate(size: int = 2048) -> float:
    """Return FLOP a second of bfloat16 products of square matrices."""
    a = torch.randn(size, size).bfloat16()
    with torch.inference_mode():
        a @ a
        return max(2 * size**3 / timing.timed(lambda: a @ a).seconds for _ in range(9))


class _TrainingPair:
    """The reference and darksound, trained on the same episodes from the same weights.

    Episodes have 5 shots and one query of each of `n_way` classes.
    """

    def __init__(
        self, paths: list[Path], cache: Path, *, n_way: int, learning_rate: float, **compute: str
    ):
        rois = ds.load_rois(paths[0].parents[1], rois="whole")
        episodes = EpisodeSettings(n_way=n_way, n_shot=5, n_query=1)
        settings = published_settings(cache).replace(episodes=episodes, compute=compute)
        images, learner = build_images(rois, settings), build_learner(settings)
        self.network = reference.resnet()
        self.network.load_state_dict(learner.backbone.get_submodule("net").state_dict())
        _, labels = np.unique(rois.table["label"].to_numpy(), return_inverse=True)
        self.sampler = EpisodeSampler(labels, None, episodes, np.arange(len(rois)))
        self.regime = EpisodicRegime(learner, images, self.sampler, settings)
        self.regime.module.train()
        self.network.train()
        optimizer = make_optimizer(learner, settings.training, learning_rate)
        self.optimizer_step = OptimizerStep(optimizer, settings.compute)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)
        self.files = [
            Path(root) / recording
            for root, recording in rois.table[["root", "recording"]].to_numpy().tolist()
        ]
        self.seed, self.n_way = settings.seed, n_way

    def step(self, number: int) -> float:
        """Return the loss of a step of darksound."""
        loss = self.regime.step(number).loss
        self.optimizer_step(loss)
        return loss.item()

    def reference_step(self, number: int, image: Callable[[Path], torch.Tensor]) -> float:
        """Return the loss of a step of the reference."""
        episode = self.sampler.sample(numpy_generator(self.seed, Purpose.EPISODE, number))
        support_order = np.argsort(episode.support_labels, kind="stable")
        query_order = np.argsort(episode.query_labels, kind="stable")
        support = torch.stack([image(self.files[row]) for row in episode.support[support_order]])
        query = torch.stack([image(self.files[row]) for row in episode.query[query_order]])
        loss = reference.episode_loss(self.network, support, query, self.n_way)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.item()


def training(paths: list[Path], rounds: int) -> None:
    """Measure training on episodes of 10 classes, two episodes a round."""
    with tempfile.TemporaryDirectory() as cache:
        pair = _TrainingPair(paths, Path(cache), n_way=10, learning_rate=1e-4)
        reference_numbers, numbers = itertools.count(), itertools.count()
        timings = timing.alternate(
            {
                "plain": lambda: pair.reference_step(next(reference_numbers), reference.image),
                "darksound": lambda: pair.step(next(numbers)),
            },
            2 * rounds,
        )
    amounts = dict.fromkeys(WAYS, pair.n_way * 6)
    rate = timing.print_ratio("training", timings, amounts, "images a second")
    if rate is not None:
        # The backward pass takes two products for each of the forward pass.
        print_share_of_peak(3 * rate * _RESNET18_FLOP)


def losses(paths: list[Path], rounds: int) -> None:
    """Print the loss of 8 steps a round, of the reference and of darksound in two precisions."""
    image = lru_cache(maxsize=None)(reference.image)
    curves = {}
    with tempfile.TemporaryDirectory() as cache:
        for precision in ("float32", "bfloat16"):
            pair = _TrainingPair(
                paths, Path(cache), n_way=5, learning_rate=2.8e-5, precision=precision
            )
            curves[precision] = [pair.step(number) for number in range(8 * rounds)]
        curves["reference"] = [pair.reference_step(number, image) for number in range(8 * rounds)]
    for name, values in curves.items():
        print(f"loss, {name}:", " ".join(f"{value:.2f}" for value in values))
        print(f"mean {np.mean(values):.3f}, of the later half {np.mean(values[4 * rounds :]):.3f}")


def operations(paths: list[Path], rounds: int) -> None:
    """Print the operations that embedding and training spend most time in."""
    rois = ds.load_rois(paths[0].parents[1], rois="whole")
    with tempfile.TemporaryDirectory() as cache:
        settings = published_settings(Path(cache))
        learner, images = build_learner(settings), build_images(rois, settings)
        pair = _TrainingPair(paths, Path(cache), n_way=10, learning_rate=1e-4)
        for name, work in (
            ("embedding", lambda: embed(images, learner, settings)),
            ("training", lambda: pair.step(0)),
        ):
            work()
            with torch.profiler.profile() as profile:
                for _ in range(rounds):
                    work()
            events = profile.key_averages()
            total = sum(event.self_cpu_time_total for event in events)
            slowest = sorted(events, key=lambda event: -event.self_cpu_time_total)[:10]
            shares = [f"{event.key} {event.self_cpu_time_total / total:.1%}" for event in slowest]
            print(f"{name}: {', '.join(shares)}")


def validity(paths: list[Path], rounds: int) -> None:
    rng = np.random.default_rng(1979)
    centres = rng.standard_normal((8, 512))

    def points(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, len(centres), n)
        # Distances of about 1, so that the 512th powers of the loops do not overflow.
        return (centres[labels] + 0.5 * rng.standard_normal((n, 512))) / 16, labels

    x, labels = points(240)
    timings = timing.alternate(
        {"plain": lambda: reference.dbcv(x, labels), "darksound": lambda: dbcv(x, labels)}, rounds
    )
    print(f"DBCV of 240 points: {reference.dbcv(x, labels):.9f} and {dbcv(x, labels):.9f}")
    timing.print_ratio("DBCV of 240 points", timings, dict.fromkeys(WAYS, 1), "a second")
    x, labels = points(8000)
    seconds = timing.timed(lambda: dbcv(x, labels)).seconds
    print(f"DBCV of 8,000 points in 512 dimensions: {seconds:.1f} s")


STAGES = {
    "default": default,
    "hpss": hpss,
    "front-end": front_end,
    "embedding": embedding,
    "training": training,
    "losses": losses,
    "operations": operations,
    "dbcv": validity,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", default=list(STAGES), metavar="STAGE")
    parser.add_argument("--rois", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--birdnet", type=Path, help="TFLite model of BirdNET 2.4")
    arguments = parser.parse_args(namespace=options)
    logging.basicConfig(level=logging.ERROR)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_songs(Path(folder), arguments.rois)
        for stage in arguments.stages:
            STAGES[stage](paths, arguments.rounds)


if __name__ == "__main__":
    main()
