"""How published sets are fetched and unpacked."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from darksound.settings.section import Positive, Section

__all__ = ["DownloadSettings"]

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
    tries: Positive = Field(
        6, description="Tries at a mirror in a row that bring nothing before the next is asked."
    )
    first_wait_s: _Seconds = Field(
        1.0, description="Wait before the second try; each further one is about twice as long."
    )
    longest_wait_s: _Seconds = Field(
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
