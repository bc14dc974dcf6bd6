"""What makes the vectors of a backbone that is no network here: BirdNET, a model, a table."""

from typing import Annotated

from pydantic import Field

from darksound.settings.section import Positive, Section

__all__ = ["EmbedderSettings"]

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class EmbedderSettings(Section):
    """Which embedder `backbone.name` stands for; filled in when it is opened, and then held."""

    model: str | None = Field(
        None, description="Name of the model, such as `BirdNET 2.4`; none: not opened yet."
    )
    digest: _Digest | None = Field(
        None, description="Hash of the model's file and description; none: any."
    )
    dim: Positive | None = Field(
        None, description="Length of its vectors; none: as the model or table has them."
    )
