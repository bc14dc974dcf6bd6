"""Reducers by name.

Each entry is the import path of a `darksound.cluster.reducers.base.Reducer`, which
`darksound.cluster.estimators.resolve_reducer` imports on use. Reading the names imports nothing.
"""

__all__ = ["REDUCERS"]

#: Import paths of reducers by their names in `reduction.method`.
REDUCERS: dict[str, str] = {
    "umap": "darksound.cluster.reducers.umap:Umap",
    "pca": "darksound.cluster.reducers.pca:PrincipalComponents",
    "none": "darksound.cluster.reducers.base:Identity",
}
