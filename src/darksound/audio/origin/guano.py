"""GUANO metadata: `Name: value` lines in a chunk of their own (guano-md.org, version 1.0)."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Guano", "from_guano"]


@dataclass(frozen=True)
class Guano:
    """What GUANO metadata say.

    Attributes:
        when: the start of the recording; without a time zone where they have none.
        recorder: make, model and serial number, as far as they are given.
        gain: as the recorder writes it.
    """

    when: datetime | None
    recorder: str | None
    gain: str | None


def from_guano(text: str) -> Guano:
    """What GUANO metadata say; names count whatever their case, those of makers by their end."""
    fields: dict[str, str] = {}
    for line in text.replace("\0", "").splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip().casefold(), value.strip())
    named = [fields[key] for key in ("make", "model", "serial") if key in fields]
    gain = next((v for k, v in fields.items() if k.split("|")[-1].strip() == "gain"), None)
    return Guano(_when(fields.get("timestamp")), " ".join(named) or None, gain)


def _when(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
