"""What a set was checked against; the words never promise more than was done."""

from collections.abc import Mapping
from types import MappingProxyType

from darksound.datasets.marker import Check
from darksound.datasets.registry import PublishedSplit

__all__ = ["KINDS", "archive_check", "content_check"]

#: Kinds of checks, the strongest first, and what each of them held against what.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "md5": "md5 of the archive as published",
        "inner": "md5 of the inner archive as published",
        "given": "md5 of the archive as given by hand",
        "counts": "counts as published, all sound readable",
        "sound": "all sound readable, nothing to hold it against",
        "none": "not verified",
    }
)

_SAID = {
    "md5": "the md5 of the archive is the published one",
    "inner": "the md5 of the inner archive {name} is the published one",
    "given": "the md5 of the archive is the one that was given by hand, not a published one",
}


def archive_check(kind: str, name: str = "") -> Check:
    """The check of an archive whose md5 was as it should be.

    Args:
        kind: `md5`, `inner` or `given`.
        name: of the inner archive.
    """
    return Check(kind, _SAID[kind].format(name=name))


def content_check(
    split: PublishedSplit, species: Mapping[str, int], unreadable: int, note: str = ""
) -> Check:
    """The check of a split that no md5 vouches for: its counts, and whether its sound is readable.

    Args:
        split: what was published.
        species: clips of each species found.
        unreadable: sound files that cannot be read.
        note: what else was found out about its archive.
    """
    clips = sum(species.values())
    found = f"{clips} clips of {len(species)} species"
    more = f"; {note}" if note else ""
    if unreadable:
        return Check("none", f"{unreadable} of {clips} clips cannot be read{more}")
    if split.clips is None or split.species is None:
        return Check(
            "sound",
            f"{found}, all readable; neither its md5 nor its counts were published{more}",
        )
    if (clips, len(species)) != (split.clips, split.species):
        return Check("none", f"{found} where {split.clips} of {split.species} were published{more}")
    return Check(
        "counts", f"{found} as published, all readable; no md5 vouches for the archive{more}"
    )
