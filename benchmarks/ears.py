"""Compare ways of hearing on birds that none of them was trained on.

    python benchmarks/ears.py AUDIO [--weights FILE] [--birdnet MODEL.tflite] [--final]
    python benchmarks/ears.py AUDIO --lengths [--birdnet MODEL.tflite]

AUDIO holds the folders `birdguess`, `british`, `bengalese` and `phoebe` of labelled recordings.
Without `--final` the sets that ways are chosen by are scored: the nearest neighbour from another
recording of the species (from the other half of the recording, where there is one alone) and its
mean average precision on windows of `birdguess` and `british`, as they are and disguised; and the
V-measure of clusters on `bengalese`. With it, the held-out set `phoebe`, with three seeds.

`--lengths` compares ROI lengths, on ROIs shorter and longer than the usual 3 s, and what BirdNET
hears of long ones.

Disguised, the later half of each recording sounds as if another bird sang elsewhere: played a few
per cent faster or slower, tilted, with noise and another singer. What two halves share without it
is their background as much as their bird.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import learners
import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf
import soxr

import darksound as ds
from darksound.audio.augmentation import augment_waveform
from darksound.cluster.metrics import label_scores
from darksound.cluster.structure import find_clusters
from darksound.meta.learners.build import build_learner

Vectors = npt.NDArray[np.float32]
Hear = Callable[[ds.RoiSet, ds.Settings], Vectors]
SEEDS = (1979, 1980, 1981)
TASKS = 600


def learner_of(settings: ds.Settings) -> Hear:
    return hearing(build_learner(settings))


def hearing(learner: ds.Learner) -> Hear:
    def hear(rois: ds.RoiSet, settings: ds.Settings) -> Vectors:
        own = learner.settings.replace(audio={"roi_s": settings.audio.roi_s})
        images = ds.build_images(rois, own)
        learner.settings = images.settings
        return ds.embed(learner, images, images.settings)

    return hear


def log_mel(rois: ds.RoiSet, settings: ds.Settings) -> Vectors:
    """Mean, deviation and maximum over time of each band, each of unit variance over the ROIs."""
    images = ds.build_images(rois, settings)
    rows = []
    for row in range(len(images)):
        level = images.batch([row])[0, 0].numpy()
        rows.append(np.concatenate([level.mean(1), level.std(1), level.max(1)]))
    vectors = np.stack(rows)
    return (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)


def birdnet(model: Path, long_rois: str = "mean") -> Hear:
    """BirdNET 2.4's embedding, each dimension of unit variance."""

    def hear(rois: ds.RoiSet, settings: ds.Settings) -> Vectors:
        own = settings.replace(
            backbone={"name": f"birdnet:{model}"}, embedding_model={"long_rois": long_rois}
        )
        store = ds.build_store(rois, own)
        vectors: Vectors = store.batch(range(len(store))).numpy()
        return (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)

    return hear


def at_length(hear: Hear, roi_s: float | str) -> Hear:
    return lambda rois, settings: hear(rois, settings.replace(audio={"roi_s": roi_s}))


def trained(arguments: argparse.Namespace, name: str, seed: int, **changes: object) -> Hear:
    """A learner trained on the windows of `birdguess` and `british`."""
    settings = ds.Settings().replace(seed=seed, **changes)
    settings = settings.replace(training={"regime": "classical"})
    return hearing(learners.trained(arguments.audio, settings, arguments.learners, name))


def neighbours(vectors: Vectors, table: pd.DataFrame) -> tuple[float, float]:
    """1-NN accuracy and mean average precision, by cosine, across recordings or halves."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = table["label"].to_numpy()
    several = table.groupby("label")["recording"].transform("nunique") > 1
    late = table["start_s"] > table.groupby("recording")["start_s"].transform("median")
    place = table["recording"].where(several, table["recording"] + "#" + late.astype(str))
    elsewhere = place.to_numpy()[:, None] != place.to_numpy()[None]
    order = np.argsort(np.where(elsewhere, -(unit @ unit.T), np.inf), axis=1)
    allowed = np.take_along_axis(elsewhere, order, axis=1)
    right = (labels[order] == labels[:, None]) & allowed
    judged = right.any(axis=1)
    precision = np.cumsum(right, axis=1) / np.arange(1, len(labels) + 1)
    average = (precision * right).sum(1)[judged] / right.sum(1)[judged]
    return float(right[judged, 0].mean()), float(average.mean())


def few_shot(vectors: Vectors, labels: npt.NDArray[np.str_], shots: int, seed: int) -> float:
    """Accuracy of the nearest mean of `shots` unit vectors, among five classes."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rng = np.random.default_rng([seed, shots])
    right = 0.0
    for _ in range(TASKS):
        ways = rng.choice(np.unique(labels), 5, replace=False)
        drawn = [rng.permutation(np.flatnonzero(labels == way))[: shots + 5] for way in ways]
        centres = np.stack([unit[rows[:shots]].mean(0) for rows in drawn])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        scores = np.stack([unit[rows[shots:]] @ centres.T for rows in drawn])
        right += float((scores.argmax(2) == np.arange(5)[:, None]).mean())
    return right / TASKS


def clusters(vectors: Vectors, labels: npt.NDArray[np.str_], seed: int) -> dict[str, float]:
    found = find_clusters(vectors, ds.Settings().replace(seed=seed))
    scores = label_scores(found.labels, labels)
    everything = scores.everything
    return {
        "clusters": found.n_clusters,
        "coverage": scores.coverage,
        "V": everything.nmi,
        "AMI": everything.ami,
        "ARI": everything.ari,
    }


def disguise(rois: ds.RoiSet, folder: Path) -> tuple[ds.RoiSet, pd.DataFrame]:
    """The windows as files, the later half of each recording altered, and where they come from."""
    table = rois.table
    late = table["start_s"] > table.groupby("recording")["start_s"].transform("median")
    waves = [
        rois.reader.read(row.root, row.recording, row.start_s, row.end_s, 48_000)[0]
        for row in table.itertuples()
    ]
    how = ds.Settings().augmentation.model_copy(
        update={"noise_snr_db": (5.0, 30.0), "time_shift": 0.1}
    )
    rng = np.random.default_rng(5)
    for number, wave in enumerate(waves):
        if late.iloc[number]:
            faster = np.exp(np.clip(rng.normal(0.0, 0.05), -0.12, 0.12))
            sung = soxr.resample(wave, 48_000, 48_000 * faster).astype(np.float32)[: len(wave)]
            other = waves[int(rng.integers(len(waves)))] if rng.random() < 0.5 else None
            wave = augment_waveform(sung, 48_000, rng, how, other)
        sf.write(folder / f"{number:05d}.wav", 0.7 * wave / (np.abs(wave).max() + 1e-9), 48_000)
    names = pd.DataFrame({"recording": [f"{number:05d}.wav" for number in range(len(waves))]})
    names.to_csv(folder / "windows.csv", index=False)
    altered = ds.load_rois(folder / "windows.csv", rois="whole")
    return altered, table.iloc[altered.table["recording"].str[:5].astype(int)]


def of_length(folder: Path, seconds: float) -> ds.RoiSet:
    """ROIs so long: a part of each window of 3 s, or one a second apart from the next."""
    mode = "windows" if seconds < 3 else "whole"
    rows = [
        (str(folder / row.recording), start, start + seconds, row.label)
        for row in ds.load_rois(folder, rois=mode).table.itertuples()
        for start in (
            np.array([row.start_s + 0.6] if row.end_s - row.start_s > 2.5 else [])
            if seconds < 3
            else np.arange(0.0, row.end_s - seconds, seconds + 1)
        )
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        pd.DataFrame(rows, columns=["recording", "start_s", "end_s", "label"]).to_csv(
            file, index=False
        )
        file.flush()
        return ds.load_rois(file.name)


def selection(audio: Path, hear: Hear) -> dict[str, float]:
    out: dict[str, float] = {}
    for name in ("birdguess", "british"):
        rois = ds.load_rois(audio / name, rois="windows")
        first, average = neighbours(hear(rois, ds.Settings()), rois.table)
        out |= {f"{name} 1-NN": first, f"{name} mAP": average}
        with tempfile.TemporaryDirectory() as folder:
            altered, origin = disguise(rois, Path(folder))
            first, average = neighbours(hear(altered, ds.Settings()), origin)
        out |= {f"{name} disguised 1-NN": first, f"{name} disguised mAP": average}
    rois = ds.load_rois(audio / "bengalese" / "syllables.csv")
    vectors = hear(rois, ds.Settings())
    figures = [clusters(vectors, rois.labels, seed) for seed in SEEDS]
    return out | {
        f"bengalese {key}": float(np.mean([f[key] for f in figures]))
        for key in ("V", "AMI", "coverage", "clusters")
    }


def lengths(audio: Path, hear: Hear, model: Path | None) -> None:
    ours = {f"length {roi_s}": at_length(hear, roi_s) for roi_s in (3.0, "auto")}
    theirs = {f"BirdNET, {how}": birdnet(model, how) for how in ("loudest", "mean") if model}
    for name in ("birdguess", "british"):
        for seconds in (0.8, 1.6, 6.0):
            rois = of_length(audio / name, seconds)
            for way, one in (ours | theirs if seconds > 3 else ours).items():
                first, average = neighbours(one(rois, ds.Settings()), rois.table)
                print(f"{name}, {len(rois)} ROIs of {seconds:g} s, {way}: ", end="")
                print(f"1-NN {first:.3f}, mAP {average:.3f}", flush=True)


def final(audio: Path, hear: Hear, seed: int) -> dict[str, float]:
    rois = ds.load_rois(audio / "phoebe")
    vectors = hear(rois, ds.Settings())
    return {
        "1-NN": neighbours(vectors, rois.table)[0],
        "5-way 1-shot": few_shot(vectors, rois.labels, 1, seed),
        "5-way 5-shot": few_shot(vectors, rois.labels, 5, seed),
        **clusters(vectors, rois.labels, seed),
    }


def ways(arguments: argparse.Namespace, seed: int) -> Iterator[tuple[str, Callable[[], Hear]]]:
    learnt = {"training": {"epochs": arguments.epochs}}
    ours = {"backbone": {"weights": arguments.weights}}
    scratch = {"backbone": {"name": "resnet18", "weights": "none"}}
    yield (
        "random",
        lambda: learner_of(ds.Settings().replace(seed=seed, backbone={"weights": "none"})),
    )
    yield "log-mel", lambda: log_mel
    yield "ours", lambda: learner_of(ds.Settings().replace(seed=seed, **ours))
    yield "ours, 3 s", lambda: at_length(learner_of(ds.Settings().replace(seed=seed, **ours)), 3.0)
    if arguments.trained:
        for name, of in (("ours, fine-tuned", ours), ("resnet18 from scratch", scratch)):
            yield name, partial(trained, arguments, name, seed, **of, **learnt)
    if arguments.birdnet:
        yield "BirdNET 2.4", lambda: birdnet(arguments.birdnet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("--weights", default="darksound")
    parser.add_argument("--birdnet", type=Path)
    parser.add_argument("--only", help="the way with this name alone")
    parser.add_argument("--trained", action="store_true", help="ways that are trained here too")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many, with --final")
    parser.add_argument("--learners", type=Path, help="folder that keeps what is trained here")
    parser.add_argument("--epochs", type=int, default=6, help="of what is trained here")
    parser.add_argument("--final", action="store_true", help="score the held-out set")
    parser.add_argument("--lengths", action="store_true", help="ROI lengths, by our own weights")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    if arguments.lengths:
        ours = dict(ways(arguments, SEEDS[0]))["ours"]()
        return lengths(arguments.audio, ours, arguments.birdnet)
    seeds = SEEDS[: arguments.seeds] if arguments.final else SEEDS[:1]
    names = [name for name, _ in ways(arguments, 0) if arguments.only in (None, name)]
    for name in names:
        rows = []
        for seed in seeds:
            hear = dict(ways(arguments, seed))[name]()
            score = (
                final(arguments.audio, hear, seed)
                if arguments.final
                else selection(arguments.audio, hear)
            )
            rows.append(score)
        table = pd.DataFrame(rows)
        mean, spread = table.mean(), table.std(ddof=0)
        figures = " | ".join(f"{k} {mean[k]:.3f} ± {spread[k]:.3f}" for k in table)
        print(f"{name}: {figures}", flush=True)


if __name__ == "__main__":
    main()
