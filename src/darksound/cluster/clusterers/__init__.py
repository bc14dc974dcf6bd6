"""Clusterers by name.

Each entry is the import path of a `darksound.cluster.clusterers.base.Clusterer`, which
`darksound.cluster.estimators.resolve_clusterer` imports on use. Reading the names imports nothing.
"""

__all__ = ["CLUSTERERS", "CLUSTERING_METRICS"]

#: Values of `clustering.metric` that any of the clusterers has.
CLUSTERING_METRICS = (
    "euclidean",
    "sqeuclidean",
    "manhattan",
    "cityblock",
    "chebyshev",
    "canberra",
    "braycurtis",
    "cosine",
    "correlation",
)

#: Import paths of clusterers by their names in `clustering.method`.
CLUSTERERS: dict[str, str] = {
    "linkage": "darksound.cluster.clusterers.linkage:AverageLinkage",
    "hdbscan": "darksound.cluster.clusterers.hdbscan:Hdbscan",
    "fast_hdbscan": "darksound.cluster.clusterers.fast_hdbscan:FastHdbscan",
    "dbscan": "darksound.cluster.clusterers.dbscan:Dbscan",
    "evoc": "darksound.cluster.clusterers.evoc:Evoc",
}
