"""The HTTP client: `requests`, asked for bytes as they are, its failures told in sentences."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from darksound.datasets import failures
from darksound.datasets.addresses import shown
from darksound.datasets.failures import MirrorError, page_error, status_error
from darksound.datasets.raised import told
from darksound.settings import DownloadSettings
from darksound.settings.compute import Secret

__all__ = ["Client", "Reply"]

_PAGE_BYTES = 200_000
_DECODED = frozenset({"gzip", "x-gzip", "deflate"})
_OK = frozenset(
    {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
)


class Reply:
    """What came back: the head at once, the body as it is read.

    Attributes:
        asked: the address that was asked, as it may be shown.
        address: where redirects led to, in full.
        status: 200, 206 or 416.
        headers: of the answer, their names in whatever case.
    """

    def __init__(self, response: requests.Response, asked: str) -> None:
        self.asked = asked
        self.address = response.url
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._raw: urllib3.BaseHTTPResponse = response.raw
        self._held = b""

    @property
    def encoded(self) -> bool:
        """Whether the bytes that are read are not those that were sent."""
        return self.headers.get("Content-Encoding", "identity").lower() != "identity"

    @property
    def is_page(self) -> bool:
        """Whether it is a web page, by its type or by how it begins."""
        if self.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return False
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in {"text/html", "application/xhtml+xml"}:
            return True
        start = self.peek().lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return start.startswith((b"<!doctype html", b"<html"))

    def peek(self) -> bytes:
        """The first bytes of what is still to be read, without taking them away."""
        if not self._held:
            self._held = self._read(1024)
        return self._held

    def read(self, size: int) -> bytes:
        """Up to `size` bytes as soon as there are any, decoded; none at the end.

        Raises:
            MirrorError: the connection broke, fell silent, or sent what cannot be decoded.
        """
        held, self._held = self._held, b""
        return held or self._read(size)

    def text(self) -> str:
        """The beginning of a web page."""
        page = b""
        while len(page) < _PAGE_BYTES and (more := self.read(_PAGE_BYTES)):
            page += more
        return page[:_PAGE_BYTES].decode("utf-8", "replace")

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()

    def _read(self, size: int) -> bytes:
        with told(self.asked):
            return self._raw.read1(size, decode_content=True)


class Client:
    """Asks for addresses; honours the system's proxies and certificates.

    Args:
        settings: its timeouts.
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
        """What an address answers, after redirects.

        Args:
            address: what is asked.
            headers: `Range` and the like.
            secret: what to log in with; it goes to this address' own host alone.

        Raises:
            MirrorError: it cannot be reached, or answers with anything but 200, 206 or 416.
        """
        asked = shown(address)
        with told(asked):
            response = self._session.get(
                address,
                headers=dict(headers),
                auth=None if secret is None else _Login(secret),
                timeout=self._timeouts,
                stream=True,
            )
        reply = Reply(response, asked)
        try:
            _refuse_unsafe(response, asked)
            if reply.status not in _OK:
                raise status_error(
                    reply.status,
                    asked,
                    reply.text(),
                    _asked_wait(reply.headers.get("Retry-After")),
                    reply.headers.get("X-Squid-Error") and reply.headers.get("Via", "Squid"),
                )
            _refuse_encoding(reply)
        except BaseException:
            reply.close()
            raise
        return reply

    def archive(
        self, address: str, headers: Mapping[str, str], secret: Secret | None = None
    ) -> Reply:
        """What an address answers, which must be no web page; else as `get`."""
        reply = self.get(address, headers, secret)
        if reply.is_page:
            try:
                raise page_error(reply.asked, reply.text(), shown(reply.address))
            finally:
                reply.close()
        return reply

    def close(self) -> None:
        """Let go of all connections."""
        self._session.close()


class _Login(AuthBase):
    """Requests takes the header away again where a redirect leads to another host."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._secret.reveal()
        return request


def _refuse_unsafe(response: requests.Response, asked: str) -> None:
    schemes = [urlsplit(step.url).scheme for step in (*response.history, response)]
    if schemes[0] == "https" and "http" in schemes:
        raise MirrorError(
            failures.UNSAFE, asked, f"led to {shown(response.url)}, without encryption"
        )


def _refuse_encoding(reply: Reply) -> None:
    encoding = reply.headers.get("Content-Encoding", "").lower()
    if reply.encoded and encoding not in _DECODED:
        raise MirrorError(
            failures.ENCODED, reply.asked, f"answered in the encoding {encoding!r}, unasked"
        )


def _asked_wait(header: str | None) -> float | None:
    """Seconds that `Retry-After` stands for, which is a number or a date."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
