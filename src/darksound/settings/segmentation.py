"""Settings of segmentation."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from darksound.settings.section import Hertz, Section, Share

__all__ = ["Grouping", "SegmentationSettings"]

Grouping = Literal["unit", "phrase"]

_Points = Annotated[int, Field(ge=1, le=1000)]


def _parse_percent(value: object) -> object:
    """Return `5%` as 0.05, and any other value unchanged."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return float(value.strip()[:-1]) / 100
    return value


class SegmentationSettings(Section):
    """How ROIs are found in recordings, with `rois.mode = "segment"`."""

    low_hz: Hertz = Field(150.0, description="Lowest frequency in Hz that is searched.")
    high_hz: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        11_500.0,
        description="Highest frequency in Hz that is searched, at most half the sampling rate.",
    )
    n_fft: Annotated[int, Field(ge=64, le=16_384)] = Field(
        1024,
        description="Length of the FFT window in samples at 48 kHz, scaled at other rates to the "
        "same duration. The hop is half the window.",
    )
    chunk_s: Annotated[float, Field(ge=1, le=600)] = Field(
        10.0,
        description="Length in seconds of the chunks for which background and quality flags are "
        "computed.",
    )
    background: Literal["floor", "median", "mean"] = Field(
        "floor",
        description="Background level of each frequency band in a chunk: the noise floor below "
        "the sounds, or the median or the mean of its dB values.",
    )
    background_bands: Annotated[int, Field(ge=1, le=10_000)] = Field(
        9, description="Number of bands of the running mean that smooths the background."
    )
    smoothing: tuple[_Points, _Points] = Field(
        (3, 3), description="Frames and bands over which power is averaged before thresholding."
    )
    high_db: Annotated[float, Field(gt=0, le=100)] = Field(
        20.0,
        description="Upper threshold in dB above background: every unit has a point above it.",
    )
    sustained_db: Annotated[float, Field(ge=0, le=100)] = Field(
        8.0,
        description="The upper threshold is lower by this many dB for units that last a second "
        "and for whistles of 0.25 s below 3 kHz, by half as many for whistles of 0.1 s, and by a "
        "fifth more for hoots of 0.08 s below 1 kHz.",
    )
    low_db: Annotated[float, Field(gt=0, le=100)] = Field(
        8.0,
        description="Lower threshold in dB above background: a unit is the connected region "
        "above it.",
    )
    range_db: Annotated[float, Field(gt=0, le=1000)] | Literal["all"] = Field(
        35.0,
        description="Points more than this many dB below the maximum of a unit are removed from "
        "it; `all`: none are.",
    )
    merge_s: Annotated[float, Field(ge=0, le=10)] = Field(
        0.1,
        description="Margin in seconds; regions whose margins overlap are merged into one unit.",
    )
    merge_hz: Hertz = Field(
        125.0, description="Margin in Hz; regions whose margins overlap are merged into one unit."
    )
    min_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.05, description="Shortest unit in seconds; shorter ones are dropped."
    )
    max_ratio: Annotated[float, Field(gt=0, le=1_000_000)] | Literal["any"] = Field(
        "any",
        description="Largest ratio of a unit's height in bands to its width in frames; others "
        "are dropped.",
    )
    overtones: Literal["join", "keep"] = Field(
        "join",
        description="Simultaneous units, one at a whole multiple of the other's frequency, that "
        "change together: `join` makes them one ROI, `keep` two.",
    )
    nested: Literal["drop", "keep"] = Field(
        "drop",
        description="Whether to drop a unit that lies mostly inside the box of a larger one.",
    )
    chorus: Literal["find", "ignore"] = Field(
        "find",
        description="Insects and frogs in chorus, mains and water: `find` makes them part of the "
        "background over several chunks, and marks what is left of them in the column `chorus`; "
        "`ignore` computes the background of each chunk alone.",
    )
    group: Grouping = Field(
        "unit",
        description="Units of one frequency that follow each other in a rhythm: `unit` makes each "
        "of them a ROI, `phrase` one ROI of all, with the times of its units.",
    )
    keep_chorus: bool = Field(
        False,
        description="Whether ROIs of choruses are embedded and clustered. The table of `darksound "
        "segment` has them in any case.",
    )
    min_call_score: Share = Field(
        0.35,
        description="ROIs with a lower `call_score` are not embedded or clustered; 0: all are. The "
        "table of `darksound segment` has them in any case.",
    )
    pad_s: Annotated[float, Field(ge=0, le=5)] = Field(
        0.05, description="Seconds added before and after a unit."
    )
    pad_hz: Hertz = Field(0.0, description="Hz added below and above a unit.")
    max_unusable: Annotated[Share, BeforeValidator(_parse_percent)] = Field(
        1.0,
        description="Largest share of recordings that may be unreadable before the command "
        "fails, also as `5%`.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.high_hz <= self.low_hz:
            raise ValueError(f"high_hz must be above low_hz ({self.low_hz:g})")
        if self.high_db < self.low_db:
            raise ValueError(f"high_db must not be below low_db ({self.low_db:g})")
        return self
