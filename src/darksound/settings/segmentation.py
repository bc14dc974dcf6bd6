"""How sound units are found in long recordings."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from darksound.settings.section import Positive, Section, Share

__all__ = ["SegmentationSettings"]


def _percent(value: object) -> object:
    """`5%` as 0.05; anything else as it is."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return float(value.strip()[:-1]) / 100
    return value


class SegmentationSettings(Section):
    """How sound units are found in recordings: `rois.mode = "segment"`."""

    low_hz: Annotated[float, Field(ge=0)] = Field(500.0, description="Lower edge of the band.")
    high_hz: Annotated[float, Field(gt=0)] = Field(
        11_500.0, description="Upper edge of the band, at most half the sampling rate."
    )
    n_fft: Annotated[int, Field(ge=64, le=16_384)] = Field(
        1024,
        description="Window in samples at 48 kHz, as long in time at other rates; the hop is half.",
    )
    chunk_s: Annotated[float, Field(ge=1, le=600)] = Field(
        10.0, description="The background is measured, and flags are set, over so many seconds."
    )
    background: Literal["floor", "median", "mean"] = Field(
        "floor",
        description="What counts as a band's background over a chunk: the noise below its "
        "sounds (`floor`), or the median or the mean of its decibels.",
    )
    background_bands: Positive = Field(
        9, description="Bands over which the background is smoothed by a running mean."
    )
    smoothing: tuple[Positive, Positive] = Field(
        (3, 3), description="Frames and bands over which power is averaged before thresholds."
    )
    high_db: Annotated[float, Field(gt=0, le=100)] = Field(
        20.0, description="A unit has a point this many dB over the background."
    )
    low_db: Annotated[float, Field(gt=0, le=100)] = Field(
        8.0, description="A unit reaches as far as it stays this many dB over the background."
    )
    range_db: Annotated[float, Field(gt=0)] | Literal["all"] = Field(
        35.0,
        description="What lies this many dB below a unit's loudest point is no part of it; `all`: "
        "everything over `low_db` is.",
    )
    merge_s: Annotated[float, Field(ge=0, le=10)] = Field(
        0.1, description="Margin in time; parts whose margins touch are one unit."
    )
    merge_hz: Annotated[float, Field(ge=0)] = Field(
        125.0, description="Margin in frequency; parts whose margins touch are one unit."
    )
    min_s: Annotated[float, Field(ge=0)] = Field(0.05, description="Shorter units are left out.")
    max_ratio: Annotated[float, Field(gt=0)] | Literal["any"] = Field(
        "any",
        description="Units higher than so many times their width are left out, counted in bands "
        "and frames.",
    )
    overtones: Literal["join", "keep"] = Field(
        "join",
        description="Of two units at once, one at a whole multiple of the other's moving pitch: "
        "`join` makes them one ROI, `keep` two.",
    )
    nested: Literal["drop", "keep"] = Field(
        "drop", description="What becomes of a unit that lies mostly within a larger one's box."
    )
    pad_s: Annotated[float, Field(ge=0, le=5)] = Field(
        0.05, description="Added to a ROI before and after its unit."
    )
    pad_hz: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Added to a ROI's band below and above its unit."
    )
    max_bad: Annotated[Share, BeforeValidator(_percent)] = Field(
        1.0,
        description="Largest share of recordings that may be unusable before the work stops; also "
        "as `5%`.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.high_hz <= self.low_hz:
            raise ValueError(f"high_hz must lie above low_hz ({self.low_hz:g})")
        if self.high_db < self.low_db:
            raise ValueError(f"high_db must not lie below low_db ({self.low_db:g})")
        return self
