"""What a person may log in with: taken from the environment, and kept out of settings and logs."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from darksound.settings.section import Positive, Section

__all__ = [
    "ComputeSettings",
    "Credentials",
    "DownloadSettings",
    "ReportSettings",
    "Secret",
    "credentials_from",
]


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
    preflight_check: bool = Field(
        True,
        description="Refuse, before it starts, a run whose estimate is more than memory or disk "
        "have left.",
    )
    data_dir: Path | None = Field(None, description="Published sets; none: the user's data folder.")


_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Gigabytes = Annotated[float, Field(gt=0)]


class DownloadSettings(Section):
    """How published sets are fetched and unpacked; they change no result."""

    mirror: str | None = Field(
        None,
        description="Address of a mirror that is asked first, without a password. `{set}` and "
        "`{split}` in it are filled in; without them `/SET/SPLIT.zip` is added.",
    )
    offline: bool = Field(False, description="Never touch the network.")
    connect_timeout_s: _Seconds = Field(15.0, description="Longest wait for a connection.")
    read_timeout_s: _Seconds = Field(60.0, description="Longest silence of a server.")
    max_attempts: Positive = Field(
        6, description="Tries at a mirror in a row that bring nothing before the next is asked."
    )
    backoff_base_s: _Seconds = Field(
        1.0, description="Wait before the second try; each further one is about twice as long."
    )
    backoff_max_s: _Seconds = Field(
        120.0,
        description="No wait is longer; a server that asks for a longer one is left for the next.",
    )
    max_archive_gb: _Gigabytes = Field(
        200.0, description="An archive that goes on for longer than this is broken off."
    )
    max_unpacked_gb: _Gigabytes = Field(
        500.0, description="An archive that unpacks to more is refused."
    )
    max_files: Positive = Field(1_000_000, description="An archive of more files is refused.")
    max_ratio: Annotated[float, Field(gt=1)] = Field(
        100.0,
        description="An archive that unpacks to more than this many times its size is refused.",
    )

    @field_validator("mirror")
    @classmethod
    def _no_password(cls, mirror: str | None) -> str | None:
        # Settings are written beside every run.
        if mirror is not None and "@" in urlsplit(mirror).netloc:
            raise ValueError("the address must not hold a user or password")
        return mirror


class ReportSettings(Section):
    """What `report.html` holds; it changes no result."""

    page: bool = Field(True, description="Write `report.html` at the end of `darksound mec`.")
    page_mb: Annotated[float, Field(gt=0, le=4000)] | Literal["auto"] = Field(
        "auto",
        description="Megabytes that the page may take, sound and pictures included; `auto`: 50, "
        "and no limit with `external_media`.",
    )
    external_media: bool = Field(
        False, description="Put sound and pictures in the folder `report_media` beside the page."
    )
    typical: Positive = Field(
        5, description="Typical clips on a cluster's card, beside its medoid."
    )
    borderline: Positive = Field(3, description="Borderline clips on a cluster's card.")
    max_clip_s: Annotated[float, Field(gt=0, le=600)] = Field(
        10.0, description="Of a longer ROI the page has this many seconds, from its start."
    )


class Secret:
    """The value of an `Authorization` header; what is printed or logged of it is a row of stars."""

    def __init__(self, header: str) -> None:
        self._header = header

    def reveal(self) -> str:
        """The value itself, for the request that it is meant for."""
        return self._header

    def __repr__(self) -> str:
        return "Secret(********)"

    def __reduce__(self) -> str:
        raise TypeError("A secret is not written to disk or sent to other processes.")


#: Secrets by the kind of mirror that they are for.
Credentials = Mapping[str, Secret]


def credentials_from(environment: Mapping[str, str]) -> Credentials:
    """The credentials that the environment holds.

    Kaggle: `KAGGLE_API_TOKEN`, or else `KAGGLE_USERNAME` and `KAGGLE_KEY`.
    """
    token = environment.get("KAGGLE_API_TOKEN", "").strip()
    user, key = environment.get("KAGGLE_USERNAME", ""), environment.get("KAGGLE_KEY", "")
    if token:
        return {"kaggle": Secret(f"Bearer {token}")}
    if user and key:
        pair = base64.b64encode(f"{user}:{key}".encode()).decode()
        return {"kaggle": Secret(f"Basic {pair}")}
    return {}
