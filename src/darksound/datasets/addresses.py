"""Addresses as they may be shown and kept: without anything that lets somebody in."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["is_address", "shown"]

# What a query may say without being a key to something; signatures and tokens are not among them.
_HARMLESS = frozenset({"confirm", "download", "export", "id"})


def shown(address: str) -> str:
    """The address without user, password, fragment, and such query values as may be secret."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    query = [
        (key, value if key.lower() in _HARMLESS else "...")
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query), ""))


def is_address(text: str) -> bool:
    """Whether the text is the address of a web server."""
    return text.lower().startswith(("http://", "https://"))
