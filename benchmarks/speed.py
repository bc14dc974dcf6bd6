"""Measure the speed of stages against the plain code of `reference.py`, on the same data.

    python benchmarks/speed.py [hpss] [front-end] [embedding] [training] [losses] [operations]
        [dbcv] [--rois 96]

The data are songs of the demo's birds, in WAV files of up to 3 s at 48 kHz. Both run in turn, with
the default number of threads of torch and NumPy. Ratios are of medians over the rounds.
"""

import argparse
import itertools
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
import torch

import darksound as ds
import reference
from darksound.audio.hpss import separate
from darksound.cluster.embedding import embed
from darksound.cluster.validity import dbcv
from darksound.meta.episodes import EpisodeSampler
from darksound.meta.learners.build import build_learner
from darksound.meta.optimization import OptimizerStep, make_optimizer
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.meta.regimes import EpisodicRegime
from darksound.settings import EpisodeSettings, load_settings
from darksound.store.cached_store import build_images

# FLOP of ResNet18 at 224 px: a multiply-add (He et al. 2016, table 1) counts as two.
_RESNET18_FLOP = 2 * 1.82e9


def median_seconds(*functions: Callable[[], object], rounds: int = 3) -> list[float]:
    """Return the median duration of each function; they run in turn, so load affects all alike."""
    durations: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, seconds in zip(functions, durations, strict=True):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in durations]


def report(stage: str, reference_rate: float, rate: float, unit: str) -> None:
    ratio = rate / reference_rate
    print(f"{stage}: {reference_rate:.4g} -> {rate:.4g} {unit}, {ratio:.1f} times", flush=True)


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
    reference_s, seconds = median_seconds(
        lambda: [
            librosa.decompose.hpss(mel, kernel_size=31, margin=(1, 5), power=2.0) for mel in mels
        ],
        lambda: [separate(batch, 31, (1.0, 5.0)) for batch in batches],
        rounds=rounds,
    )
    report("HPSS", len(mels) / reference_s, len(mels) / seconds, "ROIs a second")


def front_end(paths: list[Path], rounds: int) -> None:
    rois = ds.load_rois(paths[0].parents[1], rois="whole")
    some_paths = paths[:24]
    with tempfile.TemporaryDirectory() as caches:

        def build() -> None:
            # Old caches are removed after the last round: that is no part of the work.
            build_images(rois, published_settings(Path(tempfile.mkdtemp(dir=caches))))

        # The first call includes one-time initialisation.
        build()
        reference_s, seconds = median_seconds(
            lambda: [reference.image(path) for path in some_paths], build, rounds=rounds
        )
    reference_rate, rate = len(some_paths) / reference_s, len(rois) / seconds
    report("WAV to cached image", reference_rate, rate, "ROIs a second")


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
        durations = median_seconds(
            lambda: reference.embed(network, [reference.image(path) for path in some_paths]),
            embed_from_sound,
            lambda: reference.embed(network, reference_images),
            lambda: embed(images, learner, settings),
            rounds=rounds,
        )
    counts = (len(some_paths), len(rois), len(some_paths), len(rois))
    reference_sound, sound, reference_image, image = (
        count / seconds for count, seconds in zip(counts, durations, strict=True)
    )
    report("sound to embedding", reference_sound, sound, "ROIs a second")
    report("image to embedding", reference_image, image, "ROIs a second")
    report("sound to embedding, ours from images", reference_sound, image, "ROIs/s")
    peak = matrix_rate()
    share = image * _RESNET18_FLOP / peak
    print(f"{share:.0%} of the {peak / 1e9:.0f} GFLOP/s of bfloat16 products of matrices")


def matrix_rate(size: int = 2048) -> float:
    """Return FLOP a second of bfloat16 products of square matrices."""
    a = torch.randn(size, size).bfloat16()
    with torch.inference_mode():
        a @ a
        (seconds,) = median_seconds(lambda: a @ a, rounds=9)
    return 2 * size**3 / seconds


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
        reference_s, seconds = median_seconds(
            lambda: pair.reference_step(next(reference_numbers), reference.image),
            lambda: pair.step(next(numbers)),
            rounds=2 * rounds,
        )
    n_images = pair.n_way * 6
    report("training", n_images / reference_s, n_images / seconds, "images a second")
    peak = matrix_rate()
    # The backward pass takes two products for each of the forward pass.
    share = 3 * n_images / seconds * _RESNET18_FLOP / peak
    print(f"{share:.0%} of the {peak / 1e9:.0f} GFLOP/s of bfloat16 products of matrices")


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
    reference_s, seconds = median_seconds(
        lambda: reference.dbcv(x, labels), lambda: dbcv(x, labels), rounds=min(rounds, 2)
    )
    print(f"DBCV of 240 points: {reference.dbcv(x, labels):.9f} and {dbcv(x, labels):.9f}")
    report("DBCV of 240 points", 1 / reference_s, 1 / seconds, "a second")
    x, labels = points(8000)
    (seconds,) = median_seconds(lambda: dbcv(x, labels), rounds=1)
    print(f"DBCV of 8,000 points in 512 dimensions: {seconds:.1f} s")


STAGES = {
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
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_songs(Path(folder), arguments.rois)
        for stage in arguments.stages:
            STAGES[stage](paths, arguments.rounds)


if __name__ == "__main__":
    main()
