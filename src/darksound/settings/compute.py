"""Settings of devices, downloads and reports, and credentials for downloads."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, field_validator

from darksound.settings.section import Positive, Section, Size
from darksound.text import text_path

__all__ = [
    "ComputeSettings",
    "Credentials",
    "Device",
    "DownloadSettings",
    "ReportSettings",
    "Secret",
    "check_address",
    "credentials_from",
    "data_folder",
]

Device = Literal["auto", "cpu", "cuda", "mps"]


class ComputeSettings(Section):
    """Where and how darksound computes.

    `device` and `precision` change results in their last digits; the others do not.
    """

    device: Device = Field("auto", description="Device of PyTorch; `auto`: a GPU if there is one.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Autocast precision of the networks. `auto`: bfloat16 where the hardware "
        "supports it, float16 on older NVIDIA GPUs, else float32. Training in float16 uses loss "
        "scaling.",
    )
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto",
        description="Number of workers, threads or processes, that read audio and compute images.",
    )
    batch_size: Size = Field(64, description="Number of ROIs embedded per batch.")
    cache_dtype: Literal["uint8", "float16"] = Field(
        "uint8", description="Data type of cached images."
    )
    cache_dir: Path | None = Field(
        None, description="Folder of cached images; none: the user's cache folder."
    )
    verify_cache: bool = Field(
        False,
        description="Find cached results by a digest of the content of each recording. By default "
        "a recording counts as unchanged if its path, size and time of change are, which a file "
        "that is replaced by one of the same size and time is too. Reads every recording once.",
    )
    dask: str | None = Field(
        None,
        description="Address of a Dask scheduler whose workers segment recordings, compute images "
        "and embed ROIs.",
    )
    preflight_check: bool = Field(
        True,
        description="Before a run starts, stop with an error if it is estimated to need more "
        "memory or disk space than is free.",
    )
    data_dir: Path | None = Field(
        None, description="Folder of published data sets and models; none: the user's data folder."
    )


def data_folder(settings: ComputeSettings) -> Path:
    """Return the folder of published sets and models, each in a subfolder of its name."""
    if settings.data_dir is None:
        return platformdirs.user_data_path("darksound")
    return text_path(str(settings.data_dir))


# Longest part of the name of a host (RFC 1035).
_MAX_LABEL = 63
_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Gigabytes = Annotated[float, Field(gt=0, le=1_000_000)]


def check_address(address: str) -> None:
    """Check that a text can be the address of a file on a web server.

    Raises:
        ValueError: it cannot; the message has the cause and no part of the address, which may
            contain a password.
    """
    if any(character.isspace() or not character.isprintable() for character in address):
        raise ValueError("the address has a blank or a control character")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"the address has no valid host or port ({error})") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("the address does not begin with https:// or http://")
    labels = (host or "").rstrip(".").split(".")
    if port == 0 or not all(0 < len(label) <= _MAX_LABEL for label in labels):
        raise ValueError("the address has no valid host or port")


class DownloadSettings(Section):
    """How published sets and models are downloaded and unpacked. They change no result."""

    mirror: str | None = Field(
        None,
        description="Address of a mirror to try first, without user and password. `{set}` and "
        "`{split}` in it are replaced; without them `/SET/SPLIT.zip` is appended.",
    )
    model_mirror: str | None = Field(
        None,
        description="Address of a folder of published models to try first, without user and "
        "password; `/NAME/FILE` is appended, such as `/perch2/perch_v2_fp32.onnx`.",
    )
    offline: bool = Field(False, description="Never use the network.")
    connect_timeout_s: _Seconds = Field(15.0, description="Connection timeout in seconds.")
    read_timeout_s: _Seconds = Field(
        60.0, description="Longest time in seconds without data from the server."
    )
    max_attempts: Annotated[int, Field(ge=1, le=10_000)] = Field(
        6,
        description="Consecutive attempts at a mirror without progress before the next mirror "
        "is tried.",
    )
    backoff_base_s: _Seconds = Field(
        1.0,
        description="Delay in seconds before the second attempt; it about doubles with every "
        "further attempt.",
    )
    backoff_max_s: _Seconds = Field(
        120.0,
        description="Longest delay in seconds; if a server asks for a longer one, the next "
        "mirror is tried.",
    )
    max_archive_gb: _Gigabytes = Field(
        200.0, description="Largest size of an archive in GB; larger downloads are aborted."
    )
    max_unpacked_gb: _Gigabytes = Field(
        500.0, description="Largest unpacked size of an archive in GB."
    )
    max_files: Positive = Field(1_000_000, description="Largest number of files in an archive.")
    max_ratio: Annotated[float, Field(gt=1, le=1_000_000)] = Field(
        100.0, description="Largest ratio of an archive's unpacked size to its size."
    )

    @field_validator("mirror", "model_mirror")
    @classmethod
    def _no_password(cls, mirror: str | None) -> str | None:
        if mirror is not None:
            check_address(mirror)
            # Settings are written into every run directory.
            if "@" in urlsplit(mirror).netloc:
                raise ValueError("the address must not contain a user or password")
        return mirror


class ReportSettings(Section):
    """Contents of `report.html`. These settings change no result."""

    page: bool = Field(True, description="Write `report.html` at the end of `darksound mec`.")
    language: Literal["auto", "en", "es", "pt", "fr"] = Field(
        "auto",
        description="Language of the page until its reader chooses another one: English, Spanish, "
        "Portuguese or French; `auto`: that of the browser.",
    )
    page_mb: Annotated[float, Field(gt=0, le=4000)] | Literal["auto"] = Field(
        "auto",
        description="Largest size of the page in MB, embedded media included; `auto`: 50, and no "
        "limit with `external_media`.",
    )
    external_media: bool = Field(
        False,
        description="Store audio clips and images in the folder `report_media` beside the page "
        "instead of in it.",
    )
    typical_clips: Annotated[int, Field(ge=1, le=10_000)] = Field(
        5, description="Number of typical clips on a cluster's card, after the medoid."
    )
    borderline_clips: Annotated[int, Field(ge=1, le=10_000)] = Field(
        3, description="Number of borderline clips on a cluster's card."
    )
    max_clip_s: Annotated[float, Field(gt=0, le=600)] = Field(
        10.0, description="Longest clip in seconds; longer ROIs are cut at their end."
    )


class Secret:
    """The value of an `Authorization` header, which is never printed, logged or pickled."""

    def __init__(self, header: str) -> None:
        self._header = header

    def reveal(self) -> str:
        """Return the value, for use in a request."""
        return self._header

    def __repr__(self) -> str:
        return "Secret(********)"

    def __reduce__(self) -> str:
        raise TypeError("A secret must not be written to disk or sent to other processes.")


#: Secrets by the kind of mirror that they are for.
Credentials = Mapping[str, Secret]


def credentials_from(environment: Mapping[str, str]) -> Credentials:
    """Return the credentials in the environment variables.

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
