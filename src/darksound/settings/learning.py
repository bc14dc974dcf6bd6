"""Settings of pretraining on synthetic birds."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darksound.settings.section import Positive, Section, Share

__all__ = ["AugmentationSettings", "EmbedderSettings", "HeadSettings", "PretrainingSettings"]

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class EmbedderSettings(Section):
    """Which embedder `backbone.name` stands for, held once it was opened, and how it is used."""

    model: str | None = Field(
        None, description="Name of the model, such as `BirdNET 2.4`; none: not opened yet."
    )
    digest: _Digest | None = Field(
        None, description="Hash of the model's file and description; none: any."
    )
    dim: Positive | None = Field(
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
    sharpness: Annotated[float, Field(gt=0)] = Field(
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

    summary_batches: Annotated[int, Field(ge=0)] = Field(
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
