"""What makes the vectors of a backbone that is no network here: BirdNET, a model, a table."""

from typing import Annotated, Literal

from pydantic import Field

from darksound.settings.section import Positive, Section

__all__ = ["EmbedderSettings"]

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
