"""Reducers by name.

Each entry is the import path of a `darksound.cluster.reducers.base.Reducer`, which
`darksound.cluster.estimators.resolve_reducer` imports on use. Reading the names imports nothing.
"""

__all__ = ["REDUCERS", "REDUCTION_METRICS"]

# The distances of UMAP, listed here so that their names can be read without UMAP.
_UMAP_METRICS = """
    braycurtis canberra categorical chebyshev correlation cosine count dice euclidean
    hamming haversine hellinger hierarchical_categorical jaccard kulsinski l1 l2 linf
    linfinity linfty ll_dirichlet mahalanobis manhattan matching minkowski myers ordinal
    poincare rogerstanimoto russellrao seuclidean softmax_hellinger sokalmichener
    sokalsneath standardised_euclidean string symmetric_kl taxicab weighted_minkowski
    wminkowski yule
"""
#: Values of `reduction.metric`.
REDUCTION_METRICS = tuple(_UMAP_METRICS.split())

#: Import paths of reducers by their names in `reduction.method`.
REDUCERS: dict[str, str] = {
    "umap": "darksound.cluster.reducers.umap:Umap",
    "pca": "darksound.cluster.reducers.pca:PrincipalComponents",
    "none": "darksound.cluster.reducers.base:Identity",
}
