"""What is asked of a server to go on with an archive, and what its answer means."""

import re

from darksound.datasets.client import Reply
from darksound.datasets.partial import About, Partial

__all__ = ["about_whole", "asking", "can_go_on", "continues", "whole_of"]


def can_go_on(about: About, md5: str | None) -> bool:
    """Whether it would be noticed if the rest were of another file.

    Args:
        about: what is known of the whole.
        md5: what the whole must have; None where nobody knows.
    """
    return about.resumable and bool(about.etag or about.modified or md5)


def asking(partial: Partial) -> dict[str, str]:
    """The headers that ask for what is missing (RFC 9110, sections 13.1.5 and 14.2)."""
    if not partial.size:
        return {}
    headers = {"Range": f"bytes={partial.size}-"}
    unchanged = partial.about.etag or partial.about.modified
    if unchanged:
        headers["If-Range"] = unchanged
    return headers


def about_whole(reply: Reply, address: str) -> About:
    """What an answer tells of the whole that it begins.

    Args:
        reply: with status 200.
        address: where it comes from, as it may be shown.
    """
    etag = reply.headers.get("ETag")
    length = reply.headers.get("Content-Length", "")
    plain = not reply.encoded
    return About(
        address,
        total=int(length) if plain and length.isdigit() else None,
        # A weak tag says that files mean the same, not that their bytes are the same.
        etag=None if etag is None or etag.startswith("W/") else etag,
        modified=reply.headers.get("Last-Modified"),
        resumable=plain and reply.headers.get("Accept-Ranges", "").lower() != "none",
    )


def continues(reply: Reply, partial: Partial) -> bool:
    """Whether a 206 goes on where `partial` ends, with the same file."""
    start, total = _range_of(reply)
    known = partial.about
    etag, modified = reply.headers.get("ETag"), reply.headers.get("Last-Modified")
    if reply.encoded or not partial.size or start != partial.size:
        return False
    if known.total is not None and total is not None and known.total != total:
        return False
    if known.etag is not None and etag is not None:
        return known.etag == etag
    return known.modified is None or modified is None or known.modified == modified


def _range_of(reply: Reply) -> tuple[int | None, int | None]:
    """The first byte and the size of the whole that `Content-Range` tells."""
    found = re.fullmatch(r"\s*bytes (\d+)-\d+/(\d+|\*)\s*", reply.headers.get("Content-Range", ""))
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def whole_of(reply: Reply) -> int | None:
    """The size of the whole that `Content-Range` tells; None where it does not."""
    found = re.search(r"/(\d+)\s*$", reply.headers.get("Content-Range", ""))
    return int(found[1]) if found else None
