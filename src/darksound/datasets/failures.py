"""Failures of mirrors, in sentences on what happened and what to do.

Covers HTTP statuses, web pages in place of an archive, and exceptions of the HTTP client.
"""

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import requests
import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import SSLError as TlsError

from darksound.errors import DownloadError

__all__ = [
    "Cause",
    "MirrorError",
    "UndeliveredError",
    "page_error",
    "status_error",
    "translated_errors",
]


@dataclass(frozen=True)
class Cause:
    """A kind of failure.

    Attributes:
        remedy: what the user can do.
        temporary: whether another attempt may succeed.
        network: whether this machine seems to have no network.
    """

    remedy: str
    temporary: bool = False
    network: bool = False


_OPEN = "Open the address in a browser and save the file"

PAGE = Cause(f"{_OPEN}; or choose another address.")
LOGIN = Cause(f"It requires a login. {_OPEN}; for Kaggle, set KAGGLE_API_TOKEN.")
QUOTA = Cause(
    "The download quota of this file is exceeded: try again tomorrow, or open the address in a "
    "browser in which you are logged in."
)
BLOCKED = Cause(
    "The server denies access from this machine. Open the address in a browser; for Kaggle, check "
    "KAGGLE_API_TOKEN (or KAGGLE_USERNAME and KAGGLE_KEY)."
)
NOT_FOUND = Cause("Check the address; the file may have moved.")
BUSY = Cause("Try again later.", temporary=True)
SERVER = Cause("This is an error of the server: try again later.", temporary=True)
PROXY = Cause(
    "Check HTTPS_PROXY and HTTP_PROXY (and whether the proxy requires a login), or add the host to "
    "NO_PROXY."
)
NAME = Cause("Check the address and the name server of this machine.", network=True)
OFFLINE = Cause(
    "This machine seems to be offline: connect it, or import an archive downloaded elsewhere.",
    network=True,
)
REFUSED = Cause("Check the address and its port, and any firewall.", temporary=True)
TLS = Cause(
    "Check this machine's clock; where a firewall or an antivirus inspects connections, set "
    "REQUESTS_CA_BUNDLE to its certificate."
)
SILENT = Cause(
    "Try again, or allow more time with --set download.read_timeout_s=300.", temporary=True
)
DROPPED = Cause("Run the command again: it resumes the download.", temporary=True)
TOO_LARGE = Cause("Choose another address; or raise download.max_archive_gb if this is intended.")
ENCODED = Cause("Choose another address.")
UNSAFE = Cause("The data could be changed on the way: choose an address that stays with https.")
WRONG_ADDRESS = Cause("An address looks like https://host/path/test.zip.")
CHECKSUM = Cause(
    "This is not the published file, or it was changed on the way: try another mirror."
)
NOT_ARCHIVE = Cause("A .zip or .tar archive is required: check the address.")
WRONG_MODEL = Cause("This is not the published model, or it was changed on the way.")


class MirrorError(DownloadError):
    """A mirror did not deliver the file.

    Args:
        cause: the kind of failure.
        address: the redacted address.
        event: what happened, as the rest of a sentence that begins with the address.
        retry_after_s: delay in seconds that the server asks for.
        temporary: whether another attempt may succeed; None: as for all failures of this cause.
    """

    def __init__(
        self,
        cause: Cause,
        address: str,
        event: str,
        *,
        retry_after_s: float | None = None,
        temporary: bool | None = None,
    ) -> None:
        super().__init__(f"{address} {event}. {cause.remedy}")
        self.cause = cause
        self.address = address
        self.retry_after_s = retry_after_s
        self.temporary = cause.temporary if temporary is None else temporary


class UndeliveredError(DownloadError):
    """No mirror delivered a split.

    Args:
        spec: the split.
        causes: the error of each mirror.
    """

    def __init__(self, spec: str, causes: Sequence[DownloadError]) -> None:
        super().__init__(f"No mirror delivered {spec}.")
        self.causes = causes


def status_error(
    status: int,
    address: str,
    page: str,
    *,
    retry_after_s: float | None = None,
    proxy: str | None = None,
) -> MirrorError:
    """Return the error for an unexpected HTTP status.

    Args:
        status: the status.
        address: the redacted address.
        page: text of the response.
        retry_after_s: delay in seconds that the server asks for.
        proxy: name of the proxy where the response is a proxy's.
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "which is no known status"
    event = f"answered {status} {phrase}"
    if proxy is not None:
        event += f", by way of the proxy {proxy}"
    event += _title_of(page)
    if retry_after_s is not None:
        event += f" and asks to wait {retry_after_s:.0f} s"
    return MirrorError(_cause_of_status(status), address, event, retry_after_s=retry_after_s)


def page_error(
    address: str, page: str, final_address: str, what: str = "an archive"
) -> MirrorError:
    """Return the error for a web page in place of a file.

    Args:
        address: the redacted address.
        page: text of the page.
        final_address: the redacted address after redirects.
        what: what was expected.
    """
    event = f"returned a web page{_title_of(page)} instead of {what}"
    if final_address != address:
        event += f" (from {final_address})"
    text = page.lower()
    cause = PAGE
    if "quota" in text or "too many users" in text:
        cause = QUOTA
    elif re.search(
        r"accounts\.google\.com|servicelogin|/login|sign[- ]?in\b", f"{final_address} {text}"
    ):
        cause = LOGIN
    return MirrorError(cause, address, event)


def _cause_of_status(status: int) -> Cause:
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return PROXY
    if status == HTTPStatus.UNAUTHORIZED:
        return LOGIN
    if status == HTTPStatus.FORBIDDEN:
        return BLOCKED
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}:
        return BUSY
    return SERVER if status >= HTTPStatus.INTERNAL_SERVER_ERROR else NOT_FOUND


def _title_of(page: str) -> str:
    """Return the title of a page in brackets, or an empty string."""
    match = re.search(r"<title[^>]*>(.*?)</title", page, re.IGNORECASE | re.DOTALL)
    title = " ".join(match.group(1).split()) if match else ""
    return f" ({title[:100]!r})" if title else ""


@contextmanager
def translated_errors(address: str) -> Iterator[None]:
    """Turn exceptions of the HTTP client into `MirrorError`.

    Args:
        address: the redacted address.

    Raises:
        MirrorError: for every exception of requests and urllib3.
    """
    try:
        yield
    except (requests.RequestException, HTTPError, ValueError) as error:
        # A ValueError is of an address that a server redirects to.
        # The texts of these exceptions may hold the address with its secrets.
        raise MirrorError(*_cause_and_event(error, address)) from None


_NO_ADDRESS = "is no valid web address, or redirects to none"
_BY_TYPE: tuple[tuple[tuple[type[Exception], ...], Cause, str], ...] = (
    (
        (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
        PROXY,
        "cannot be reached: the configured proxy does not forward the request",
    ),
    ((requests.ConnectTimeout,), SILENT, "does not answer: connection timed out"),
    (
        (requests.Timeout, urllib3.exceptions.ReadTimeoutError),
        SILENT,
        "sent no data in time",
    ),
    ((requests.TooManyRedirects,), NOT_FOUND, "redirects without an end"),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            urllib3.exceptions.LocationValueError,
        ),
        WRONG_ADDRESS,
        _NO_ADDRESS,
    ),
    ((urllib3.exceptions.DecodeError,), DROPPED, "sent data that cannot be decoded"),
)


def _cause_and_event(error: Exception, address: str) -> tuple[Cause, str, str]:
    for types, cause, event in _BY_TYPE:
        if isinstance(error, types):
            return cause, address, event
    if not isinstance(error, (requests.RequestException, HTTPError)):
        return WRONG_ADDRESS, address, _NO_ADDRESS
    inner = _innermost(error)
    if isinstance(error, requests.exceptions.SSLError) or isinstance(inner, TlsError):
        return TLS, address, _tls_event(inner)
    if isinstance(inner, NameResolutionError):
        reason = inner.__cause__
        if isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_AGAIN:
            return OFFLINE, address, "cannot be looked up: no name server answers"
        return NAME, address, "cannot be looked up: the host name is unknown"
    if isinstance(inner, NewConnectionError):
        reason = inner.__cause__
        if isinstance(reason, ConnectionRefusedError):
            return REFUSED, address, "refused the connection"
        text = isinstance(reason, OSError) and reason.strerror
        return OFFLINE, address, f"cannot be reached ({text or 'no route to it'})"
    return DROPPED, address, f"closed the connection ({type(inner).__name__})"


def _innermost(error: BaseException) -> BaseException:
    """Return the exception that exceptions of requests and urllib3 are wrapped around."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((part for part in error.args if isinstance(part, HTTPError)), None)
        if inner is None:
            return error
        error = inner


def _tls_event(error: BaseException) -> str:
    event = "cannot be trusted: its certificate or encryption is not accepted"
    reasons = (
        part.verify_message
        for part in error.args
        if isinstance(part, ssl.SSLCertVerificationError) and part.verify_message
    )
    reason = next(reasons, None)
    return f"{event} ({reason})" if reason else event
