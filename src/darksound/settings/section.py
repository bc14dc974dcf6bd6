"""What all sections of the settings have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Positive", "Section", "Share"]

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """One stage's settings: frozen, and strict about keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
