"""How each kind of mirror is asked; a kind is added by one function and one line of `KINDS`."""

from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from types import MappingProxyType
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from darksound.datasets.addresses import shown
from darksound.datasets.client import Client, Reply
from darksound.datasets.failures import MirrorError, page_error
from darksound.datasets.registry import Mirror, PublishedSplit
from darksound.errors import SettingsError
from darksound.settings.compute import Credentials

__all__ = ["KINDS", "Opener", "ask", "chosen_mirror"]

#: Asks a mirror with these headers; gives what is no web page.
Opener = Callable[[Client, Mirror, Mapping[str, str], Credentials], Reply]

_CONFIRM_FORM = "download-form"


def ask(
    client: Client, mirror: Mirror, headers: Mapping[str, str], credentials: Credentials
) -> Reply:
    """What a mirror answers, the way that its kind is asked.

    Raises:
        MirrorError: it gives no archive.
    """
    return KINDS[mirror.kind](client, mirror, headers, credentials)


def chosen_mirror(address: str, split: PublishedSplit) -> Mirror:
    """The mirror that a person named, for one split.

    Args:
        address: with `{set}` and `{split}`, or without, when `/SET/SPLIT.zip` is added.
        split: what is wanted of it.

    Raises:
        SettingsError: the address has other braces.
    """
    template = address if "{" in address else f"{address.rstrip('/')}/{{set}}/{{split}}.zip"
    try:
        filled = template.format(set=split.set_name, split=split.name)
    except (KeyError, IndexError, ValueError):
        raise SettingsError(
            f"The mirror {shown(address)} may have {{set}} and {{split}} in it, and no other "
            f"braces."
        ) from None
    return Mirror("url", filled, page=shown(filled))


def _plain(
    client: Client, mirror: Mirror, headers: Mapping[str, str], credentials: Credentials
) -> Reply:
    return client.archive(mirror.address, headers)


def _kaggle(
    client: Client, mirror: Mirror, headers: Mapping[str, str], credentials: Credentials
) -> Reply:
    return client.archive(mirror.address, headers, credentials.get("kaggle"))


def _drive(
    client: Client, mirror: Mirror, headers: Mapping[str, str], credentials: Credentials
) -> Reply:
    """Google Drive answers a large file with a page that asks for a confirmation."""
    reply = client.get(mirror.address, headers)
    if not reply.is_page:
        return reply
    try:
        page = reply.text()
    finally:
        reply.close()
    form = _Form()
    form.feed(page)
    if form.action is not None:
        return client.archive(form.address(reply.address), headers)
    trouble = page_error(reply.asked, page, shown(reply.address))
    if mirror.fallback is None:
        raise trouble
    try:
        return client.archive(mirror.fallback, headers)
    except MirrorError:
        # The first page says better what is wrong.
        raise trouble from None


#: All kinds of mirrors by name.
KINDS: Mapping[str, Opener] = MappingProxyType(
    {"kaggle": _kaggle, "drive": _drive, "zenodo": _plain, "url": _plain}
)


class _Form(HTMLParser):
    """The form by which a person would confirm: where it leads, and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self._fields: list[tuple[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("id") == _CONFIRM_FORM:
            self._inside = True
            self.action = given.get("action", "")
        elif tag == "input" and self._inside and given.get("name"):
            self._fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        """See `HTMLParser`."""
        self._inside = self._inside and tag != "form"

    def address(self, page: str) -> str:
        """Where the form leads to from the page at this address."""
        parts = urlsplit(urljoin(page, self.action or ""))
        query = "&".join(filter(None, [parts.query, urlencode(self._fields)]))
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
