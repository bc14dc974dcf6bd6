"""Settings of the MEC loop."""

from typing import Annotated, Literal

from pydantic import Field

from darksound.settings.section import Positive, Section, Share

__all__ = ["ClusteringSettings", "MecSettings", "ReductionSettings"]


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
    n_init: Positive | Literal["auto"] = Field(
        "auto",
        description="Times that ROIs are reduced and clustered, from other seeds; the clusters "
        "that tell most are kept. `auto`: 6 up to 500 ROIs, then 1.",
    )
    max_fit_samples: Annotated[int, Field(ge=1000)] = Field(
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
        "to `max_linkage_samples` ROIs, unless something is set that only UMAP or HDBSCAN have, else "
        "`hdbscan`.",
    )
    max_linkage_samples: Annotated[int, Field(ge=0, le=20_000)] = Field(
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


class MecSettings(Section):
    """The loop: embed, reduce, cluster, pseudo-label, fine-tune."""

    iterations: Annotated[int, Field(ge=0)] = Field(5, description="Fine-tunings at most.")
    warm_up: Literal["demo", "none"] = Field(
        "demo",
        description="Without a checkpoint, a learner with random parts first learns on the demo's "
        "synthetic birds, or starts as it is.",
    )
    warm_up_epochs: Positive = Field(8, description="Epochs of that first learning.")
    min_probability: Share = Field(
        0.5, description="Membership from which a ROI counts as its cluster's core."
    )
    n_episodes: Positive = Field(60, description="Episodes of a fine-tuning, at most.")
    epochs: Annotated[float, Field(ge=0)] = Field(
        1.0,
        description="Fewer episodes where they would show a core member more often than this, on "
        "average; 0: never fewer.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="Rate of the fine-tunings."
    )
    head_lr_multiplier: Annotated[float, Field(gt=0)] = Field(
        10.0,
        description="Factor on that rate for the head on embeddings made elsewhere; higher than in "
        "training, since a fine-tuning is short.",
    )
    restart: bool = Field(
        True, description="Each fine-tuning starts from the first weights, not from the last."
    )
    augmented: Literal["all", "queries", "none"] = Field(
        "all", description="Which ROIs of an episode are altered, where augmentation is on."
    )
    merge: Share = Field(
        0.0,
        description="Clusters are joined where the learner takes at least this share of their "
        "members for the other one's; 0: never.",
    )
    background: bool = Field(
        False,
        description="From the second clustering on, take from embeddings what their recordings "
        "add to clusters that several recordings share.",
    )
    patience: Positive | None = Field(
        None,
        description="The loop ends after this many iterations without a better one, as `selection_criterion` "
        "judges; none: it goes on.",
    )
    converged_ami: Share = Field(
        0.98, description="Agreement with the iteration before from which the loop ends."
    )
    selection_criterion: Literal["information", "dbcv", "coverage", "persistence", "last"] = Field(
        "information", description="What chooses the iteration to keep; none of them needs labels."
    )
    validity_embeddings: Literal["first", "own"] = Field(
        "own",
        description="Where clusters are judged: in the embeddings of the learner as it was given, "
        "or in those that they were found in.",
    )
    max_validity_samples: Annotated[int, Field(ge=1000)] = Field(
        50_000,
        description="ROIs that clusters are judged by; of more, each cluster's share of so many, "
        "since DBCV grows with the square of their number.",
    )
    labels_from: Literal["best", "last"] = Field(
        "best", description="Whose clusters are learnt next: of the best iteration or the last."
    )
    min_assigned_probability: Share = Field(
        0.5, description="A noise ROI is assigned only if the learner is at least this sure."
    )
