"""Settings of the way from embeddings to clusters."""

from typing import Annotated, Literal

from pydantic import Field

from darksound.settings.section import Positive, Section, Share

__all__ = ["ClusteringSettings", "ReductionSettings"]


class ReductionSettings(Section):
    """From embeddings to the few dimensions that are clustered."""

    method: str = Field(
        "auto",
        description="`umap`, `pca` or `none`; `auto`: `none` before `linkage` and `evoc`, `umap` "
        "before other clusterers.",
    )
    normalise: Literal["l2", "standard", "none"] = Field(
        "l2", description="What is done to embeddings first: unit length, unit variance, nothing."
    )
    n_components: Positive = Field(10, description="Dimensions to cluster in.")
    n_neighbors: Annotated[int, Field(ge=2)] = Field(15, description="UMAP's neighbourhood.")
    min_dist: Annotated[float, Field(ge=0)] = Field(0.0, description="UMAP's least distance.")
    spread: Annotated[float, Field(gt=0)] = Field(1.0, description="UMAP's scale.")
    metric: str = Field("euclidean", description="Distance between embeddings.")
    n_epochs: Positive | Literal["auto"] = Field(
        "auto", description="UMAP's epochs; `auto`: 100 where runs are repeated, else its own."
    )
    init: Literal["spectral", "random", "pca"] = Field("spectral", description="UMAP's start.")
    set_op_mix_ratio: Share = Field(1.0, description="Union (1) or intersection (0) of fuzzy sets.")
    local_connectivity: Annotated[float, Field(ge=1)] = Field(
        1.0, description="Nearest neighbours that count as certain."
    )
    repulsion_strength: Annotated[float, Field(ge=0)] = Field(1.0, description="UMAP's repulsion.")
    negative_sample_rate: Positive = Field(5, description="Negative samples a positive one.")
    repeats: Positive | Literal["auto"] = Field(
        "auto",
        description="UMAP runs that are clustered together; `auto`: 3 up to 20,000 ROIs, then 1.",
    )
    draws: Positive | Literal["auto"] = Field(
        "auto",
        description="Times that ROIs are reduced and clustered, from other seeds; the clusters "
        "that tell most are kept. `auto`: 6 up to 500 ROIs, then 1.",
    )
    fit_at_most: Annotated[int, Field(ge=1000)] = Field(
        100_000,
        description="ROIs that UMAP is fitted on; of more, a sample of so many, and the others "
        "are placed among their neighbours.",
    )
    pca_above: Annotated[int, Field(ge=0)] = Field(
        20_000, description="Of more ROIs than these, UMAP sees the 50 leading axes alone."
    )
    densmap: bool = Field(False, description="Keep local density (densMAP).")
    dens_lambda: Annotated[float, Field(ge=0)] = Field(2.0, description="Weight of density.")


class ClusteringSettings(Section):
    """From few dimensions to clusters."""

    method: str = Field(
        "auto",
        description="`linkage` (average linkage of embeddings, cut where groups tell most); "
        "`hdbscan`; `fast_hdbscan` (on a graph of neighbours, extra `fast-hdbscan`); "
        "`evoc` (on embeddings, with `reduction.method` none; extra `evoc`); `auto`: `linkage` up "
        "to `link_at_most` ROIs, unless something is set that only UMAP or HDBSCAN have, else "
        "`hdbscan`.",
    )
    link_at_most: Annotated[int, Field(ge=0, le=20_000)] = Field(
        5000,
        description="ROIs up to which `auto` takes `linkage`, which needs all distances between "
        "them: 1 GB for 5,000.",
    )
    min_cluster_size: Annotated[int, Field(ge=2)] | Literal["auto"] = Field(
        "auto", description="Fewest ROIs of a cluster; `auto` follows the number of ROIs."
    )
    min_samples: Positive | Literal["auto"] = Field(
        "auto",
        description="How conservative: more gives more noise; `auto` follows the number of ROIs.",
    )
    selection: Literal["eom", "leaf"] = Field("eom", description="Excess of mass, or leaves.")
    epsilon: Annotated[float, Field(ge=0)] = Field(0.0, description="Merge clusters closer.")
    alpha: Annotated[float, Field(gt=0)] = Field(1.0, description="HDBSCAN's distance scaling.")
    metric: str = Field("euclidean", description="Distance between reduced embeddings.")
    allow_single_cluster: bool = Field(False, description="Whether one cluster is an answer.")
    max_cluster_size: Annotated[int, Field(ge=0)] = Field(0, description="0 for no limit.")
