"""Compare embeddings on birds that none of them was trained on.

    python benchmarks/pretrained.py AUDIO [--weights FILE] [--birdnet MODEL.tflite] [--final]
    python benchmarks/pretrained.py AUDIO --lengths [--birdnet MODEL.tflite]

AUDIO holds the folders `birdguess`, `british`, `bengalese` and `phoebe` of labelled recordings.
Without `--final` the sets for model selection are scored. For windows of `birdguess` and
`british`, unaltered and disguised: accuracy of the nearest neighbour from another recording of the
species (from the other half of the recording, if there is one recording alone), its mean average
precision, and 5-way accuracy with 1 and 3 shots. For `bengalese`: the V-measure of clusters. With
`--final`, the held-out set `phoebe` is scored with three seeds.

`--lengths` compares ROI lengths, on ROIs shorter and longer than the default 3 s, and BirdNET's
embeddings of long ones.

In the disguised sets, the later half of each recording is altered to sound like another bird at
another site: resampled by a few per cent, tilted, with noise and another singer. Otherwise the two
halves of a recording have their background in common as well as their bird.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf
import soxr

import darksound as ds
import learners
from darksound.audio.augmentation import augment_waveform
from darksound.cluster.embedding import embed
from darksound.cluster.metrics import label_scores
from darksound.cluster.normalise import normalise
from darksound.cluster.structure import find_clusters
from darksound.meta.learners.build import build_learner
from darksound.store.building import build_store
from darksound.store.cached_store import build_images

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.object_]
EmbeddingMethod = Callable[[ds.RoiSet, ds.Settings], Vectors]
SEEDS = (1979, 1980, 1981)
N_EPISODES = 600
RATE = 48_000


def untrained_learner(settings: ds.Settings) -> EmbeddingMethod:
    return with_learner(build_learner(settings))


def with_learner(learner: ds.Learner) -> EmbeddingMethod:
    def embed_rois(rois: ds.RoiSet, settings: ds.Settings) -> Vectors:
        image_settings = learner.settings.replace(audio={"roi_s": settings.audio.roi_s})
        images = build_store(rois, image_settings, windows=True)
        learner.settings = images.settings
        return embed(images, learner, images.settings)

    return embed_rois


def log_mel(rois: ds.RoiSet, settings: ds.Settings) -> Vectors:
    """Return mean, deviation and maximum over time of each band, with unit variance each."""
    images = build_images(rois, settings)
    rows = []
    for row in range(len(images)):
        level = images.batch([row])[0, 0].numpy()
        rows.append(np.concatenate([level.mean(1), level.std(1), level.max(1)]))
    return _standardised(np.stack(rows))


def birdnet(model: Path, long_rois: str = "mean") -> EmbeddingMethod:
    """Return BirdNET 2.4's embedding, each dimension of unit variance."""

    def embed_rois(rois: ds.RoiSet, settings: ds.Settings) -> Vectors:
        birdnet_settings = settings.replace(
            backbone={"name": f"birdnet:{model}"}, embedding_model={"long_rois": long_rois}
        )
        store = ds.build_store(rois, birdnet_settings)
        return _standardised(store.batch(range(len(store))).numpy())

    return embed_rois


def _standardised(vectors: Vectors) -> Vectors:
    standardised: Vectors = (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)
    return standardised


def at_length(method: EmbeddingMethod, roi_s: float | str) -> EmbeddingMethod:
    return lambda rois, settings: method(rois, settings.replace(audio={"roi_s": roi_s}))


def trained(
    arguments: argparse.Namespace, name: str, seed: int, **changes: object
) -> EmbeddingMethod:
    """Return the embedding of a learner that is trained on windows of `birdguess` and `british`."""
    settings = ds.Settings().replace(seed=seed, **changes)
    settings = settings.replace(training={"regime": "classical"})
    return with_learner(learners.trained(arguments.audio, settings, arguments.learners, name))


def neighbours(vectors: Vectors, table: pd.DataFrame) -> tuple[float, float]:
    """Return 1-NN accuracy and mean average precision, by cosine, across recordings or halves."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = table["label"].to_numpy()
    has_several = table.groupby("label")["recording"].transform("nunique") > 1
    is_late = table["start_s"] > table.groupby("recording")["start_s"].transform("median")
    halves = table["recording"] + "#" + is_late.astype(str)
    groups = table["recording"].where(has_several, halves).to_numpy()
    is_allowed = groups[:, None] != groups[None]
    order = np.argsort(np.where(is_allowed, -(unit @ unit.T), np.inf), axis=1)
    allowed = np.take_along_axis(is_allowed, order, axis=1)
    correct = (labels[order] == labels[:, None]) & allowed
    has_partner = correct.any(axis=1)
    precision = np.cumsum(correct, axis=1) / np.arange(1, len(labels) + 1)
    average = (precision * correct).sum(1)[has_partner] / correct.sum(1)[has_partner]
    return float(correct[has_partner, 0].mean()), float(average.mean())


def few_shot(vectors: Vectors, labels: Labels, n_shot: int, seed: int, n_query: int = 5) -> float:
    """Return 5-way accuracy of the nearest mean of `n_shot` unit vectors.

    Labels of fewer than `n_shot + n_query` vectors are left out.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rng = np.random.default_rng([seed, n_shot])
    names, counts = np.unique(labels, return_counts=True)
    names, n_drawn = names[counts >= n_shot + n_query], n_shot + n_query
    accuracy = 0.0
    for _ in range(N_EPISODES):
        classes = rng.choice(names, 5, replace=False)
        drawn = [rng.permutation(np.flatnonzero(labels == k))[:n_drawn] for k in classes]
        centres = np.stack([unit[rows[:n_shot]].mean(0) for rows in drawn])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        scores = np.stack([unit[rows[n_shot:]] @ centres.T for rows in drawn])
        accuracy += float((scores.argmax(2) == np.arange(5)[:, None]).mean())
    return accuracy / N_EPISODES


def cluster_scores(vectors: Vectors, labels: Labels, seed: int) -> dict[str, float]:
    clustering = find_clusters(vectors, ds.Settings().replace(seed=seed))
    scores = label_scores(clustering.labels, labels)
    over_all = scores.everything
    return {
        "clusters": clustering.n_clusters,
        "coverage": scores.coverage,
        "V": over_all.nmi,
        "AMI": over_all.ami,
        "ARI": over_all.ari,
    }


def disguise(rois: ds.RoiSet, folder: Path) -> tuple[ds.RoiSet, pd.DataFrame]:
    """Write the windows as files, with the later half of each recording altered.

    Returns:
        The ROIs of the files, and the rows of the original table that they come from.
    """
    table = rois.table
    is_late = table["start_s"] > table.groupby("recording")["start_s"].transform("median")
    waves = [
        rois.reader.read(row["root"], row["recording"], row["start_s"], row["end_s"], RATE)[0]
        for row in table.to_dict("records")
    ]
    augmentation = ds.Settings().augmentation.replace(noise_snr_db=(5.0, 30.0), time_shift=0.1)
    rng = np.random.default_rng(5)
    for number, wave in enumerate(waves):
        if is_late.iloc[number]:
            speed = np.exp(np.clip(rng.normal(0.0, 0.05), -0.12, 0.12))
            resampled = soxr.resample(wave, RATE, RATE * speed).astype(np.float32)[: len(wave)]
            neighbour = waves[int(rng.integers(len(waves)))] if rng.random() < 0.5 else None
            wave = augment_waveform(resampled, RATE, rng, augmentation, neighbour)
        sf.write(folder / f"{number:05d}.wav", 0.7 * wave / (np.abs(wave).max() + 1e-9), RATE)
    names = pd.DataFrame({"recording": [f"{number:05d}.wav" for number in range(len(waves))]})
    names.to_csv(folder / "windows.csv", index=False)
    altered = ds.load_rois(folder / "windows.csv", rois="whole")
    return altered, table.iloc[altered.table["recording"].str[:5].astype(int)]


def rois_of_length(folder: Path, seconds: float) -> ds.RoiSet:
    """Return ROIs of this length: a part of each 3 s window, or stretches 1 s apart."""
    mode = "windows" if seconds < 3 else "whole"
    rows = [
        (str(folder / row["recording"]), start, start + seconds, row["label"])
        for row in ds.load_rois(folder, rois=mode).table.to_dict("records")
        for start in (
            np.array([row["start_s"] + 0.6] if row["end_s"] - row["start_s"] > 2.5 else [])
            if seconds < 3
            else np.arange(0.0, row["end_s"] - seconds, seconds + 1)
        )
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        pd.DataFrame(rows, columns=["recording", "start_s", "end_s", "label"]).to_csv(
            file, index=False
        )
        file.flush()
        return ds.load_rois(file.name)


def comparison_scores(name: str, vectors: Vectors, table: pd.DataFrame) -> dict[str, float]:
    accuracy, precision = neighbours(vectors, table)
    labels = table["label"].to_numpy(dtype=object)
    shots = {f"{name} 5-way {k}-shot": few_shot(vectors, labels, k, SEEDS[0], 3) for k in (1, 3)}
    scores = {f"{name} 1-NN": accuracy, f"{name} mAP": precision, **shots}
    accuracy, precision = neighbours(normalise(vectors, "centred"), table)
    return scores | {f"{name} 1-NN, centred": accuracy, f"{name} mAP, centred": precision}


def score_selection_sets(audio: Path, method: EmbeddingMethod) -> dict[str, float]:
    scores: dict[str, float] = {}
    for name in ("birdguess", "british"):
        rois = ds.load_rois(audio / name, rois="windows")
        scores |= comparison_scores(name, method(rois, ds.Settings()), rois.table)
        with tempfile.TemporaryDirectory() as folder:
            altered, original = disguise(rois, Path(folder))
            vectors = method(altered, ds.Settings())
        scores |= comparison_scores(f"{name} disguised", vectors, original)
    rois = ds.load_rois(audio / "bengalese" / "syllables.csv")
    vectors = method(rois, ds.Settings())
    figures = [cluster_scores(vectors, _labels(rois), seed) for seed in SEEDS]
    return scores | {
        f"bengalese {key}": float(np.mean([f[key] for f in figures]))
        for key in ("V", "AMI", "coverage", "clusters")
    }


def print_lengths(audio: Path, settings: ds.Settings, model: Path | None) -> None:
    method = untrained_learner(settings)
    by_length = {f"length {roi_s}": at_length(method, roi_s) for roi_s in (3.0, "auto")}
    loudest = untrained_learner(settings.replace(front_end={"long_rois": "loudest"}))
    of_long = {"length 3.0, loudest": at_length(loudest, 3.0)}
    of_birdnet = {f"BirdNET, {how}": birdnet(model, how) for how in ("loudest", "mean") if model}
    for name in ("birdguess", "british"):
        for seconds in (0.8, 1.6, 6.0):
            rois = rois_of_length(audio / name, seconds)
            methods = by_length | of_long | of_birdnet if seconds > 3 else by_length
            for method_name, embed_rois in methods.items():
                accuracy, precision = neighbours(embed_rois(rois, ds.Settings()), rois.table)
                print(f"{name}, {len(rois)} ROIs of {seconds:g} s, {method_name}: ", end="")
                print(f"1-NN {accuracy:.3f}, mAP {precision:.3f}", flush=True)


def score_held_out_set(audio: Path, method: EmbeddingMethod, seed: int) -> dict[str, float]:
    rois = ds.load_rois(audio / "phoebe")
    vectors = method(rois, ds.Settings())
    return {
        "1-NN": neighbours(vectors, rois.table)[0],
        "1-NN, centred": neighbours(normalise(vectors, "centred"), rois.table)[0],
        "5-way 1-shot": few_shot(vectors, _labels(rois), 1, seed),
        "5-way 5-shot": few_shot(vectors, _labels(rois), 5, seed),
        **cluster_scores(vectors, _labels(rois), seed),
    }


def _labels(rois: ds.RoiSet) -> Labels:
    labels = rois.labels
    assert labels is not None  # all sets are labelled
    return labels


def methods(
    arguments: argparse.Namespace, seed: int
) -> Iterator[tuple[str, Callable[[], EmbeddingMethod]]]:
    """Yield the name of each embedding, and a function that makes it."""
    training = {"training": {"epochs": arguments.epochs}}
    ours = {"backbone": {"weights": arguments.weights}}
    scratch = {"backbone": {"name": "resnet18", "weights": "none"}}
    settings = ds.Settings().replace(seed=seed)
    yield "random", lambda: untrained_learner(settings.replace(backbone={"weights": "none"}))
    yield "log-mel", lambda: log_mel
    yield "ours", lambda: untrained_learner(settings.replace(**ours))
    small = {"backbone": {"name": "small"}}
    yield "ours, small", lambda: untrained_learner(settings.replace(**small))
    yield "ours, 3 s", lambda: at_length(untrained_learner(settings.replace(**ours)), 3.0)
    if arguments.trained:
        for name, changes in (("ours, fine-tuned", ours), ("resnet18 from scratch", scratch)):
            yield name, partial(trained, arguments, name, seed, **changes, **training)
    if arguments.birdnet:
        yield "BirdNET 2.4", lambda: birdnet(arguments.birdnet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("--weights", default="darksound")
    parser.add_argument("--birdnet", type=Path)
    parser.add_argument("--only", help="score the embedding with this name alone")
    parser.add_argument("--trained", action="store_true", help="score trained networks too")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="number, with --final")
    parser.add_argument("--learners", type=Path, help="folder of trained networks")
    parser.add_argument("--epochs", type=int, default=6, help="of the trained networks")
    parser.add_argument("--final", action="store_true", help="score the held-out set")
    parser.add_argument("--lengths", action="store_true", help="compare ROI lengths")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    if arguments.lengths:
        weights = {"backbone": {"weights": arguments.weights}}
        settings = ds.Settings().replace(seed=SEEDS[0], **weights)
        print_lengths(arguments.audio, settings, arguments.birdnet)
        return
    seeds = SEEDS[: arguments.seeds] if arguments.final else SEEDS[:1]
    names = [name for name, _ in methods(arguments, 0) if arguments.only in (None, name)]
    for name in names:
        rows = []
        for seed in seeds:
            method = dict(methods(arguments, seed))[name]()
            if arguments.final:
                rows.append(score_held_out_set(arguments.audio, method, seed))
            else:
                rows.append(score_selection_sets(arguments.audio, method))
        table = pd.DataFrame(rows)
        columns = zip(table.columns, table.mean(), table.std(ddof=0), strict=True)
        figures = " | ".join(f"{metric} {mean:.3f} ± {std:.3f}" for metric, mean, std in columns)
        print(f"{name}: {figures}", flush=True)


if __name__ == "__main__":
    main()
