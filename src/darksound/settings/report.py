"""Settings of the page that a run leaves to be looked at and listened to."""

from typing import Annotated, Literal

from pydantic import Field

from darksound.settings.section import Positive, Section

__all__ = ["ReportSettings"]


class ReportSettings(Section):
    """What `report.html` holds; it changes no result."""

    page: bool = Field(True, description="Write `report.html` at the end of `darksound mec`.")
    page_mb: Annotated[float, Field(gt=0, le=4000)] | Literal["auto"] = Field(
        "auto",
        description="Megabytes that the page may take, sound and pictures included; `auto`: 50, "
        "and no limit with `clips_beside`.",
    )
    clips_beside: bool = Field(
        False, description="Put sound and pictures in the folder `report_media` beside the page."
    )
    typical: Positive = Field(
        5, description="Typical clips on a cluster's card, beside its medoid."
    )
    borderline: Positive = Field(3, description="Borderline clips on a cluster's card.")
    longest_s: Annotated[float, Field(gt=0, le=600)] = Field(
        10.0, description="Of a longer ROI the page has this many seconds, from its start."
    )
