"""Settings of where and how everything runs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from darksound.settings.section import Positive, Section

__all__ = ["ComputeSettings"]


class ComputeSettings(Section):
    """Where and how it runs; `device` and `precision` change results in their last digits."""

    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Device.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Autocast of the networks; `auto`: bfloat16 where it is fast, float16 on older "
        "NVIDIA GPUs that have it. In float16 the losses of training are scaled.",
    )
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Workers that read sound and make images."
    )
    batch_size: Positive = Field(64, description="ROIs embedded at once.")
    cache_dtype: Literal["uint8", "float16"] = Field("uint8", description="Cached images.")
    cache_dir: Path | None = Field(None, description="Image cache; none: the user's cache folder.")
    dask: str | None = Field(
        None,
        description="Address of a Dask scheduler whose workers segment recordings, make images "
        "and embed.",
    )
    refuse: bool = Field(
        True,
        description="Refuse, before it starts, a run whose estimate is more than memory or disk "
        "have left.",
    )
    data_dir: Path | None = Field(None, description="Published sets; none: the user's data folder.")
