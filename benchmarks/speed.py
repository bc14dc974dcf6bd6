"""How fast the stages are, each beside the plain way of `reference.py`, in turn, on the same data.

    python benchmarks/speed.py [hpss] [front-end] [embedding] [training] [losses] [operations]
        [dbcv] [--rois 96]

The data are songs of the demo's birds, written to WAV files of up to 3 s at 48 kHz. Both ways use
all cores that torch and NumPy take by themselves. Ratios are of medians over the rounds.
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
import reference
import soundfile as sf
import torch

import darksound as ds
from darksound.audio.hpss import separate
from darksound.cluster.validity import dbcv
from darksound.meta.episodes import EpisodeSampler
from darksound.meta.learners import build_learner
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.meta.steps import Descent, EpisodicRegime, make_optimizer
from darksound.settings import EpisodeSettings, load_settings

# ResNet18 at 224 px, multiplications and additions (He et al. 2016, table 1, counted as two).
_RESNET18_FLOP = 2 * 1.82e9


def clock(*ways: Callable[[], object], rounds: int = 3) -> list[float]:
    """Median seconds of each way, taken in turn so that a busy moment hits all alike."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, seconds in zip(ways, taken, strict=True):
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in taken]


def say(what: str, theirs: float, ours: float, unit: str) -> None:
    print(f"{what}: {theirs:.4g} -> {ours:.4g} {unit}, {ours / theirs:.1f} times", flush=True)


def published(cache: Path, **changes: object) -> ds.Settings:
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
    for number, row in enumerate(rows.itertuples()):
        wave, rate = rois.reader.read(row.root, row.recording, row.start_s, row.end_s, 48_000)
        paths.append(folder / row.label / f"{number:04d}.wav")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        sf.write(paths[-1], wave, rate)
    return sorted(paths)


def hpss(paths: list[Path], rounds: int) -> None:
    mels = [np.ascontiguousarray(reference.mel_power(path)) for path in paths[:24]]
    # As many at once as the front end takes.
    batches = torch.from_numpy(np.stack(mels)).float().split(8)
    theirs, ours = clock(
        lambda: [
            librosa.decompose.hpss(mel, kernel_size=31, margin=(1, 5), power=2.0) for mel in mels
        ],
        lambda: [separate(batch, 31, (1.0, 5.0)) for batch in batches],
        rounds=rounds,
    )
    say("HPSS", len(mels) / theirs, len(mels) / ours, "ROIs a second")


def front_end(paths: list[Path], rounds: int) -> None:
    rois = ds.load_rois(paths[0].parents[1], rois="whole")

    few = paths[:24]
    with tempfile.TemporaryDirectory() as caches:

        def ours() -> None:
            # What an earlier round left is removed after the last: that is no part of the work.
            ds.build_images(rois, published(Path(tempfile.mkdtemp(dir=caches))))

        # The first build sets up what is set up once.
        ours()
        theirs, mine = clock(lambda: [reference.image(path) for path in few], ours, rounds=rounds)
    say("WAV to cached image", len(few) / theirs, len(rois) / mine, "ROIs a second")


def embedding(paths: list[Path], rounds: int) -> None:
    rois, few = ds.load_rois(paths[0].parents[1], rois="whole"), paths[:24]
    network = reference.resnet()
    theirs_images = [reference.image(path) for path in few]
    with tempfile.TemporaryDirectory() as kept:
        settings = published(Path(kept))
        learner, images = build_learner(settings), ds.build_images(rois, settings)

        def from_sound() -> None:
            fresh = published(Path(tempfile.mkdtemp(dir=kept)))
            ds.embed(learner, ds.build_images(rois, fresh), fresh)

        from_sound()
        theirs, ours, theirs_cached, ours_cached = clock(
            lambda: reference.embed(network, [reference.image(path) for path in few]),
            from_sound,
            lambda: reference.embed(network, theirs_images),
            lambda: ds.embed(learner, images, settings),
            rounds=rounds,
        )
    count = len(rois)
    say("sound to embedding", len(few) / theirs, count / ours, "ROIs a second")
    say("image to embedding", len(few) / theirs_cached, count / ours_cached, "ROIs a second")
    say("sound to embedding, ours from images", len(few) / theirs, count / ours_cached, "ROIs/s")
    rate = matrix_rate()
    share = count / ours_cached * _RESNET18_FLOP / rate
    print(f"{share:.0%} of the {rate / 1e9:.0f} GFLOP/s of bfloat16 products of matrices")


def matrix_rate(size: int = 2048) -> float:
    """FLOP a second of bfloat16 products of square matrices."""
    a = torch.randn(size, size).bfloat16()
    with torch.inference_mode():
        a @ a
        (seconds,) = clock(lambda: a @ a, rounds=9)
    return 2 * size**3 / seconds


class _Learning:
    """The reference and darksound about to learn the same episodes from the same weights.

    Episodes have 5 shots and a query of each of `ways` classes.
    """

    def __init__(self, paths: list[Path], cache: Path, ways: int, rate: float, **compute: str):
        rois = ds.load_rois(paths[0].parents[1], rois="whole")
        episodes = EpisodeSettings(n_way=ways, n_shot=5, n_query=1)
        settings = published(cache).replace(episodes=episodes.model_dump(), compute=compute)
        images, learner = ds.build_images(rois, settings), build_learner(settings)
        self.network = reference.resnet()
        self.network.load_state_dict(learner.backbone.net.state_dict())
        _, labels = np.unique(rois.labels, return_inverse=True)
        self.sampler = EpisodeSampler(labels, None, episodes, np.arange(len(rois)))
        self.regime = EpisodicRegime(learner, images, self.sampler, settings)
        self.regime.module.train()
        self.network.train()
        self.descend = Descent(make_optimizer(learner, settings, rate), settings.compute)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=rate)
        self.files = [Path(r.root) / r.recording for r in rois.table.itertuples()]
        self.seed, self.ways = settings.seed, ways

    def ours(self, number: int) -> float:
        """A step of darksound; its loss."""
        loss = self.regime.step(number).loss
        self.descend(loss)
        return loss.item()

    def theirs(self, number: int, image: Callable[[Path], torch.Tensor]) -> float:
        """A step of the reference; its loss."""
        episode = self.sampler.sample(numpy_generator(self.seed, Purpose.EPISODE, number))
        order = np.argsort(episode.support_labels, kind="stable")
        asked = np.argsort(episode.query_labels, kind="stable")
        support = torch.stack([image(self.files[row]) for row in episode.support[order]])
        query = torch.stack([image(self.files[row]) for row in episode.query[asked]])
        loss = reference.episode_loss(self.network, support, query, self.ways)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def training(paths: list[Path], rounds: int) -> None:
    """Episodes of 10 classes, as many as rounds twice over."""
    with tempfile.TemporaryDirectory() as cache:
        learning = _Learning(paths, Path(cache), ways=10, rate=1e-4)
        theirs_steps, ours_steps = itertools.count(), itertools.count()
        theirs_s, ours_s = clock(
            lambda: learning.theirs(next(theirs_steps), reference.image),
            lambda: learning.ours(next(ours_steps)),
            rounds=2 * rounds,
        )
    count = learning.ways * 6
    say("training", count / theirs_s, count / ours_s, "images a second")
    rate = matrix_rate()
    # The way back takes two products for each of the way there.
    share = 3 * count / ours_s * _RESNET18_FLOP / rate
    print(f"{share:.0%} of the {rate / 1e9:.0f} GFLOP/s of bfloat16 products of matrices")


def losses(paths: list[Path], rounds: int) -> None:
    """The loss of each of 8 steps a round, of the reference and of darksound in two precisions."""
    image = lru_cache(maxsize=None)(reference.image)
    curves = {}
    with tempfile.TemporaryDirectory() as cache:
        for precision in ("float32", "bfloat16"):
            learning = _Learning(paths, Path(cache), ways=5, rate=2.8e-5, precision=precision)
            curves[precision] = [learning.ours(number) for number in range(8 * rounds)]
        curves["reference"] = [learning.theirs(number, image) for number in range(8 * rounds)]
    for name, values in curves.items():
        print(f"loss, {name}:", " ".join(f"{value:.2f}" for value in values))
        print(f"mean {np.mean(values):.3f}, of the later half {np.mean(values[4 * rounds :]):.3f}")


def operations(paths: list[Path], rounds: int) -> None:
    """Where the time of embedding and of training goes."""
    rois = ds.load_rois(paths[0].parents[1], rois="whole")
    with tempfile.TemporaryDirectory() as cache:
        settings = published(Path(cache))
        learner, images = build_learner(settings), ds.build_images(rois, settings)
        learning = _Learning(paths, Path(cache), ways=10, rate=1e-4)
        for name, work in (
            ("embedding", lambda: ds.embed(learner, images, settings)),
            ("training", lambda: learning.ours(0)),
        ):
            work()
            with torch.profiler.profile() as profile:
                for _ in range(rounds):
                    work()
            found = profile.key_averages()
            whole = sum(event.self_cpu_time_total for event in found)
            found = sorted(found, key=lambda event: -event.self_cpu_time_total)[:10]
            shares = [f"{one.key} {one.self_cpu_time_total / whole:.1%}" for one in found]
            print(f"{name}: {', '.join(shares)}")


def validity(paths: list[Path], rounds: int) -> None:
    rng = np.random.default_rng(1979)
    centres = rng.standard_normal((8, 512))

    def points(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, len(centres), n)
        # Distances of about 1, whose 512th powers the loops can still hold.
        return (centres[labels] + 0.5 * rng.standard_normal((n, 512))) / 16, labels

    x, labels = points(240)
    theirs, ours = clock(
        lambda: reference.dbcv(x, labels), lambda: dbcv(x, labels), rounds=min(rounds, 2)
    )
    print(f"DBCV of 240 points: {reference.dbcv(x, labels):.9f} and {dbcv(x, labels):.9f}")
    say("DBCV of 240 points", 1 / theirs, 1 / ours, "a second")
    x, labels = points(8000)
    (seconds,) = clock(lambda: dbcv(x, labels), rounds=1)
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
