"""EVoC: clusters of embeddings by a graph of neighbours, without a reducer before it."""

import warnings

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering, refuse_changed
from darksound.cluster.clusterers.hdbscan import resolve_min_cluster_size, resolve_min_samples
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["evoc"]

_NEIGHBOURS = 15
# Settings that it does not have.
_WITHOUT = ("metric", "selection", "epsilon", "alpha", "allow_single_cluster", "max_cluster_size")
# Clusterers are functions of their input, so its own chance is always the same.
_SEED = 1979


def evoc(x: npt.NDArray[np.float64], settings: ClusteringSettings) -> Clustering:
    """Clusters of embeddings `(n, k)` by the angles between them, at the most lasting resolution.

    `reduction.method` is to be `none`, since it reduces embeddings itself. It has no tree of
    densities: the persistence of a cluster is the mean strength of its ROIs, and an outlier score
    what a ROI's strength leaves to 1.

    Raises:
        SettingsError: it is not installed, or a setting was changed that it does not have.
    """
    try:
        from evoc import EVoC
    except ImportError:
        raise SettingsError(
            "clustering.method is 'evoc', which is not installed; install it with pip install "
            "'darksound[evoc]'."
        ) from None
    refuse_changed(settings, "evoc", _WITHOUT)
    n = len(x)
    model = EVoC(
        base_min_cluster_size=resolve_min_cluster_size(settings, n),
        min_samples=resolve_min_samples(settings, n),
        n_neighbors=min(_NEIGHBOURS, n - 1),
        random_state=_SEED,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.ascontiguousarray(x, dtype=np.float32))
    labels = np.asarray(model.labels_, dtype=np.int64)
    inside = labels != NOISE
    strength = np.clip(np.nan_to_num(np.asarray(model.membership_strengths_, np.float64)), 0, 1)
    strength[~inside] = 0
    sizes = np.bincount(labels[inside])
    return Clustering(
        labels=labels,
        probability=strength,
        outlier_score=1 - strength,
        persistence=np.bincount(labels[inside], strength[inside]) / sizes,
    )
