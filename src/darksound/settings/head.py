"""Settings of the trainable head on vectors that an embedder made."""

from typing import Annotated

from pydantic import Field

from darksound.settings.section import Positive, Section, Share

__all__ = ["HeadSettings"]


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
