"""Settings of backbones, learners, training, evaluation and pretraining."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darksound.settings.section import Positive, Section, Share, Size

__all__ = [
    "AugmentationSettings",
    "BackboneSettings",
    "EmbeddingModelSettings",
    "EpisodeSettings",
    "EvaluationSettings",
    "HeadSettings",
    "LearnerSettings",
    "PretrainingSettings",
    "Regime",
    "TrainingSettings",
]

Regime = Literal["episodic", "classical"]

_Level = Annotated[float, Field(ge=-200, le=200)]
_Window = Annotated[float, Field(gt=0, le=60)]
_Frequency = Annotated[float, Field(gt=0, le=1_000_000)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class EmbeddingModelSettings(Section):
    """The embedding model of `backbone.name`, and how it is applied to long ROIs.

    `name`, `digest` and `embedding_dim` are filled in when the model is opened; if they are set,
    the model must match them.
    """

    name: str | None = Field(
        None, description="Name of the model, such as `BirdNET 2.4`; none: not opened yet."
    )
    digest: _Digest | None = Field(
        None, description="Hash of the model file and its metadata; none: any."
    )
    embedding_dim: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Length of its embeddings; none: as in the model or table."
    )
    long_rois: Literal["mean", "loudest", "start"] = Field(
        "mean",
        description="Embedding of a ROI longer than the model's window: the mean over windows "
        "that overlap by half, or that of the loudest or of the first window.",
    )
    peak: Annotated[float, Field(gt=0, le=1000)] | Literal["auto", "none"] = Field(
        "auto",
        description="Largest absolute sample that each window is scaled to before the model gets "
        "it; `none`: windows stay as they are; `auto`: as the model's description says, such as "
        "0.25 for `perch2` after subtraction of the mean, and none for `birdnet`.",
    )


class HeadSettings(Section):
    """The trainable head on frozen embeddings: a residual layer that is zero at first."""

    standardise: bool = Field(
        True,
        description="Standardise each dimension to mean 0 and variance 1. The statistics are "
        "computed on the ROIs that the head is first used on, and are then kept.",
    )
    width: Size = Field(256, description="Number of hidden units.")
    logit_scale: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        10.0, description="Factor on cosine similarities that makes them logits."
    )
    dropout: Share = Field(0.2, description="Dropout rate of the hidden units.")


class AugmentationSettings(Section):
    """How ROIs are augmented in training, so that the learner ignores recording conditions."""

    enabled: bool = Field(True, description="Augment in training.")
    sound_versions: Annotated[int, Field(ge=0, le=32)] = Field(
        2,
        description="Number of augmented versions of each ROI's waveform; they are computed once "
        "and cached.",
    )
    noise_snr_db: tuple[_Level, _Level] = Field(
        (0.0, 25.0), description="Range of the SNR of added noise in dB."
    )
    gain_db: tuple[_Level, _Level] = Field((-12.0, 6.0), description="Range of the gain in dB.")
    tilt_db: Annotated[float, Field(ge=0, le=200)] = Field(
        12.0, description="Largest slope of an added spectral tilt, in dB over the band."
    )
    neighbour_db: tuple[_Level, _Level] = Field(
        (-24.0, -9.0), description="Range of the level in dB of another ROI that is mixed in."
    )
    neighbour_share: Share = Field(
        0.5, description="Share of the versions into which another ROI is mixed."
    )
    time_shift: Share = Field(0.15, description="Largest time shift, as a share of the ROI.")
    time_mask: Share = Field(0.12, description="Widest time mask, as a share of image width.")
    frequency_mask: Share = Field(
        0.12, description="Widest frequency mask, as a share of image height."
    )
    level: Share = Field(0.1, description="Largest change of image brightness and contrast.")
    vector_noise: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.2,
        description="Noise added to frozen embeddings, in standard deviations of each dimension.",
    )
    vector_drop: Share = Field(
        0.1, description="Share of the dimensions of a frozen embedding that are set to zero."
    )
    vector_mix: Share = Field(
        0.2, description="Largest share of another ROI's frozen embedding that is mixed in."
    )

    @property
    def versions(self) -> int:
        """Return the number of augmented versions of each ROI; 0 if augmentation is off."""
        return self.sound_versions if self.enabled else 0


class PretrainingSettings(Section):
    """How `darksound pretrain` trains a backbone on synthetic birds."""

    species: Annotated[int, Field(ge=2, le=10_000_000)] = Field(
        3000,
        description="Number of synthetic species for each window length. Every second species is "
        "a close relative of the one before.",
    )
    low_share: Share = Field(
        0.3,
        description="Share of the species whose songs are centred between 180 and 1,800 Hz, "
        "drawn evenly in octaves; the others are centred mostly between 2 and 6 kHz.",
    )
    individuals: Annotated[int, Field(ge=2, le=100_000)] = Field(
        4, description="Number of individuals of each species."
    )
    songs: Annotated[int, Field(ge=1, le=100_000)] = Field(
        2, description="Number of songs of each individual."
    )
    windows_s: Annotated[tuple[_Window, ...], Field(max_length=100)] = Field(
        (3.0, 1.0, 0.25), description="Window lengths in seconds to train on."
    )
    window_shares: Annotated[tuple[_Frequency, ...], Field(max_length=100)] = Field(
        (4.0, 1.0, 1.0), description="Relative frequency of each window length."
    )
    batch_species: Annotated[int, Field(ge=2, le=65_536)] = Field(
        96, description="Number of species in a batch, with two recordings of each."
    )
    steps: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        2000,
        description="Number of training steps; 0: only fit the final linear map, on the "
        "convolutions of the file in `backbone.weights`.",
    )
    loss: Literal["contrastive", "prototypical"] = Field(
        "contrastive",
        description="NT-Xent on cosine similarities, or one-shot prototypes on distances.",
    )
    projection_dim: Annotated[int, Field(ge=0, le=65_536)] = Field(
        0,
        description="Output length of a projection head between embedding and loss, which is "
        "discarded after training; 0: none.",
    )
    temperature: Annotated[float, Field(gt=0, le=1000)] = Field(
        0.1, description="Temperature of the loss."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        2e-3, description="Highest learning rate of the one-cycle schedule."
    )
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = Field(1e-2, description="As in AdamW.")
    embedding_fit_batches: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        48,
        description="Number of batches on which the final linear map from the small CNNs' pooled "
        "features to embeddings is fitted; 0: keep the trained map.",
    )
    shrinkage: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9,
        description="Shrinkage of the within-species covariance in that fit; 1: variation within "
        "species is not reduced.",
    )

    @model_validator(mode="after")
    def _a_share_for_each_window(self) -> Self:
        if len(self.window_shares) != len(self.windows_s):
            raise ValueError(
                f"has {len(self.window_shares)} window_shares for {len(self.windows_s)} windows_s; "
                f"give one for each"
            )
        return self


# Channels and blocks of `small`, unless set otherwise.
_DEFAULT_SIZE = ((24, 48, 96, 192), (1, 1, 1))


class BackboneSettings(Section):
    """The network that computes embeddings."""

    name: str = Field(
        "pair",
        description="`pair`: two small CNNs side by side; `small`: one of them, faster; a "
        "torchvision classifier by name; an embedding model: `birdnet`, `birdnet3`, `perch2`, "
        "`onnx:FILE` or `tflite:FILE`; or `embeddings:FILE` for a table of embeddings.",
    )
    weights: str = Field(
        "auto",
        description="`darksound` (bundled, trained on synthetic birds), `imagenet` (torchvision), "
        "`none` (random), or a weights file. `auto`: `darksound` for `pair` and `small` in their "
        "default sizes, and `imagenet` for torchvision's networks.",
    )
    channels: tuple[Size, Size, Size, Size] = Field(
        _DEFAULT_SIZE[0], description="Channels of the stem and the three stages of `small`."
    )
    blocks: tuple[Size, Size, Size] = Field(
        _DEFAULT_SIZE[1], description="Residual blocks of the three stages of `small`."
    )
    embedding_dim: Size = Field(512, description="Length of the embeddings of `pair` and `small`.")

    @model_validator(mode="after")
    def _sizes_are_those_of_small(self) -> Self:
        if self.name == "pair" and (self.channels, self.blocks) != _DEFAULT_SIZE:
            raise ValueError(
                "has channels or blocks, which `pair` does not take; set backbone.name to small, "
                "or leave them out"
            )
        return self


class LearnerSettings(Section):
    """The few-shot learner on top of the backbone."""

    method: str = Field("prototypical", description="`prototypical`, `matching` or `relation`.")
    matching_steps: Annotated[int, Field(ge=1, le=10_000)] | Literal["support"] = Field(
        3,
        description="Number of attention steps of Matching Networks; `support`: the number of "
        "support items, as in the published code.",
    )
    relation_hidden: Size = Field(8, description="Number of hidden units of the relation module.")
    relation_layer: str = Field(
        "auto",
        description="Layer of a torchvision backbone whose feature maps Relation Networks "
        "compare, such as `layer4.0.conv2`; `auto`: depends on the backbone.",
    )
    freeze_backbone: bool = Field(
        False,
        description="Train Matching's LSTMs or the relation module alone: the backbone gets no "
        "gradient, and its batch norm keeps its statistics.",
    )


class EpisodeSettings(Section):
    """Few-shot episodes of training and fine-tuning."""

    n_way: Annotated[int, Field(ge=2, le=65_536)] = Field(
        12, description="Number of classes in an episode."
    )
    n_shot: Size = Field(2, description="Number of support ROIs per class.")
    n_query: Size = Field(2, description="Number of query ROIs per class.")
    max_per_class: Positive | Literal["all"] = Field(
        "all", description="Largest number of ROIs of a class that are used."
    )
    separate_recordings: bool = Field(
        True,
        description="Take support and query from different recordings, if a class has several.",
    )


class EvaluationSettings(Section):
    """Few-shot episodes of `darksound evaluate`."""

    n_way: Annotated[int, Field(ge=2, le=65_536)] = Field(
        5, description="Number of classes in an episode."
    )
    n_shot: Size = Field(5, description="Number of support ROIs per class.")
    n_query: Size = Field(5, description="Number of query ROIs per class.")
    n_episodes: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        600, description="Number of episodes, over all folds."
    )
    folds: Annotated[int, Field(ge=1, le=10_000)] = Field(
        5, description="Number of folds of episodes; their spread is reported beside the mean."
    )


class TrainingSettings(Section):
    """How a learner is trained."""

    regime: Regime = Field(
        "episodic",
        description="`episodic`: few-shot episodes. `classical`: softmax over all classes, then "
        "the learner on the trained backbone.",
    )
    epochs: Positive = Field(15, description="Largest number of epochs.")
    episodes_per_epoch: Positive = Field(
        100, description="Number of episodes (classical: batches) per epoch."
    )
    episodes_per_step: Size | Literal["auto"] = Field(
        "auto",
        description="Number of episodes whose gradients are averaged in one optimiser step; "
        "`auto`: one per process.",
    )
    batch_size: Size = Field(64, description="Number of images per batch (classical only).")
    validation_episodes: Positive = Field(
        100, description="Number of validation episodes per epoch."
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.15,
        description="Share of the classes held out for validation, if the data have no split. 0: "
        "no validation; the learning rate stays, all epochs are trained, and the last weights are "
        "kept.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-3, description="Initial learning rate."
    )
    optimizer: Literal["adam", "adamw"] = Field("adamw", description="Optimiser.")
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = Field(
        1e-4, description="As in the optimiser."
    )
    head_lr_multiplier: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        0.3, description="Factor on the learning rate for the head on frozen embeddings."
    )
    head_weight_decay: Annotated[float, Field(ge=0, le=1000)] = Field(
        1.0, description="Weight decay of that head towards its initial weights."
    )
    lr_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3,
        description="Factor on the learning rate when validation stops improving, as in "
        "ReduceLROnPlateau.",
    )
    lr_patience: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        3, description="Number of epochs without improvement before the learning rate is reduced."
    )
    early_stopping_patience: Positive = Field(
        10, description="Number of epochs without improvement before training stops."
    )
