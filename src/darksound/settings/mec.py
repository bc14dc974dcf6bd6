"""Settings of the MEC loop."""

from typing import Annotated, Literal

from pydantic import Field

from darksound.settings.section import Positive, Section, Share

__all__ = ["MecSettings"]


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
    tasks: Positive = Field(60, description="Episodes of a fine-tuning, at most.")
    passes: Annotated[float, Field(ge=0)] = Field(
        1.0,
        description="Fewer episodes where they would show a core member more often than this, on "
        "average; 0: never fewer.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="Rate of the fine-tunings."
    )
    head_rate: Annotated[float, Field(gt=0)] = Field(
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
        description="The loop ends after this many iterations without a better one, as `keep_by` "
        "judges; none: it goes on.",
    )
    converged_ami: Share = Field(
        0.98, description="Agreement with the iteration before from which the loop ends."
    )
    keep_by: Literal["information", "dbcv", "coverage", "persistence", "last"] = Field(
        "information", description="What chooses the iteration to keep; none of them needs labels."
    )
    judged_in: Literal["first", "own"] = Field(
        "own",
        description="Where clusters are judged: in the embeddings of the learner as it was given, "
        "or in those that they were found in.",
    )
    judge_at_most: Annotated[int, Field(ge=1000)] = Field(
        50_000,
        description="ROIs that clusters are judged by; of more, each cluster's share of so many, "
        "since DBCV grows with the square of their number.",
    )
    labels_from: Literal["best", "last"] = Field(
        "best", description="Whose clusters are learnt next: of the best iteration or the last."
    )
    reject_below: Share = Field(
        0.5, description="A noise ROI is assigned only if the learner is at least this sure."
    )
