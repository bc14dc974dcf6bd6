"""Coordinates of ROIs on a map: by t-SNE, or by UMAP where that is the reducer or sets are large.

UMAP compiles for about ten seconds in every process, which the map of a small set does not pay
back: t-SNE keeps more neighbours of a ROI beside it, and takes less time up to 5,000 ROIs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from darksound.cluster.estimators import resolve_reducer
from darksound.cluster.normalise import is_constant, normalise
from darksound.cluster.notes import ignore_note
from darksound.cluster.reducers import REDUCERS
from darksound.cluster.reducers.base import Vectors
from darksound.cluster.structure import AUTO, reduce, reducer_seed, uses_reducer
from darksound.parallel.threads import map_in_order, single_threaded, usable_threads
from darksound.settings import ReductionSettings, Settings

__all__ = ["MAP_METHODS", "map_coordinates", "map_method"]

_TSNE, _UMAP, _PCA = "tsne", "umap", "pca"
# Fewest ROIs for methods that place neighbours, and the most for which t-SNE takes less time than
# UMAP with its compilation.
_MIN_ROIS, _MAX_TSNE_ROIS = 8, 5_000
# Effective number of neighbours of a ROI, at most a third of the ROIs (van der Maaten 2014).
_PERPLEXITY = 30.0
# Standard deviation of the coordinates that t-SNE starts from (Kobak and Berens 2019).
_INITIAL_STD = 1e-4
# UMAP: points lie apart, so that each is visible (its default).
_MIN_DIST = 0.1


@dataclass(frozen=True)
class MapMethod:
    """A way to place ROIs on a map.

    Attributes:
        title: its name in figures.
        place: coordinates `(n, 2)` or `(n, 1)` of embeddings `(n, dim)`, n at least 2, not all
            equal, with the settings of the reduction and a seed.
        is_thread_safe: whether maps can be made at the same time.
    """

    title: str
    place: Callable[[Vectors, ReductionSettings, int], Vectors]
    is_thread_safe: bool


def map_method(settings: Settings, n: int) -> str:
    """Return the key in `MAP_METHODS` of the method for n ROIs.

    It is that of the reducer: UMAP of UMAP, principal components of PCA and of `none`. Where `auto`
    reduces nothing, and with reducers given by import path, it is t-SNE up to 5,000 ROIs and UMAP
    above. Fewer than 8 ROIs are placed by principal components.
    """
    if n < _MIN_ROIS:
        return _PCA
    reducer = settings.reduction.method
    if reducer == AUTO:
        method = _UMAP if uses_reducer(settings) else _TSNE
    else:
        method = resolve_reducer(settings.reduction).map_method if reducer in REDUCERS else _TSNE
    return _UMAP if method == _TSNE and n > _MAX_TSNE_ROIS else method


@single_threaded()
def map_coordinates(
    embeddings: Sequence[Vectors], method: str, settings: ReductionSettings, seed: int
) -> list[Vectors]:
    """Return coordinates `(n, 2)` of each set of embeddings `(n, dim)`.

    They depend on the embeddings, the settings and the seed only. Missing dimensions are 0, as are
    all coordinates of ROIs with equal embeddings.

    Args:
        embeddings: one or more sets.
        method: key in `MAP_METHODS`.
        settings: those of UMAP, where it is the method, and the normalisation.
        seed: of the run.
    """
    chosen = MAP_METHODS[method]

    def place(vectors: Vectors) -> Vectors:
        coordinates = np.zeros((len(vectors), 2), dtype=np.float32)
        if len(vectors) > 1 and not is_constant(normalise(vectors, settings.normalise)):
            placed = chosen.place(vectors, settings, reducer_seed(seed))
            coordinates[:, : placed.shape[1]] = placed
        return coordinates

    threads = min(usable_threads(), len(embeddings)) if chosen.is_thread_safe else 1
    return list(map_in_order(place, embeddings, threads))


def _by_reducer(method: str) -> Callable[[Vectors, ReductionSettings, int], Vectors]:
    def place(embeddings: Vectors, settings: ReductionSettings, seed: int) -> Vectors:
        changes = {
            "method": method,
            "parameters": {},
            "n_components": 2,
            "min_dist": min(_MIN_DIST, settings.spread),
            "repeats": 1,
        }
        flat = ReductionSettings(**{**settings.model_dump(), **changes})
        return reduce(embeddings, flat, seed, note=ignore_note)

    return place


def _by_tsne(embeddings: Vectors, settings: ReductionSettings, seed: int) -> Vectors:
    """Place ROIs by t-SNE (van der Maaten and Hinton 2008), from their principal components.

    Forces are those of Barnes and Hut (van der Maaten 2014), by scikit-learn.
    """
    start = _by_reducer(_PCA)(embeddings, settings, seed)
    start = np.pad(start, ((0, 0), (0, 2 - start.shape[1])))
    # The import takes a second.
    from sklearn.manifold import TSNE

    x = normalise(np.asarray(embeddings, dtype=np.float32), settings.normalise)
    model = TSNE(
        perplexity=min(_PERPLEXITY, (len(x) - 1) / 3),
        init=start * np.float32(_INITIAL_STD / start[:, 0].std()),
        random_state=seed,
        n_jobs=1,
    )
    # After the import, so that its OpenMP is included. The number is that of each thread.
    with single_threaded():
        return np.asarray(model.fit_transform(x), dtype=np.float32)


#: Methods by their names in `Reducer.map_method` and in the journal of a run.
MAP_METHODS: dict[str, MapMethod] = {
    _TSNE: MapMethod("t-SNE", _by_tsne, is_thread_safe=True),
    _UMAP: MapMethod("UMAP", _by_reducer(_UMAP), is_thread_safe=False),
    _PCA: MapMethod("principal components", _by_reducer(_PCA), is_thread_safe=True),
}
