"""Settings of dimension reduction, clustering and the MEC loop."""

from typing import Annotated, Any, Literal

from pydantic import Field

from darksound.settings.section import Factor, Positive, Section, Share, Size

__all__ = ["CatalogueSettings", "ClusteringSettings", "MecSettings", "ReductionSettings"]

#: A number, or one of the names in `_GRANULARITIES`.
Granularity = Annotated[float, Field(ge=0.05, le=20)] | Literal["coarse", "default", "fine"]
_GRANULARITIES = {"coarse": 0.5, "default": 1.0, "fine": 2.0}


class ReductionSettings(Section):
    """How embeddings are reduced to fewer dimensions before they are clustered."""

    method: str = Field(
        "auto",
        description="`umap`, `pca`, `none`, or the import path of an object with `fit_transform`. "
        "`auto`: `none` before `linkage` and `evoc`, `umap` before other clusterers.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Constructor arguments of a reducer given by import path.",
    )
    normalise: Literal["auto", "l2", "centred", "standard", "min_max", "none"] = Field(
        "auto",
        description="Normalisation of embeddings. `l2`: to unit length. `centred`: the mean of the "
        "set is subtracted and 128 principal axes are kept, then to unit length. `standard`: to "
        "unit variance of each dimension. `min_max`: to 0 to 1 over the ROIs in each dimension. "
        "`auto`: `centred` before `linkage` without reduction, else `l2`.",
    )
    n_components: Size | Annotated[tuple[Size, ...], Field(min_length=1, max_length=100)] = Field(
        10,
        description="Number of dimensions after reduction. If there are several, as in "
        "`[5, 10, 15]`, embeddings are reduced to each and clustered, and the clustering with the "
        "highest DBCV in its reduced space is used.",
    )
    n_neighbors: Annotated[int, Field(ge=2, le=1_000_000)] = Field(15, description="As in UMAP.")
    min_dist: Annotated[float, Field(ge=0, le=1000)] = Field(0.0, description="As in UMAP.")
    spread: Annotated[float, Field(gt=0, le=1000)] = Field(1.0, description="As in UMAP.")
    metric: str = Field("euclidean", description="Distance between embeddings.")
    n_epochs: Positive | Literal["auto"] = Field(
        "auto",
        description="As in UMAP. `auto`: 100 if UMAP runs more than once (`repeats`), else UMAP's "
        "default.",
    )
    init: Literal["spectral", "random", "pca"] = Field("spectral", description="As in UMAP.")
    set_op_mix_ratio: Share = Field(1.0, description="As in UMAP.")
    local_connectivity: Annotated[float, Field(ge=1, le=1000)] = Field(
        1.0, description="As in UMAP."
    )
    repulsion_strength: Factor = Field(1.0, description="As in UMAP.")
    negative_sample_rate: Annotated[int, Field(ge=1, le=10_000)] = Field(
        5, description="As in UMAP."
    )
    repeats: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = Field(
        "auto",
        description="Number of UMAP runs with different seeds whose coordinates are concatenated. "
        "`auto`: 3 for up to 20,000 ROIs, else 1.",
    )
    n_init: Annotated[int, Field(ge=1, le=10_000)] | Literal["auto"] = Field(
        "auto",
        description="Number of times that reduction and clustering run with different seeds; the "
        "clustering with the highest `weighted_entropy` (see `mec.selection_criterion`) is used. "
        "`auto`: 6 for up to 500 ROIs, else 1.",
    )
    max_fit_samples: Annotated[int, Field(ge=1000, le=1_000_000_000)] = Field(
        100_000,
        description="Largest number of ROIs that UMAP is fitted on. Larger sets are sampled, and "
        "the remaining ROIs are placed by their nearest neighbours.",
    )
    pca_above: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        20_000,
        description="Number of ROIs above which embeddings are reduced to 50 principal components "
        "before UMAP.",
    )
    densmap: bool = Field(False, description="Preserve local density (densMAP).")
    dens_lambda: Factor = Field(2.0, description="As in densMAP.")


class ClusteringSettings(Section):
    """How reduced embeddings are clustered."""

    method: str = Field(
        "auto",
        description="`linkage`: average linkage on embeddings, cut where S^3 H is highest (S: "
        "mean silhouette, H: entropy of the clusters), at the coarsest cut within 1 % of that. "
        "`hdbscan`. `fast_hdbscan`: HDBSCAN on a graph of neighbours (extra `fast-hdbscan`). "
        "`dbscan`. `evoc`: EVoC on embeddings (extra `evoc`). Or the import path of an object "
        "with `fit_predict`. `auto`: `linkage`, unless a setting that only UMAP or HDBSCAN has "
        "was changed or `max_linkage_samples` is 0; else `hdbscan`.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Constructor arguments of a clusterer given by import path.",
    )
    max_linkage_samples: Annotated[int, Field(ge=0, le=20_000)] = Field(
        5000,
        description="Largest number of ROIs that `linkage` clusters by all pairwise distances: "
        "5,000 need 1 GB. More are condensed to this many micro-clusters first. 0: no limit, but "
        "`auto` is `hdbscan`.",
    )
    graph_weight: Annotated[float, Field(ge=0, le=1000)] = Field(
        1.0,
        description="`linkage`: weight of the distances in the graph of nearest neighbours beside "
        "those between embeddings; 0: embeddings alone.",
    )
    min_cluster_size: Annotated[int, Field(ge=2, le=1_000_000_000)] | Literal["auto"] = Field(
        "auto", description="Smallest cluster; `auto` depends on the number of ROIs."
    )
    granularity: Granularity = Field(
        "default",
        description="Number of clusters as a multiple of the number that is found by default: "
        "above 1 more and finer clusters, below 1 fewer and coarser ones. `coarse`: 0.5, "
        "`default`: 1, `fine`: 2. `linkage` cuts its tree at about that number, with a smaller "
        "`min_cluster_size` `auto` above 1; HDBSCAN and EVoC divide `min_cluster_size` `auto` by "
        "it.",
    )
    min_samples: Positive | Literal["auto"] = Field(
        "auto",
        description="As in HDBSCAN and DBSCAN: higher values give more noise; `auto` depends on "
        "the number of ROIs, for `dbscan` on that of dimensions d: 2 d - 1.",
    )
    eps: Annotated[float, Field(gt=0, le=1_000_000)] | Literal["knee", "nearest_knee"] = Field(
        "knee",
        description="As in DBSCAN: distance within which ROIs are neighbours. `knee`: the knee of "
        "the sorted distances to the `min_samples`-th neighbour; `nearest_knee`: that of the "
        "distances to the nearest neighbour, which is smaller and gives more noise.",
    )
    cluster_selection_method: Literal["eom", "leaf"] = Field(
        "eom", description="As in HDBSCAN: excess of mass, or leaves."
    )
    cluster_selection_epsilon: Factor = Field(
        0.0, description="As in HDBSCAN: clusters closer than this distance are merged."
    )
    alpha: Annotated[float, Field(gt=0, le=1_000_000)] = Field(1.0, description="As in HDBSCAN.")
    metric: str = Field("euclidean", description="Distance between reduced embeddings.")
    allow_single_cluster: bool = Field(False, description="Allow a single cluster.")
    max_cluster_size: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        0, description="Largest cluster; 0: no limit."
    )

    @property
    def granularity_factor(self) -> float:
        """Return `granularity` as a number."""
        if isinstance(self.granularity, str):
            return _GRANULARITIES[self.granularity]
        return self.granularity


class MecSettings(Section):
    """The MEC loop: embed, reduce, cluster, pseudo-label, fine-tune, repeat."""

    iterations: Annotated[int, Field(ge=0, le=10_000)] = Field(
        5, description="Largest number of fine-tunings; 0: cluster once."
    )
    warm_up: Literal["demo", "none"] = Field(
        "demo",
        description="Without a checkpoint: train newly initialised parts of the learner on the "
        "demo's synthetic birds first (`demo`), or use them as they are (`none`).",
    )
    warm_up_epochs: Positive = Field(8, description="Number of epochs of this training.")
    min_probability: Share = Field(
        0.5,
        description="Membership probability from which a ROI is a core member of its cluster and "
        "gets a pseudo-label.",
    )
    n_episodes: Positive = Field(
        60, description="Largest number of few-shot episodes of one fine-tuning."
    )
    epochs: Factor = Field(
        1.0,
        description="Largest number of times that a fine-tuning draws each core member, on "
        "average; small sets then get fewer than `n_episodes`. 0: no limit.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="Learning rate of fine-tuning."
    )
    head_lr_multiplier: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        10.0,
        description="Factor on the learning rate for the head on frozen embeddings. It is higher "
        "than in `training` because fine-tuning is short.",
    )
    restart: bool = Field(
        True,
        description="Start every fine-tuning from the initial weights; false: from the weights "
        "of the previous iteration.",
    )
    augmented_rois: Literal["all", "queries", "none"] = Field(
        "all",
        description="Which ROIs of an episode are augmented, if `augmentation.enabled` is true.",
    )
    merge_threshold: Share = Field(
        0.0,
        description="Merge two clusters if the learner assigns at least this share of the held-out "
        "members of both to the other cluster; 0: never merge.",
    )
    remove_recording_offset: bool = Field(
        False,
        description="From the second clustering on, subtract from embeddings the mean offset of "
        "each recording, estimated in clusters that have ROIs of several recordings.",
    )
    patience: Positive | None = Field(
        None,
        description="End the loop after this many iterations without a better "
        "`selection_criterion`; none: do not.",
    )
    converged_ami: Share | Literal["never"] = Field(
        0.98,
        description="End the loop if the AMI with the previous iteration reaches this value; "
        "`never`: do not.",
    )
    selection_criterion: Literal["weighted_entropy", "dbcv", "coverage", "persistence", "last"] = (
        Field(
            "weighted_entropy",
            description="Criterion, without labels, for the iteration to keep. `weighted_entropy`: "
            "entropy of the clusters in bits, weighted by the validity of each; or DBCV, coverage, "
            "persistence; `last`: the last iteration.",
        )
    )
    min_gain: Share = Field(
        0.1,
        description="Share by which `selection_criterion` must be higher than in the first "
        "iteration for a later one to be kept; 0: any increase.",
    )
    validity_embeddings: Literal["initial", "current"] = Field(
        "current",
        description="Embeddings in which DBCV and weighted entropy are computed: those of the "
        "initial learner, or those of the current iteration.",
    )
    max_validity_samples: Annotated[int, Field(ge=1000, le=1_000_000_000)] = Field(
        50_000,
        description="Largest number of ROIs that DBCV is computed on, since its time grows with "
        "the square of it. Larger sets are sampled, stratified by cluster.",
    )
    labels_from: Literal["best", "last"] = Field(
        "best",
        description="Iteration whose clusters are the next pseudo-labels: the best so far, or the "
        "last.",
    )
    resamples: Annotated[int, Field(ge=0, le=10_000)] = Field(
        50,
        description="Number of times that 80 % of the recordings are drawn and clustered again, "
        "for the stability of each cluster and the interval of the number of call types; 0: "
        "neither is computed.",
    )
    min_assigned_probability: Share = Field(
        0.5,
        description="Probability from which a noise ROI gets an `assigned_cluster`.",
    )


class CatalogueSettings(Section):
    """How new ROIs are assigned to the call types of a catalogue."""

    max_rejected: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.05,
        description="Largest share of calls of known types that the thresholds of a catalogue "
        "reject as unknown. Less: fewer known calls are lost, and more unknown ones are accepted.",
    )
