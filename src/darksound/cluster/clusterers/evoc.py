"""EVoC: clusters of embeddings by a graph of neighbours, without a reducer before it."""

import warnings

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import (
    Clustering,
    mean_by_cluster,
    refuse_changed_settings,
)
from darksound.cluster.clusterers.hdbscan import (
    Hdbscan,
    resolve_min_cluster_size,
    resolve_min_samples,
)
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.parallel.threads import numba_threads
from darksound.settings import ClusteringSettings

__all__ = ["Evoc"]

_NEIGHBOURS = 15
_SEED = 1979


class Evoc(Hdbscan):
    """EVoC of the package `evoc`: cosine distances, the clustering of highest persistence.

    It reduces embeddings itself, so `reduction.method` should be `none`. It has no condensed tree:
    the persistence of a cluster is the mean membership strength of its ROIs, and an outlier score
    is 1 less the membership strength.
    """

    needs_reduction = False
    unsupported_settings = (
        "metric",
        "cluster_selection_method",
        "cluster_selection_epsilon",
        "alpha",
        "allow_single_cluster",
        "max_cluster_size",
        "eps",
    )

    def cluster(
        self, x: npt.NDArray[np.float64], settings: ClusteringSettings, seed: int
    ) -> Clustering:
        """Cluster embeddings `(n, k)`; `seed` is not used, EVoC has a constant seed.

        Raises:
            SettingsError: EVoC is not installed, or a setting that it does not have was changed.
        """
        # Verified first, since the first import compiles for minutes.
        refuse_changed_settings(settings, "evoc", self.unsupported_settings)
        try:
            from evoc import EVoC
        except ImportError:
            raise SettingsError(
                "clustering.method is 'evoc', which is not installed; install it with pip install "
                "'darksound[evoc]'."
            ) from None
        n = len(x)
        model = EVoC(
            base_min_cluster_size=resolve_min_cluster_size(settings, n),
            min_samples=resolve_min_samples(settings, n),
            n_neighbors=min(_NEIGHBOURS, n - 1),
            random_state=_SEED,
        )
        # Its clusters depend on the number of threads.
        with warnings.catch_warnings(), numba_threads(1):
            warnings.simplefilter("ignore")
            model.fit(np.ascontiguousarray(x, dtype=np.float32))
        labels = np.asarray(model.labels_, dtype=np.int64)
        strength = np.asarray(model.membership_strengths_, dtype=np.float64)
        strength = np.clip(np.nan_to_num(strength), 0, 1)
        strength[labels == NOISE] = 0
        return Clustering(
            labels=labels,
            probability=strength,
            outlier_score=1 - strength,
            persistence=mean_by_cluster(strength, labels),
        )
