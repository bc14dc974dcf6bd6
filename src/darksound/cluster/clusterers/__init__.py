"""Clusterers by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clusterer, Clustering, in_order
from darksound.cluster.clusterers.evoc import evoc
from darksound.cluster.clusterers.fast_hdbscan import fast_hdbscan
from darksound.cluster.clusterers.hdbscan import hdbscan, resolve_min_cluster_size
from darksound.cluster.clusterers.linkage import average_linkage, smallest_group
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["CLUSTERERS", "Way", "cluster"]


@dataclass(frozen=True)
class Way:
    """A way to cluster.

    Attributes:
        cluster: the clusterer.
        smallest: fewest ROIs of a cluster, of n.
        reduced: whether embeddings are to be reduced before.
        noise: why it leaves ROIs out, with `{size}` for the fewest.
    """

    cluster: Clusterer
    smallest: Callable[[ClusteringSettings, int], int]
    reduced: bool
    noise: str


_SPARSE = (
    "A cluster is at least {size} ROIs that lie closer to each other than to the rest; a ROI with "
    "too few others around it is noise."
)
_FEW = (
    "ROIs are grouped by the mean distances between them, as finely as tells most; groups of fewer "
    "than {size} are noise."
)

#: Clusterers by their names in the settings.
CLUSTERERS: Mapping[str, Way] = MappingProxyType(
    {
        "linkage": Way(average_linkage, smallest_group, False, _FEW),
        "hdbscan": Way(hdbscan, resolve_min_cluster_size, True, _SPARSE),
        "fast_hdbscan": Way(fast_hdbscan, resolve_min_cluster_size, True, _SPARSE),
        "evoc": Way(evoc, resolve_min_cluster_size, False, _SPARSE),
    }
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
    way = CLUSTERERS[settings.method]
    return in_order(way.cluster(np.asarray(x, dtype=np.float64), settings))
