"""From embeddings to clusters: reduction, clustering, and the cases that have no structure."""

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers import CLUSTERERS, cluster
from darksound.cluster.clusterers.base import Clustering, changed
from darksound.cluster.clusterers.linkage import LACKED
from darksound.cluster.normalise import all_alike, normalise
from darksound.cluster.notes import Say, Stopwatch, log_note
from darksound.cluster.reducers import map_coordinates, reduce
from darksound.cluster.validity import judge
from darksound.progress import Progress, silent
from darksound.settings import ReductionSettings, Settings

__all__ = ["AUTO", "MIN_ROIS", "find_clusters", "in_force", "lay_out", "reduced", "why_noise"]

AUTO = "auto"
_LINKAGE, _HDBSCAN, _UMAP, _NONE = "linkage", "hdbscan", "umap", "none"
# Settings that concern whatever reduces; any other one that is changed asks for UMAP.
_OF_ALL = {"method", "normalise", "max_fit_samples", "pca_above", "n_init"}


def in_force(settings: Settings, n: int) -> Settings:
    """The settings, with the reducer and the clusterer of n ROIs named.

    By average linkage where all distances between ROIs can be had (`clustering.max_linkage_samples`) and
    nothing was asked for that UMAP or HDBSCAN alone have; by these otherwise.
    """
    reduction, clustering = settings.reduction, settings.clustering
    method = clustering.method
    if method == AUTO:
        method = _LINKAGE if _may_link(settings, n) else _HDBSCAN
    reducer = reduction.method
    if reducer == AUTO:
        way = CLUSTERERS.get(method)
        reducer = _UMAP if way is None or way.reduced else _NONE
    return settings.model_copy(
        update={
            "reduction": reduction.model_copy(update={"method": reducer}),
            "clustering": clustering.model_copy(update={"method": method}),
        }
    )


def reduced(settings: Settings, n: int) -> bool:
    """Whether embeddings of n ROIs are reduced before they are clustered."""
    return in_force(settings, n).reduction.method != _NONE


def why_noise(settings: Settings, n: int) -> str:
    """Why some of n ROIs are in no cluster, in a sentence."""
    clustering = in_force(settings, n).clustering
    way = CLUSTERERS[clustering.method]
    return way.noise.format(size=way.smallest(clustering, n))


def _may_link(settings: Settings, n: int) -> bool:
    reduction, clustering = settings.reduction, settings.clustering
    plain = ReductionSettings()
    asked = [
        name
        for name in ReductionSettings.model_fields
        if name not in _OF_ALL and getattr(reduction, name) != getattr(plain, name)
    ]
    return (
        n <= clustering.max_linkage_samples
        and reduction.method in (AUTO, _NONE)
        and not asked
        and not changed(clustering, LACKED)
    )


#: Fewer ROIs than these cannot be two groups of two.
MIN_ROIS = 4

_PURPOSE = 401
Vectors = npt.NDArray[np.float32]


# Chance matters where ROIs are few, and there a draw takes less than a second.
_FEW, _DRAWS_OF_FEW = 500, 6


def _seed(settings: Settings, draw: int = 0) -> int:
    """The reducer's seed for a draw, the same in every iteration.

    Embeddings that did not change then give the same clusters, and agreement with the iteration
    before measures the learner and not the reducer.
    """
    which = [draw] if draw else []
    return int(np.random.SeedSequence([settings.seed, _PURPOSE, *which]).generate_state(1)[0])


def _draws(settings: Settings, n: int) -> int:
    wanted = settings.reduction.n_init
    if wanted == "auto":
        return _DRAWS_OF_FEW if n <= _FEW else 1
    return wanted


def find_clusters(
    embeddings: npt.NDArray[np.float32],
    settings: Settings,
    say: Say = log_note,
    progress: Progress = silent,
    watch: Stopwatch | None = None,
) -> Clustering:
    """Clusters of embeddings `(n, dim)`; what leaves no choice is said in a sentence.

    Of few ROIs, reduction and clustering are drawn several times, since UMAP's seed then decides
    much, and the clusters that tell most are kept. Fewer than four ROIs are all noise, and ROIs
    that are all alike are one cluster; neither reducer nor clusterer is asked then. The watch is
    told what both take.

    Raises:
        SettingsError: reducer, clusterer or one of their metrics is unknown.
    """
    n = len(embeddings)
    settings = in_force(settings, n)
    if n < MIN_ROIS:
        say(f"{n} ROIs are too few to cluster (at least {MIN_ROIS} are needed); all are noise.")
        return Clustering.all_noise(n)
    if all_alike(normalise(embeddings, settings.reduction.normalise)):
        say(
            f"All {n} ROIs look the same to the learner and make one cluster. If they are not "
            "copies of one sound, the learner tells nothing apart; take another checkpoint."
        )
        return Clustering.one_cluster(n)
    found = _most_telling(embeddings, settings, say, progress, watch or Stopwatch())
    _comment(found, settings, say)
    return found


def _most_telling(
    embeddings: Vectors, settings: Settings, say: Say, progress: Progress, watch: Stopwatch
) -> Clustering:
    """Of the clusters that several draws find, those whose `Validity.information` is highest."""
    draws = _draws(settings, len(embeddings))
    first: Vectors | None = None
    best, most = None, -np.inf
    progress("reducing", 0, draws)
    for draw in range(draws):
        with watch.timing("reduce_s"):
            seed, tell = _seed(settings, draw), _hush if draw else say
            reduced = reduce(embeddings, settings.reduction, seed, tell)
        if first is None:
            first = reduced
        elif np.array_equal(reduced, first):
            # Nothing is left to chance, so further draws would be the same.
            break
        progress("reducing", draw + 1, draws)
        if draw == draws - 1:
            progress("clustering", 0, 1)
        with watch.timing("cluster_s"):
            found = cluster(reduced, settings.clustering)
        told = judge(embeddings, found.labels).information if draws > 1 else 0.0
        if told > most:
            best, most = found, told
    progress("clustering", 1, 1)
    assert best is not None  # there is one draw at least, and information is never NaN
    return best


def _hush(sentence: str) -> None:
    """What one draw said, the others need not repeat."""


def _comment(found: Clustering, settings: Settings, say: Say) -> None:
    n = len(found.labels)
    size = CLUSTERERS[settings.clustering.method].smallest(settings.clustering, n)
    if found.n_clusters == 0:
        say(
            f"No cluster was found: all {n} ROIs are noise. Lower clustering.min_cluster_size "
            f"(now {size}), take another clustering.method, or add ROIs."
        )
    if found.n_clusters == 1:
        say(
            f"Only one cluster was found, of {int(np.sum(found.labels == 0))} of {n} ROIs. If "
            f"there should be more, lower clustering.min_cluster_size (now {size})."
        )


def lay_out(embeddings: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """Coordinates `(n, 2)` of embeddings `(n, dim)` for a map; all 0 where all ROIs are alike."""
    if len(embeddings) < 2 or all_alike(normalise(embeddings, settings.reduction.normalise)):
        return np.zeros((len(embeddings), 2), dtype=np.float32)
    reduction = settings.reduction
    if reduction.method == AUTO:
        # Whatever is clustered, a map is two dimensions.
        reduction = reduction.model_copy(update={"method": "umap"})
    return map_coordinates(embeddings, reduction, _seed(settings))
