"""Measure whether new ROIs are assigned to known call types, or recognised as unknown.

    python benchmarks/open_set.py AUDIO [--birdnet MODEL.tflite] [--draws 20] [--made FOLDER]...
    python benchmarks/open_set.py AUDIO [--birdnet MODEL.tflite] --final [--draws 50]

AUDIO holds the folders `british`, `bengalese` and `phoebe` of labelled recordings. A draw makes
some labels known by six ROIs each, and scores other ROIs of these labels and all ROIs of the other
labels: AUROC of known against unknown, share of known ROIs that are rejected, share of unknown
ROIs that are recognised, share of known ROIs with the right label, mean probability of the right
answer and Brier score of "known". Where a label has several recordings, known and scored ROIs are
of different ones. Without `--final` these are the sets that the score and its constants were chosen
on: six syllables of a finch known, two thirds of 33 British species, of synthetic birds and of the
demo. With it, `phoebe`, which decided nothing: seven of ten species known. `--made` adds sets of
synthetic species, which are harder than the demo's:

    darksound synth --species 20 --birds 3 --recordings 2 --songs 3 --seed 11 --out made-11

The rows compare the score of `darksound.catalogue.scores` with others: the cosine with the nearest
prototype, and with the nearest known ROI.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

import darksound as ds
from darksound.catalogue.scores import OpenSet, score_open_set
from darksound.rois.roi_set import RoiSet

Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Changes = Mapping[str, Any]

N_KNOWN_ROIS, MAX_SCORED = 6, 60


@dataclass(frozen=True)
class Data:
    """A labelled set, how many of its labels are known, and its changes of the settings."""

    load: Callable[[], RoiSet]
    n_known: int | None
    changes: Changes


@dataclass(frozen=True)
class Draw:
    """Known, and scored known and unknown rows of a set."""

    known: Ints
    familiar: Ints
    unfamiliar: Ints


def data(audio: Path, final: bool, made: Sequence[Path]) -> dict[str, Data]:
    if final:
        return {"phoebe": Data(lambda: ds.load_rois(audio / "phoebe"), 7, {})}
    return {
        "bengalese": Data(
            lambda: ds.load_rois(audio / "bengalese" / "syllables.csv"),
            6,
            {"audio": {"roi_s": "auto"}},
        ),
        "british": Data(lambda: ds.load_rois(audio / "british", rois="windows"), None, {}),
        "demo": Data(lambda: ds.load_rois("demo"), None, {}),
        **{
            folder.name: Data(partial(ds.load_rois, folder / "rois.csv"), None, {})
            for folder in made
        },
    }


def draws(rois: RoiSet, n_known: int | None, n: int) -> Iterator[Draw]:
    labels, recordings = rois.labels, rois.table["recording"].to_numpy()
    assert labels is not None
    names, counts = np.unique(labels.astype(str), return_counts=True)
    usable = names[counts > N_KNOWN_ROIS]
    for seed in range(n):
        rng = np.random.default_rng(seed)
        size = round(2 / 3 * len(usable)) if n_known is None else n_known
        known_names = rng.choice(usable, size, replace=False)
        known, familiar = [], []
        for name in known_names:
            rows = np.flatnonzero(labels == name)
            ordered = rng.permutation(np.unique(recordings[rows]))
            if 3 <= len(ordered) < len(rows):
                first = np.isin(recordings[rows], ordered[: len(ordered) // 2])
                parts = rng.permutation(rows[first]), rng.permutation(rows[~first])
                known.append(parts[0][:N_KNOWN_ROIS])
                familiar.append(parts[1][:MAX_SCORED])
            else:
                shuffled = rng.permutation(rows)
                known.append(shuffled[:N_KNOWN_ROIS])
                familiar.append(shuffled[N_KNOWN_ROIS:][:MAX_SCORED])
        others = [
            rng.permutation(np.flatnonzero(labels == name))[:MAX_SCORED]
            for name in names
            if name not in known_names
        ]
        yield Draw(*map(np.concatenate, (known, familiar, others)))


def unit(x: Vectors) -> Vectors:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def nearest_prototype(known: OpenSet, new: Vectors) -> Floats:
    x = unit(np.asarray(known.embeddings))
    means = [x[known.types == number].mean(axis=0) for number in range(known.n_types)]
    return np.asarray((unit(new) @ unit(np.array(means)).T).max(axis=1), dtype=np.float64)


def nearest_roi(known: OpenSet, new: Vectors) -> Floats:
    x = unit(np.asarray(known.embeddings))
    return np.asarray((unit(new) @ x.T).max(axis=1), dtype=np.float64)


def evaluate(rois: RoiSet, vectors: Vectors, draw: Draw) -> dict[str, float]:
    assert rois.labels is not None
    labels = rois.labels.astype(str)
    recordings = rois.table["recording"].to_numpy(dtype=object)
    names, types = np.unique(labels[draw.known], return_inverse=True)
    known = OpenSet(vectors[draw.known], types, recordings[draw.known])
    rows = np.concatenate([draw.familiar, draw.unfamiliar])
    is_known = np.arange(len(rows)) < len(draw.familiar)
    scores = score_open_set(known, vectors[rows])
    right = names[scores.nearest] == labels[rows]
    p_known = scores.probability.sum(axis=1)
    p_right = scores.probability[np.arange(len(rows)), scores.nearest]
    return {
        "prototype": float(roc_auc_score(is_known, nearest_prototype(known, vectors[rows]))),
        "nearest": float(roc_auc_score(is_known, nearest_roi(known, vectors[rows]))),
        "AUROC": float(roc_auc_score(is_known, scores.margin)),
        "rejected": float((~scores.accepted[is_known]).mean()),
        "recognised": float((~scores.accepted[~is_known]).mean()),
        "right": float(right[is_known].mean()),
        "Brier": float(((p_known - is_known) ** 2).mean()),
        "p named": float(p_right[scores.accepted].mean()),
        "right named": float((right & is_known)[scores.accepted].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("--birdnet", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--final", action="store_true")
    parser.add_argument("--made", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    models: dict[str, Changes] = {"bundled weights": {}}
    if arguments.birdnet is not None:
        models["BirdNET"] = {"backbone": {"name": f"birdnet:{arguments.birdnet}"}}
    for model, changes in models.items():
        for name, each in data(arguments.audio, arguments.final, arguments.made).items():
            rois = each.load()
            settings = ds.Settings().replace(**{**each.changes, **changes})
            vectors = ds.embed(rois, settings=settings)
            rows = [
                evaluate(rois, vectors, draw) for draw in draws(rois, each.n_known, arguments.draws)
            ]
            values = "  ".join(
                f"{key} {np.mean([row[key] for row in rows]):.3f}" for key in rows[0]
            )
            print(f"{model:16} {name:10} {values}", flush=True)


if __name__ == "__main__":
    main()
