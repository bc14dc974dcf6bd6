"""Which reducer and clusterer `auto` stands for."""

from darksound.cluster.clusterers.base import changed
from darksound.cluster.clusterers.linkage import LACKED
from darksound.cluster.clusterers.registry import CLUSTERERS
from darksound.settings import ReductionSettings, Settings

__all__ = ["AUTO", "in_force", "reduced", "why_noise"]

AUTO = "auto"
_LINKAGE, _HDBSCAN, _UMAP, _NONE = "linkage", "hdbscan", "umap", "none"
# Settings that concern whatever reduces; any other one that is changed asks for UMAP.
_OF_ALL = {"method", "normalise", "fit_at_most", "pca_above", "draws"}


def in_force(settings: Settings, n: int) -> Settings:
    """The settings, with the reducer and the clusterer of n ROIs named.

    By average linkage where all distances between ROIs can be had (`clustering.link_at_most`) and
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
        n <= clustering.link_at_most
        and reduction.method in (AUTO, _NONE)
        and not asked
        and not changed(clustering, LACKED)
    )
