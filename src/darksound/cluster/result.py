"""The outcome of MEC in memory, and the columns of its table of clusters."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from darksound.cluster.assign import Assignment
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.levels import Levels
from darksound.cluster.metrics import NOISE
from darksound.meta.learners.base import Learner
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings

__all__ = ["CLUSTER_SCHEMA", "MecOutcome", "cluster_table"]

#: One row per ROI, in the order of the ROI table. `cluster` is -1 for noise. `assigned_cluster` is
#: given for noise only, -1 if its probability is below `mec.min_assigned_probability`, and null if
#: there were fewer than two clusters. `persistence` is that of the ROI's cluster, null for noise.
#: `supercluster` is that of the ROI's cluster, -1 for noise. `stability` is that of the ROI's
#: cluster, null for noise and where it was not computed.
CLUSTER_SCHEMA = pa.schema(
    [
        pa.field("roi_id", pa.string(), nullable=False),
        pa.field("cluster", pa.int64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("outlier_score", pa.float64(), nullable=False),
        pa.field("assigned_cluster", pa.int64()),
        pa.field("assigned_probability", pa.float64()),
        pa.field("x", pa.float32(), nullable=False),
        pa.field("y", pa.float32(), nullable=False),
        pa.field("persistence", pa.float64()),
        pa.field("supercluster", pa.int64(), nullable=False),
        pa.field("stability", pa.float64()),
    ]
)


@dataclass(frozen=True)
class MecOutcome:
    """The outcome of MEC; rows of all tables and arrays are rows of `rois`.

    Attributes:
        rois: the ROIs that could be read.
        clusters: one row per ROI, columns of `CLUSTER_SCHEMA`.
        iterations: one row per iteration, columns of `Iteration.as_row` and `kept`.
        embeddings: `(n, dim)` of the kept iteration.
        map_before: `(n, 2)` map coordinates of iteration 0; None if it is the kept one.
        map_method: key of the method of the maps in `darksound.cluster.maps.MAP_METHODS`.
        tree: `(m - 1, 4)` merges of ROIs or clusters, see `Levels`; None if it is not known.
        call_types: types of a catalogue, a row a cluster; None where there is no catalogue.
        kept: number of the kept iteration; 0 is the initial learner.
        learner: of the kept iteration.
        settings: of the loop; front end, backbone and learner are the learner's, and the methods
            of a reducer or clusterer that was passed as an object are its import path.
        notes: sentences on settings that had to be changed, and why the loop ended early.
    """

    rois: RoiSet
    clusters: pd.DataFrame
    iterations: pd.DataFrame
    embeddings: npt.NDArray[np.float32]
    kept: int
    learner: Learner
    settings: Settings
    notes: tuple[str, ...]
    map_before: npt.NDArray[np.float32] | None = None
    map_method: str | None = None
    tree: npt.NDArray[np.float64] | None = None
    call_types: pd.DataFrame | None = None

    @property
    def table(self) -> pd.DataFrame:
        """Return the ROIs and their clusters in one table."""
        return pd.concat([self.rois.table, self.clusters.drop(columns="roi_id")], axis=1)


def cluster_table(
    rois: RoiSet,
    clustering: Clustering,
    assignment: Assignment,
    coordinates: npt.NDArray[np.float32],
    levels: Levels,
    stability: npt.NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Return the table of clusters, columns of `CLUSTER_SCHEMA`, one row per ROI.

    Args:
        rois: n ROIs.
        clustering: of the n ROIs.
        assignment: of the noise ROIs.
        coordinates: `(n, 2)` for the map.
        levels: above the clusters.
        stability: `(k,)` of each cluster; None if it was not computed.
    """
    n = len(rois)
    inside = clustering.labels != NOISE
    persistence, stabilities = np.full(n, np.nan), np.full(n, np.nan)
    persistence[inside] = clustering.persistence[clustering.labels[inside]]
    if stability is not None:
        stabilities[inside] = stability[clustering.labels[inside]]
    assigned_cluster = pd.array([pd.NA] * n, dtype="Int64")
    assigned_cluster[assignment.rows] = assignment.cluster
    assigned_probability = np.full(n, np.nan)
    assigned_probability[assignment.rows] = assignment.probability
    return pd.DataFrame(
        {
            "roi_id": rois.table["roi_id"].to_numpy(),
            "cluster": clustering.labels,
            "probability": clustering.probability,
            "outlier_score": clustering.outlier_score,
            "assigned_cluster": assigned_cluster,
            "assigned_probability": assigned_probability,
            "x": coordinates[:, 0],
            "y": coordinates[:, 1],
            "persistence": persistence,
            "supercluster": levels.of_rois(clustering.labels),
            "stability": stabilities,
        }
    )
