"""Settings of pretraining on synthetic birds."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darksound.settings.section import Positive, Section

__all__ = ["PretrainingSettings"]


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
