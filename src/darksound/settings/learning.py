"""Settings of pretraining on synthetic birds."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darksound.settings.section import Positive, Section, Share

__all__ = [
    "AugmentationSettings",
    "BackboneSettings",
    "EmbeddingModelSettings",
    "EpisodeSettings",
    "EvaluationSettings",
    "HeadSettings",
    "LearnerSettings",
    "PretrainingSettings",
    "TrainingSettings",
]

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class EmbeddingModelSettings(Section):
    """Which embedder `backbone.name` stands for, held once it was opened, and how it is used."""

    name: str | None = Field(
        None, description="Name of the model, such as `BirdNET 2.4`; none: not opened yet."
    )
    digest: _Digest | None = Field(
        None, description="Hash of the model's file and description; none: any."
    )
    embedding_dim: Positive | None = Field(
        None, description="Length of its vectors; none: as the model or table has them."
    )
    long_rois: Literal["mean", "loudest", "start"] = Field(
        "mean",
        description="What a model hears of a ROI longer than its window: the mean of its vectors "
        "of windows that overlap by half, or one window, where it is loudest or at the start.",
    )


class HeadSettings(Section):
    """What is learnt on frozen embeddings: a residual that is zero at first."""

    standardise: bool = Field(
        True,
        description="Bring each dimension to mean 0 and variance 1 over the ROIs that the head is "
        "first used on; the head keeps these figures.",
    )
    width: Positive = Field(256, description="Hidden units of the residual.")
    logit_scale: Annotated[float, Field(gt=0)] = Field(
        10.0, description="Factor on cosines before they become scores."
    )
    dropout: Share = Field(0.2, description="Share of hidden units dropped while training.")


class AugmentationSettings(Section):
    """What training does to ROIs so that the learner hears past the recording."""

    enabled: bool = Field(True, description="Augment while training.")
    sound_versions: Annotated[int, Field(ge=0, le=32)] = Field(
        2, description="Versions of each ROI with altered sound, made once and cached."
    )
    noise_snr_db: tuple[float, float] = Field((0.0, 25.0), description="SNR of added noise.")
    gain_db: tuple[float, float] = Field((-12.0, 6.0), description="Gain before the front end.")
    tilt_db: Annotated[float, Field(ge=0)] = Field(
        12.0, description="Largest slope of an added spectral tilt, dB over the band."
    )
    neighbour_db: tuple[float, float] = Field(
        (-24.0, -9.0), description="Level of another ROI mixed in."
    )
    neighbour_share: Share = Field(0.5, description="Share of versions with a neighbour mixed in.")
    time_shift: Share = Field(0.15, description="Largest shift, as a share of the width.")
    time_mask: Share = Field(0.12, description="Largest time mask, as a share of the width.")
    frequency_mask: Share = Field(0.12, description="Largest frequency mask, share of height.")
    level: Share = Field(0.1, description="Largest change of brightness and contrast.")
    vector_noise: Annotated[float, Field(ge=0)] = Field(
        0.2, description="Noise added to embeddings, in standard deviations of each dimension."
    )
    vector_drop: Share = Field(0.1, description="Share of an embedding's dimensions lost.")
    vector_mix: Share = Field(
        0.2, description="Largest share of another ROI's embedding that is mixed in."
    )

    @property
    def versions(self) -> int:
        """Altered versions of each ROI that training uses: none where it does not augment."""
        return self.sound_versions if self.enabled else 0


class PretrainingSettings(Section):
    """How a backbone learns to hear from synthetic birds alone."""

    species: Annotated[int, Field(ge=2)] = Field(
        3000, description="Synthetic species of each window length; every odd one is a sister."
    )
    birds: Annotated[int, Field(ge=2)] = Field(6, description="Individuals of each.")
    songs: Positive = Field(2, description="Dry songs of each individual.")
    windows_s: tuple[Annotated[float, Field(gt=0, le=60)], ...] = Field(
        (3.0, 1.0, 0.25), description="Window lengths, in seconds, that are learnt."
    )
    window_shares: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (4.0, 1.0, 1.0), description="How often each of them comes up."
    )
    batch_species: Annotated[int, Field(ge=2)] = Field(
        96, description="Species of a batch, with two recordings each."
    )
    steps: Positive = Field(2000, description="Batches.")
    loss: Literal["contrastive", "prototypical"] = Field(
        "contrastive", description="NT-Xent on cosines, or one-shot prototypes on distances."
    )
    head: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Length of the vectors that the loss sees, which a head makes of embeddings "
        "and which is thrown away afterwards; 0: the loss sees the embeddings.",
    )
    temperature: Annotated[float, Field(gt=0)] = Field(0.1, description="Of the loss.")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        2e-3, description="Peak of the one-cycle schedule."
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-2, description="Of AdamW.")

    embedding_fit_batches: Annotated[int, Field(ge=0)] = Field(
        48,
        description="Batches that the final embedding is fitted to, over the small CNN's summary; "
        "0 keeps the embedding that the loss has trained.",
    )
    shrinkage: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9,
        description="How little that embedding turns down what varies within species: 1 for not.",
    )

    @model_validator(mode="after")
    def _a_share_for_each_window(self) -> Self:
        if len(self.window_shares) != len(self.windows_s):
            raise ValueError(
                f"has {len(self.window_shares)} window_shares for {len(self.windows_s)} windows_s; "
                f"give one for each"
            )
        return self


class BackboneSettings(Section):
    """The network that turns an image into a vector."""

    name: str = Field(
        "small",
        description="`small`, any torchvision classifier by its name, `birdnet`, `onnx:FILE`, "
        "`tflite:FILE`, or `embeddings:FILE` for vectors made elsewhere.",
    )
    weights: str = Field(
        "auto",
        description="`darksound` (the package's own, learnt from synthetic birds), `imagenet` "
        "(torchvision's own), `none` (random) or a weights file; `auto`: the first for `small` "
        "in its usual size, the second for torchvision's networks.",
    )
    channels: tuple[Positive, Positive, Positive, Positive] = Field(
        (24, 48, 96, 192), description="Channels of the small CNN's stem and three blocks."
    )
    embedding_dim: Positive = Field(512, description="Length of the small CNN's embedding.")


class LearnerSettings(Section):
    """The few-shot classifier on top."""

    method: str = Field("prototypical", description="`prototypical`, `matching` or `relation`.")
    matching_steps: Positive | Literal["support"] = Field(
        3,
        description="Attention steps of Matching; `support`: one a support item, as published.",
    )
    relation_hidden: Positive = Field(8, description="Hidden units of the relation module.")
    relation_layer: str = Field(
        "auto",
        description="Layer of a torchvision backbone whose maps Relation compares, such as "
        "`layer4.0.conv2`; `auto`: the backbone's own choice.",
    )


class EpisodeSettings(Section):
    """The tasks a learner is trained and judged on."""

    n_way: Annotated[int, Field(ge=2)] = Field(12, description="Classes in an episode.")
    n_shot: Positive = Field(2, description="Support ROIs a class.")
    n_query: Positive = Field(2, description="Query ROIs a class.")
    max_per_class: Positive | Literal["all"] = Field(
        "all", description="At most this many ROIs of a class are used."
    )
    separate_recordings: bool = Field(
        True, description="Support and query come from different recordings where a class has two."
    )


class EvaluationSettings(Section):
    """The tasks a trained learner is judged on."""

    n_way: Annotated[int, Field(ge=2)] = Field(5, description="Classes in a task.")
    n_shot: Positive = Field(5, description="Support ROIs a class.")
    n_query: Positive = Field(5, description="Query ROIs a class.")
    n_episodes: Positive = Field(600, description="Tasks, over all folds.")
    folds: Positive = Field(5, description="Folds of tasks, whose spread is told beside the mean.")


class TrainingSettings(Section):
    """How a learner is trained."""

    regime: Literal["episodic", "classical"] = Field(
        "episodic", description="Episodes, or softmax over all classes and the learner on top."
    )
    epochs: Positive = Field(15, description="Epochs at most.")
    episodes_per_epoch: Positive = Field(
        100, description="Episodes (or batches, classical) an epoch."
    )
    episodes_per_step: Positive | Literal["auto"] = Field(
        "auto", description="Tasks whose mean gradient makes a step; `auto`: one for each process."
    )
    batch_size: Positive = Field(64, description="Images a batch in the classical regime.")
    validation_episodes: Positive = Field(100, description="Episodes that judge an epoch.")
    validation_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.15, description="Share of classes held out to validate, where the data name no split."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(1e-3, description="First rate.")
    optimizer: Literal["adam", "adamw"] = Field("adamw", description="Optimiser.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-4, description="Weight decay.")
    head_lr_multiplier: Annotated[float, Field(gt=0)] = Field(
        0.3, description="Factor on the rate for the head on embeddings made elsewhere."
    )
    head_weight_decay: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Weight decay of that head, which pulls it back to where it began."
    )
    lr_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="Factor on the rate when validation stops getting better."
    )
    lr_patience: Annotated[int, Field(ge=0)] = Field(
        3, description="Epochs without progress before the rate falls."
    )
    early_stopping_patience: Positive = Field(
        10, description="Epochs without progress before training ends."
    )
