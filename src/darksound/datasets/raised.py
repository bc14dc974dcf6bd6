"""What the HTTP client raises, in sentences."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import SSLError as TlsError

from darksound.datasets import failures
from darksound.datasets.failures import MirrorError

__all__ = ["told"]


@contextmanager
def told(asked: str) -> Iterator[None]:
    """Tell of what the client raises in one kind of error.

    Raises:
        MirrorError: for all that it raises.
    """
    try:
        yield
    except (requests.RequestException, HTTPError) as error:
        raise _error_for(error, asked) from None


def _error_for(error: Exception, asked: str) -> MirrorError:
    """The sentence for what the client raised.

    Texts of exceptions are not passed on: they may hold the address with its secrets.
    """
    for kinds, cause, came in _RAISED:
        if isinstance(error, kinds):
            return MirrorError(cause, asked, came)
    inner = _innermost(error)
    if isinstance(error, requests.exceptions.SSLError) or isinstance(inner, TlsError):
        return _tls_error(inner, asked)
    if isinstance(inner, NameResolutionError):
        return _name_error(inner, asked)
    if isinstance(inner, NewConnectionError):
        return _connection_error(inner.__cause__, asked)
    return MirrorError(
        failures.DROPPED, asked, f"broke off the connection ({type(inner).__name__})"
    )


_RAISED: tuple[tuple[tuple[type[Exception], ...], failures.Cause, str], ...] = (
    (
        (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
        failures.PROXY,
        "cannot be reached: the proxy that is set does not let it through",
    ),
    ((requests.ConnectTimeout,), failures.SILENT, "does not answer: no connection in time"),
    (
        (requests.Timeout, urllib3.exceptions.ReadTimeoutError),
        failures.SILENT,
        "fell silent: nothing came in time",
    ),
    (
        (requests.TooManyRedirects,),
        failures.GONE,
        "redirects without an end",
    ),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            urllib3.exceptions.LocationValueError,
        ),
        failures.WRONG_ADDRESS,
        "is no address that can be asked, or leads to none",
    ),
    (
        (urllib3.exceptions.DecodeError,),
        failures.DROPPED,
        "sent what cannot be decoded",
    ),
)


def _innermost(error: BaseException) -> BaseException:
    """What the client's own exceptions are wrapped around."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((part for part in error.args if isinstance(part, HTTPError)), None)
        if inner is None:
            return error
        error = inner


def _name_error(error: NameResolutionError, asked: str) -> MirrorError:
    cause = error.__cause__
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN:
        return MirrorError(failures.OFFLINE, asked, "cannot be looked up: no name server answers")
    return MirrorError(failures.NAME, asked, "cannot be looked up: no host of this name is known")


def _tls_error(error: BaseException, asked: str) -> MirrorError:
    causes = [part for part in error.args if isinstance(part, ssl.SSLError)]
    why = next(
        (c.verify_message for c in causes if isinstance(c, ssl.SSLCertVerificationError)), ""
    )
    came = "cannot be trusted: its certificate or encryption is not accepted"
    return MirrorError(failures.TLS, asked, f"{came} ({why})" if why else came)


def _connection_error(cause: BaseException | None, asked: str) -> MirrorError:
    if isinstance(cause, ConnectionRefusedError):
        return MirrorError(failures.REFUSED, asked, "refused the connection")
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else "no way there"
    return MirrorError(failures.OFFLINE, asked, f"cannot be reached ({said})")
