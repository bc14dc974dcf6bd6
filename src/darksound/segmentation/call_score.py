"""The probability that a ROI is an animal's call: boosted decision trees on `call_features`.

The trees were trained on synthetic recordings by `benchmarks/call_score.py`, which writes the file
beside this module.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from darksound.segmentation.call_features import CALL_FEATURES

__all__ = ["CallTrees", "bundled_trees", "call_scores"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FILE = "call_score.npz"
# ROIs that go through all trees at once, so that the nodes they are at stay in the CPU's cache.
_BATCH_ROIS = 64


@dataclass(frozen=True)
class CallTrees:
    """Decision trees whose sum is a log-odds, each array `(trees, nodes)` unless noted.

    Attributes:
        feature: column of the feature that a node compares.
        threshold: a ROI with at most this value goes to `left`, others to `right`; a leaf has
            infinity.
        left: node of the tree; a leaf's own number.
        right: node of the tree; a leaf's own number.
        value: what a leaf adds.
        scale: of the sum, `(2,)`: slope and intercept, by which it is calibrated.
        depth: number of comparisons to the deepest leaf.
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    scale: Floats
    depth: int

    def scores(self, features: Floats) -> Floats:
        """Return the probability of a call, `(n,)`.

        Args:
            features: `(n, len(CALL_FEATURES))`, of `call_features`.
        """
        n_trees, n_nodes = self.feature.shape
        # Nodes are numbered over all trees.
        base = np.arange(n_trees) * n_nodes
        feature, threshold = self.feature.ravel(), self.threshold.ravel()
        left, right = (self.left + base[:, None]).ravel(), (self.right + base[:, None]).ravel()
        value = self.value.ravel()
        totals = np.empty(len(features))
        for start in range(0, len(features), _BATCH_ROIS):
            batch = features[start : start + _BATCH_ROIS]
            node = np.tile(base, (len(batch), 1))
            rows = np.arange(len(batch))[:, None]
            for _ in range(self.depth):
                goes_left = batch[rows, feature[node]] <= threshold[node]
                node = np.where(goes_left, left[node], right[node])
            totals[start : start + _BATCH_ROIS] = value[node].sum(axis=1)
        scores: Floats = 1 / (1 + np.exp(-self.scale[0] * totals - self.scale[1]))
        return scores


@lru_cache(maxsize=1)
def bundled_trees() -> CallTrees:
    """Return the trees that come with the package."""
    path = resources.files("darksound.segmentation") / _FILE
    with path.open("rb") as file, np.load(file) as arrays:
        names = tuple(arrays["features"].tolist())
        if names != CALL_FEATURES:
            raise RuntimeError(f"{_FILE} was trained on other features.")
        return CallTrees(
            arrays["feature"].astype(np.int64),
            arrays["threshold"],
            arrays["left"].astype(np.int64),
            arrays["right"].astype(np.int64),
            arrays["value"],
            arrays["scale"],
            int(arrays["depth"]),
        )


def call_scores(features: Floats) -> Floats:
    """Return the probability that each ROI is an animal's call, `(n,)`.

    Args:
        features: `(n, len(CALL_FEATURES))`, of `call_features`.
    """
    return bundled_trees().scores(features)
