"""The HTTP client, and the protocols by which the kinds of mirrors are requested."""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from http import HTTPStatus
from importlib.metadata import version
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.auth import AuthBase

from darksound.datasets import failures
from darksound.datasets.failures import MirrorError, page_error, status_error, translated_errors
from darksound.datasets.registry import Mirror, PublishedSplit
from darksound.errors import InputError, SettingsError
from darksound.settings import DownloadSettings
from darksound.settings.compute import Credentials, Secret, check_address

__all__ = [
    "PROTOCOLS",
    "Client",
    "Reply",
    "checked",
    "custom_mirror",
    "host_of",
    "is_address",
    "redacted",
    "request_archive",
]

_PAGE_BYTES = 200_000
# Id of the form by which Google Drive asks to confirm a download.
_CONFIRM_FORM = "download-form"
_DECODABLE = frozenset({"gzip", "x-gzip", "deflate"})
_ACCEPTED = frozenset(
    {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
)
# Query keys whose values are shown; all others may hold signatures or tokens.
_PUBLIC_KEYS = frozenset({"confirm", "download", "export", "id"})


def redacted(address: str) -> str:
    """Return an address without user, password, fragment and secret query values."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    query = [
        (key, value if key.lower() in _PUBLIC_KEYS else "...")
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query), ""))


def checked(address: str) -> str:
    """Return the redacted form of an address from the user.

    Raises:
        InputError: it is not the address of a file on a web server.
    """
    try:
        check_address(address)
    except ValueError as error:
        # Without the address, which may hold a password.
        raise InputError(f"The archive cannot be downloaded: {error}; correct it.") from None
    return redacted(address)


def host_of(address: str) -> str:
    """Return the host of an address, with its port if one is given."""
    return urlsplit(redacted(address)).netloc


def is_address(text: str) -> bool:
    """Return whether a text is the address of a web server."""
    return text.lower().startswith(("http://", "https://"))


class Reply:
    """A response: its headers at once, its body as it is read.

    Attributes:
        requested: the redacted address of the request.
        address: the complete address after redirects.
        status: 200, 206 or 416.
        headers: case-insensitive.
    """

    def __init__(self, response: requests.Response, requested: str) -> None:
        self.requested = requested
        self.address = response.url
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._raw: urllib3.BaseHTTPResponse = response.raw
        self._peeked = b""

    @property
    def encoded(self) -> bool:
        """Return whether the body is decoded, so that its bytes are not those of the file."""
        return self.headers.get("Content-Encoding", "identity").lower() != "identity"

    @property
    def is_page(self) -> bool:
        """Return whether it is a web page, by its type or by its first bytes."""
        if self.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return False
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type in {"text/html", "application/xhtml+xml"}:
            return True
        start = self.peek().lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return start.startswith((b"<!doctype html", b"<html"))

    def peek(self) -> bytes:
        """Return the next bytes of the body without consuming them."""
        if not self._peeked:
            self._peeked = self._read(1024)
        return self._peeked

    def read(self, size: int) -> bytes:
        """Return up to `size` decoded bytes as soon as there are any; none at the end.

        Raises:
            MirrorError: the connection broke or timed out, or the body cannot be decoded.
        """
        peeked, self._peeked = self._peeked, b""
        return peeked or self._read(size)

    def text(self) -> str:
        """Return the beginning of a web page."""
        page = b""
        while len(page) < _PAGE_BYTES and (data := self.read(_PAGE_BYTES)):
            page += data
        return page[:_PAGE_BYTES].decode("utf-8", "replace")

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()

    def _read(self, size: int) -> bytes:
        with translated_errors(self.requested):
            return self._raw.read1(size, decode_content=True)


class Client:
    """A session that uses the proxies and certificates of the system.

    Args:
        settings: the timeouts.
    """

    def __init__(self, settings: DownloadSettings) -> None:
        self._timeouts = (settings.connect_timeout_s, settings.read_timeout_s)
        self._session = requests.Session()
        self._session.max_redirects = 10
        self._session.headers.update(
            {
                "User-Agent": f"darksound/{version('darksound')}",
                "Accept": "*/*",
                # An archive is compressed already, and ranges count the bytes that are sent.
                "Accept-Encoding": "identity",
            }
        )

    def get(self, address: str, headers: Mapping[str, str], secret: Secret | None = None) -> Reply:
        """Return the response of an address, after redirects.

        Args:
            address: the address.
            headers: `Range` and the like.
            secret: credentials, sent to the host of this address only.

        Raises:
            MirrorError: it cannot be reached, or the status is not 200, 206 or 416.
        """
        requested = redacted(address)
        with translated_errors(requested):
            response = self._session.get(
                address,
                headers=dict(headers),
                auth=None if secret is None else _Login(secret),
                timeout=self._timeouts,
                stream=True,
            )
        reply = Reply(response, requested)
        try:
            _check_encryption(response, requested)
            if reply.status not in _ACCEPTED:
                raise status_error(
                    reply.status,
                    requested,
                    reply.text(),
                    retry_after_s=_retry_after_s(reply.headers.get("Retry-After")),
                    proxy=reply.headers.get("X-Squid-Error") and reply.headers.get("Via", "Squid"),
                )
            _check_encoding(reply)
        except BaseException:
            reply.close()
            raise
        return reply

    def get_archive(
        self,
        address: str,
        headers: Mapping[str, str],
        secret: Secret | None = None,
        what: str = "an archive",
    ) -> Reply:
        """Return the response of an address, which must not be a web page; else as `get`."""
        reply = self.get(address, headers, secret)
        if reply.is_page:
            try:
                raise page_error(reply.requested, reply.text(), redacted(reply.address), what)
            finally:
                reply.close()
        return reply

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


class _Login(AuthBase):
    """The `Authorization` header, which requests removes on a redirect to another host."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._secret.reveal()
        return request


def _check_encryption(response: requests.Response, requested: str) -> None:
    schemes = [urlsplit(step.url).scheme for step in (*response.history, response)]
    if schemes[0] == "https" and "http" in schemes:
        event = f"redirects to {redacted(response.url)}, without encryption"
        raise MirrorError(failures.UNSAFE, requested, event)


def _check_encoding(reply: Reply) -> None:
    encoding = reply.headers.get("Content-Encoding", "").lower()
    if reply.encoded and encoding not in _DECODABLE:
        event = f"answered in the encoding {encoding!r}, which was not requested"
        raise MirrorError(failures.ENCODED, reply.requested, event)


def _retry_after_s(header: str | None) -> float | None:
    """Return the delay of `Retry-After`, which is a number of seconds or a date."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def request_archive(
    client: Client, mirror: Mirror, headers: Mapping[str, str], credentials: Credentials
) -> Reply:
    """Return the response of a mirror.

    Raises:
        MirrorError: it delivers no archive.
    """
    return PROTOCOLS[mirror.kind](client, mirror, headers, credentials.get(mirror.kind))


def custom_mirror(template: str, split: PublishedSplit) -> Mirror:
    """Return the mirror of a split for an address from the settings.

    Args:
        template: address with `{set}` and `{split}`; without them `/SET/SPLIT.zip` is appended.
        split: the split.

    Raises:
        SettingsError: the address has other braces.
    """
    if "{" not in template:
        template = f"{template.rstrip('/')}/{{set}}/{{split}}.zip"
    try:
        address = template.format(set=split.set_name, split=split.name)
    except (KeyError, IndexError, ValueError):
        raise SettingsError(
            f"download.mirror is {redacted(template)}; it may contain {{set}} and {{split}}, and "
            f"no other braces."
        ) from None
    return Mirror("url", address, page=redacted(address))


def _request_plain(
    client: Client, mirror: Mirror, headers: Mapping[str, str], secret: Secret | None
) -> Reply:
    return client.get_archive(mirror.address, headers, secret)


def _request_drive(
    client: Client, mirror: Mirror, headers: Mapping[str, str], secret: Secret | None
) -> Reply:
    """Return the response of Google Drive, which answers a large file with a form to confirm."""
    reply = client.get(mirror.address, headers, secret)
    if not reply.is_page:
        return reply
    try:
        page = reply.text()
    finally:
        reply.close()
    form = _ConfirmForm()
    form.feed(page)
    if form.action is not None:
        return client.get_archive(form.target(reply.address), headers)
    error = page_error(reply.requested, page, redacted(reply.address))
    if mirror.fallback is None:
        raise error
    try:
        return client.get_archive(mirror.fallback, headers)
    except MirrorError:
        # The first page explains the failure better.
        raise error from None


#: The function that requests an archive from each kind of mirror.
PROTOCOLS: Mapping[str, Callable[[Client, Mirror, Mapping[str, str], Secret | None], Reply]] = {
    "kaggle": _request_plain,
    "drive": _request_drive,
    "zenodo": _request_plain,
    "url": _request_plain,
}


class _ConfirmForm(HTMLParser):
    """The confirmation form of a page: its target and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self._fields: list[tuple[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle a start tag, see `HTMLParser`."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("id") == _CONFIRM_FORM:
            self._inside = True
            self.action = values.get("action", "")
        elif tag == "input" and self._inside and values.get("name"):
            self._fields.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        """Handle an end tag, see `HTMLParser`."""
        self._inside = self._inside and tag != "form"

    def target(self, page_address: str) -> str:
        """Return the address that the form leads to from its page."""
        parts = urlsplit(urljoin(page_address, self.action or ""))
        query = "&".join(filter(None, [parts.query, urlencode(self._fields)]))
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
