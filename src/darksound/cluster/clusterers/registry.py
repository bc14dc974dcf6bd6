"""Clusterers by name."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clusterer, Clustering, in_order
from darksound.cluster.clusterers.evoc import evoc
from darksound.cluster.clusterers.fast_hdbscan import fast_hdbscan
from darksound.cluster.clusterers.hdbscan import hdbscan
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["CLUSTERERS", "cluster"]

#: Clusterers by their names in the settings.
CLUSTERERS: Mapping[str, Clusterer] = MappingProxyType(
    {"hdbscan": hdbscan, "fast_hdbscan": fast_hdbscan, "evoc": evoc}
)


def cluster(x: npt.NDArray[np.floating], settings: ClusteringSettings) -> Clustering:
    """Cluster reduced embeddings `(n, k)`, n at least 4; clusters are numbered by size.

    Raises:
        SettingsError: the clusterer or its metric is unknown, or it is not installed.
    """
    if settings.method not in CLUSTERERS:
        raise SettingsError(
            f"clustering.method is {settings.method!r}; there are {', '.join(CLUSTERERS)}."
        )
    return in_order(CLUSTERERS[settings.method](np.asarray(x, dtype=np.float64), settings))
