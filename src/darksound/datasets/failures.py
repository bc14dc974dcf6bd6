"""What can come back instead of an archive, and what a person can do about it."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from darksound.errors import DownloadError

__all__ = [
    "BLOCKED",
    "BUSY",
    "CHECKSUM",
    "DROPPED",
    "ENCODED",
    "ENDLESS",
    "GONE",
    "LOGIN",
    "NAME",
    "NOT_ARCHIVE",
    "OFFLINE",
    "PAGE",
    "PROXY",
    "QUOTA",
    "REFUSED",
    "SERVER",
    "SILENT",
    "TLS",
    "UNSAFE",
    "WRONG_ADDRESS",
    "Cause",
    "MirrorError",
    "page_error",
    "status_error",
]


@dataclass(frozen=True)
class Cause:
    """A kind of failure.

    Attributes:
        remedy: what a person can do.
        passing: whether it may be gone at the next try.
        network: whether the machine itself seems to have no network.
    """

    remedy: str
    passing: bool = False
    network: bool = False


_OPEN = "Open the address in a browser, save the archive and import it"

PAGE = Cause(f"{_OPEN}; or name another address.")
LOGIN = Cause(f"It wants a login. {_OPEN}; for Kaggle, KAGGLE_API_TOKEN is used where it is set.")
QUOTA = Cause(
    "Too many people fetched this file lately: try again tomorrow, or open the address in a "
    "browser where you are logged in."
)
BLOCKED = Cause(
    "The server does not give it to this machine. Open the address in a browser; for Kaggle, check "
    "KAGGLE_API_TOKEN (or KAGGLE_USERNAME and KAGGLE_KEY)."
)
GONE = Cause("Check the address; what was there may have moved.")
BUSY = Cause("Try again later.", passing=True)
SERVER = Cause("The fault is on the other side: try again later.", passing=True)
PROXY = Cause(
    "Check HTTPS_PROXY and HTTP_PROXY (and whether the proxy wants a login), or name the host in "
    "NO_PROXY."
)
NAME = Cause("Check the address and the name server of this machine.", network=True)
OFFLINE = Cause(
    "This machine seems to be offline: connect it, or import an archive fetched elsewhere.",
    network=True,
)
REFUSED = Cause("Check the address and its port, and any firewall between.", passing=True)
TLS = Cause(
    "Check this machine's clock; where a firewall or an antivirus looks into connections, name its "
    "certificate in REQUESTS_CA_BUNDLE."
)
SILENT = Cause(
    "Try again, or allow more time with --set download.read_timeout_s=300.", passing=True
)
DROPPED = Cause("Run the command again: it goes on from what has arrived.", passing=True)
ENDLESS = Cause("Name another address; or raise download.max_archive_gb if it is meant.")
ENCODED = Cause("Name another address.")
UNSAFE = Cause("Somebody could change what arrives: name an address that stays with https.")
WRONG_ADDRESS = Cause("An address looks like https://host/path/test.zip.")
CHECKSUM = Cause(
    "What is there is not what was published, or was changed on its way: try another mirror."
)
NOT_ARCHIVE = Cause("A .zip or .tar archive is wanted: check the address.")


class MirrorError(DownloadError):
    """One address did not give what was asked of it.

    Args:
        cause: of which kind.
        address: what was asked, as it may be shown.
        came: what came back, as the rest of a sentence that begins with the address.
        wait_s: how long the server asks to wait.
        passing: whether to try again, where that is not up to the cause.
    """

    def __init__(
        self,
        cause: Cause,
        address: str,
        came: str,
        wait_s: float | None = None,
        passing: bool | None = None,
    ) -> None:
        super().__init__(f"{address} {came}. {cause.remedy}")
        self.cause = cause
        self.wait_s = wait_s
        self.passing = cause.passing if passing is None else passing


def status_error(
    status: int, address: str, page: str, wait_s: float | None = None, header: str | None = None
) -> MirrorError:
    """The trouble that a status stands for.

    Args:
        status: an HTTP status of 400 or more, or one that has no business here.
        address: what was asked, as it may be shown.
        page: the text that came with it.
        wait_s: how long the server asks to wait.
        header: what a proxy says of itself, where it was one that answered.
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "which is no known status"
    came = f"answered {status} {phrase}{_titled(page)}"
    if header is not None:
        came = f"answered {status} {phrase}, by way of the proxy {header}{_titled(page)}"
    if wait_s is not None:
        came += f" and asks to wait {wait_s:.0f} s"
    return MirrorError(_cause_of(status), address, came, wait_s)


def page_error(address: str, page: str, final: str) -> MirrorError:
    """The trouble with a web page that came instead of an archive.

    Args:
        address: what was asked, as it may be shown.
        page: the page's text.
        final: where redirects led to, as it may be shown.
    """
    came = f"gave a web page{_titled(page)} instead of an archive"
    if final != address:
        came += f" (from {final})"
    lower = page.lower()
    if "quota" in lower or "too many users" in lower:
        return MirrorError(QUOTA, address, came)
    if re.search(r"accounts\.google\.com|servicelogin|/login|sign[- ]?in\b", f"{final} {lower}"):
        return MirrorError(LOGIN, address, came)
    return MirrorError(PAGE, address, came)


def _cause_of(status: int) -> Cause:
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return PROXY
    if status == HTTPStatus.UNAUTHORIZED:
        return LOGIN
    if status == HTTPStatus.FORBIDDEN:
        return BLOCKED
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}:
        return BUSY
    return SERVER if status >= HTTPStatus.INTERNAL_SERVER_ERROR else GONE


def _titled(page: str) -> str:
    """A page's title in brackets, where it has one."""
    found = re.search(r"<title[^>]*>(.*?)</title", page, re.IGNORECASE | re.DOTALL)
    title = " ".join(found.group(1).split()) if found else ""
    return f" ({title[:100]!r})" if title else ""
