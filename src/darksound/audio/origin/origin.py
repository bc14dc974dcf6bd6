"""Where a recording is from, put together from its header and its name."""

from dataclasses import dataclass
from pathlib import Path

from darksound.audio.origin.comments import from_comment
from darksound.audio.origin.guano import from_guano
from darksound.audio.origin.names import from_name
from darksound.audio.origin.riff import Riff, read_riff

__all__ = ["Origin", "origin_of"]

# What a header may announce beyond what is there: a padding byte and a little rounding.
_SLACK_BYTES = 8


@dataclass(frozen=True)
class Origin:
    """Where a recording is from; nothing in it is guessed.

    Attributes:
        recorded_at: when it starts, ISO 8601; with an offset from UTC only where one is given.
        recorder: what names the recorder: make, model and serial number from the header, else
            what stands before the date in the file's name.
        gain: as the recorder writes it.
        missing: share of the sound that the header announces and that is not there.
    """

    recorded_at: str | None = None
    recorder: str | None = None
    gain: str | None = None
    missing: float = 0.0

    @property
    def from_recorder(self) -> bool:
        """Whether a recorder left the date and time."""
        return self.recorded_at is not None


def origin_of(path: Path) -> Origin:
    """Where a recording is from; GUANO metadata are believed before a comment, that before a name.

    Args:
        path: of the recording; one that cannot be read says what its name says.
    """
    riff = read_riff(path) or Riff()
    said = [
        from_guano(riff.guano) if riff.guano else None,
        from_comment(riff.comment) if riff.comment else None,
    ]
    inside = [one for one in said if one is not None]
    name = from_name(path.name)
    times = [one.when for one in (*inside, name) if one is not None and one.when is not None]
    recorders = [one.recorder for one in inside if one.recorder]
    if name is not None and name.prefix:
        recorders.append(name.prefix)
    gains = [one.gain for one in inside if one.gain]
    return Origin(
        times[0].isoformat(timespec="seconds") if times else None,
        recorders[0] if recorders else None,
        gains[0] if gains else None,
        _missing(riff),
    )


def _missing(riff: Riff) -> float:
    if riff.announced is None or riff.announced <= riff.present + _SLACK_BYTES:
        return 0.0
    return 1 - riff.present / riff.announced
