"""The result of MEC, as tables and on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.cluster.assign import Assignment
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import NOISE
from darksound.meta.learners import Learner
from darksound.rois.roi_set import RoiSet, write_roi_table

__all__ = ["CLUSTER_SCHEMA", "MecResult", "cluster_table"]

#: One row a ROI, in the order of the ROI table. `cluster` is -1 for noise. `assigned_cluster` is
#: there for noise alone, and -1 where the learner rejects the ROI; null where it was not asked.
#: `persistence` is that of the ROI's cluster, null for noise.
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
    ]
)


@dataclass(frozen=True)
class MecResult:
    """What MEC found; rows of all tables and arrays are rows of `rois`.

    Attributes:
        rois: the ROIs that could be used.
        clusters: one row a ROI, columns of `CLUSTER_SCHEMA`.
        iterations: one row an iteration, the kept one marked.
        embeddings: `(n, dim)` of the kept iteration.
        kept: number of the kept iteration; 0 is the learner as it was given.
        learner: the learner of the kept iteration.
        notes: sentences on what was done differently, or ended early, and why.
    """

    rois: RoiSet
    clusters: pd.DataFrame
    iterations: pd.DataFrame
    embeddings: npt.NDArray[np.float32]
    kept: int
    learner: Learner
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """ROIs and their clusters in one table."""
        return pd.concat([self.rois.table, self.clusters.drop(columns="roi_id")], axis=1)

    def save(self, path: str | Path) -> None:
        """Write `clusters.parquet`, `rois.parquet`, `iterations.csv` and `embeddings.npy` into a
        folder, which is made where it is not there."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pandas(self.clusters, schema=CLUSTER_SCHEMA, preserve_index=False)
        pq.write_table(table, folder / "clusters.parquet")
        write_roi_table(self.rois.table, folder / "rois.parquet")
        self.iterations.to_csv(folder / "iterations.csv", index=False)
        np.save(folder / "embeddings.npy", self.embeddings)


def cluster_table(
    rois: RoiSet,
    clustering: Clustering,
    assignment: Assignment,
    coordinates: npt.NDArray[np.float32],
) -> pd.DataFrame:
    """The table of clusters, one row a ROI."""
    n = len(rois)
    assigned, sureness = pd.array([pd.NA] * n, dtype="Int64"), np.full(n, np.nan)
    inside = clustering.labels != NOISE
    persistence = np.full(n, np.nan)
    persistence[inside] = clustering.persistence[clustering.labels[inside]]
    assigned[assignment.rows] = assignment.cluster
    sureness[assignment.rows] = assignment.probability
    return pd.DataFrame(
        {
            "roi_id": rois.table["roi_id"].to_numpy(),
            "cluster": clustering.labels,
            "probability": clustering.probability,
            "outlier_score": clustering.outlier_score,
            "assigned_cluster": assigned,
            "assigned_probability": sureness,
            "x": coordinates[:, 0],
            "y": coordinates[:, 1],
            "persistence": persistence,
        }
    )
