"""Made catalogues for the tests: types as clouds of points, without sound."""

from dataclasses import replace

import numpy as np
import pandas as pd

from darksound.catalogue.scores import OpenSet
from darksound.meta.learners.build import build_learner
from darksound.report.result import MecResult
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.run.manifest import manifest_of
from darksound.settings import Settings
from darksound.store.readers import DispatchReader

DIM = 32
SETTINGS = Settings().replace(backbone={"weights": "none"})


def centres(k, seed=0):
    return np.random.default_rng(seed).normal(size=(k, DIM))


def cloud(types, spread=0.5, seed=1):
    """Return vectors `(n, DIM)` around the centres of types `(n,)`."""
    types = np.asarray(types)
    noise = np.random.default_rng(seed).normal(size=(len(types), DIM))
    return (centres(12)[types] + spread * noise).astype(np.float32)


def open_set(types, spread=0.5, seed=1, per_recording=2):
    """Return core ROIs of types numbered from 0, two of each recording."""
    types = np.asarray(types)
    recordings = np.array([f"{i // per_recording}.wav" for i in range(len(types))], dtype=object)
    return OpenSet(cloud(types, spread, seed), types, recordings)


def rois_of(types, month):
    """Return ROIs, the label of each the letter of its type, every recording with two."""
    n = len(types)
    table = as_roi_table(
        {
            "root": [f"/nowhere/{month}"] * n,
            "recording": [f"{month}-{i // 2}.wav" for i in range(n)],
            "start_s": np.arange(n) % 2 * 2.0,
            "end_s": np.arange(n) % 2 * 2.0 + 1,
            "label": [chr(ord("a") + t) for t in types],
        }
    )
    return RoiSet(table, DispatchReader())


def result_of(types, month="march", seed=1):
    """Return a result of MEC whose clusters are the types, -1 for noise."""
    types = np.asarray(types)
    rois = rois_of(np.where(types < 0, 11, types), month)
    n = len(types)
    clusters = pd.DataFrame(
        {
            "roi_id": rois.table["roi_id"],
            "cluster": types,
            "probability": np.where(types < 0, 0.0, 0.95),
            "outlier_score": 0.0,
            "assigned_cluster": pd.array([pd.NA] * n, dtype="Int64"),
            "assigned_probability": np.nan,
            "x": np.float32(0),
            "y": np.float32(0),
            "persistence": 0.5,
            "supercluster": types,
            "stability": np.nan,
        }
    )
    manifest = replace(manifest_of("mec", rois.take([]), SETTINGS), fingerprint=f"{month} {seed}")
    return MecResult(
        rois=rois,
        clusters=clusters,
        iterations=pd.DataFrame({"iteration": [0], "kept": [True]}),
        embeddings=cloud(np.where(types < 0, 11, types), seed=seed),
        settings=SETTINGS,
        manifest=manifest,
        _learner=build_learner(SETTINGS),
    )


def review_file(path, result, names=None, groups=None, rejected=()):
    """Write a review of all clusters; names by group, groups by cluster, rejected rows."""
    table = result.table[result.table["cluster"] >= 0]
    group = table["cluster"].map(lambda c: (groups or {}).get(c, c))
    rows = table[["roi_id", "recording", "start_s", "end_s", "cluster"]].assign(
        group=group,
        name=group.map(lambda g: (names or {}).get(g, "")),
        rejected=[str(i in set(rejected)).lower() for i in table.index],
    )
    rows.to_csv(path, index=False)
    return path
