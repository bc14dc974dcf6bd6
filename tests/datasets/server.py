"""A local web server that serves archives, correctly or not, and counts what it sends."""

import contextlib
import gzip
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_BLOCK = 1 << 16


@dataclass
class RecordedRequest:
    """A request, and the number of bytes sent."""

    path: str
    headers: dict[str, str]
    sent: int = 0

    @property
    def start(self) -> int:
        """Return the first requested byte."""
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0


@dataclass
class Resource:
    """The content of a path; each response is used once, the last one for all later requests."""

    content: bytes = b""
    responses: list["Response"] = field(default_factory=lambda: [correct])
    etag: str | None = '"first"'
    modified: str | None = None
    kind: str = "application/zip"


Response = Callable[["Handler", Resource, RecordedRequest], None]


class Handler(BaseHTTPRequestHandler):
    """Answers with the response of the resource."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        request = RecordedRequest(self.path, dict(self.headers))
        self.server.requests.append(request)
        resource = self.server.resources.get(self.path.partition("?")[0])
        if resource is None:
            status(404)(self, Resource(), request)
            return
        with self.server.guard:
            response = resource.responses[0]
            if len(resource.responses) > 1:
                resource.responses.pop(0)
        with contextlib.suppress(ConnectionError):
            response(self, resource, request)

    def head(self, code: int, **headers: Any) -> None:
        """Send a status line and headers; underscores stand for hyphens."""
        self.send_response(code)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, data: bytes, request: RecordedRequest) -> None:
        """Send bytes, and count them."""
        for first in range(0, len(data), _BLOCK):
            block = data[first : first + _BLOCK]
            self.wfile.write(block)
            request.sent += len(block)

    def hang_up(self) -> None:
        """Close the connection at once."""
        self.close_connection = True
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """Serves `resources` by path on a free port of 127.0.0.1, and records all `requests`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.resources: dict[str, Resource] = {}
        self.requests: list[RecordedRequest] = []
        self.guard = threading.Lock()
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path here."""
        return f"{self._scheme}://{host}:{self.server_port}{path}"

    def serve(self, path: str, content: bytes, *responses: Response, **more: Any) -> str:
        """Serve content at a path; return the address."""
        self.resources[path] = Resource(content, list(responses) or [correct], **more)
        return self.address(path)

    def stop(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close the connection or refuse the certificate."""


def _start(resource: Resource, request: RecordedRequest) -> int:
    """Return the first byte of a correct response: ranges need an unchanged file."""
    unchanged = request.headers.get("If-Range", resource.etag or resource.modified)
    return request.start if unchanged in {resource.etag, resource.modified} else 0


def correct(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
    """Answer as in RFC 9110."""
    _answer(handler, resource, request, len(resource.content))


def _answer(handler: Handler, resource: Resource, request: RecordedRequest, stop: int) -> None:
    start, size = _start(resource, request), len(resource.content)
    common = {
        "Content_Type": resource.kind,
        "Accept_Ranges": "bytes",
        "ETag": resource.etag,
        "Last_Modified": resource.modified,
    }
    if start >= size > 0 and start:
        handler.head(416, Content_Range=f"bytes */{size}", Content_Length=0)
        return
    if start:
        place = f"bytes {start}-{size - 1}/{size}"
        handler.head(206, Content_Range=place, Content_Length=size - start, **common)
    else:
        handler.head(200, Content_Length=size, **common)
    handler.body(resource.content[start:stop], request)


def dropping(after: int) -> Response:
    """Close the connection after so many bytes of the file."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        _answer(handler, resource, request, after)
        handler.hang_up()

    return response


def slow(pause_s: float, blocks: int) -> Response:
    """Send the file in so many blocks, with pauses."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        handler.head(200, Content_Length=len(resource.content), ETag=resource.etag)
        step = -(-len(resource.content) // blocks)
        for first in range(0, len(resource.content), step):
            handler.body(resource.content[first : first + step], request)
            time.sleep(pause_s)

    return response


def silent(after: int, seconds: float) -> Response:
    """Send so many bytes, then nothing."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        _answer(handler, resource, request, after)
        time.sleep(seconds)
        handler.hang_up()

    return response


def no_range(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
    """Always send the complete file, without tag and date."""
    handler.head(200, Content_Length=len(resource.content), Content_Type=resource.kind)
    handler.body(resource.content, request)


def no_range_dropping(after: int) -> Response:
    """As `no_range`, but close the connection after so many bytes."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        handler.head(200, Content_Length=len(resource.content), Accept_Ranges="none")
        handler.body(resource.content[:after], request)
        handler.hang_up()

    return response


def wrong_range(shift: int) -> Response:
    """Answer a range with another one."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        size = len(resource.content)
        start = max(request.start + shift, 0)
        place = f"bytes {start}-{size - 1}/{size}"
        handler.head(206, Content_Range=place, Content_Length=size - start, ETag=resource.etag)
        handler.body(resource.content[start:], request)

    return response


def ignores_if_range(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
    """Answer with a range, whatever `If-Range` is."""
    request.headers.pop("If-Range", None)
    correct(handler, resource, request)


def redirect(address: str, code: int = 302) -> Response:
    """Redirect to another address."""
    return lambda handler, resource, request: handler.head(code, Location=address, Content_Length=0)


def status(code: int, page: str = "", **headers: Any) -> Response:
    """Answer with a status, and optionally a page."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        body = page.encode()
        handler.head(code, Content_Type="text/html", Content_Length=len(body), **headers)
        handler.body(body, request)

    return response


def page(text: str, kind: str = "text/html; charset=utf-8") -> Response:
    """Answer with a web page and status 200."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        body = text.encode()
        handler.head(200, Content_Type=kind, Content_Length=len(body))
        handler.body(body, request)

    return response


def gzipped(cut: int | None = None) -> Response:
    """Send the file in the unrequested encoding gzip, or `cut` bytes of that."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        packed = gzip.compress(resource.content, mtime=0)
        handler.head(200, Content_Encoding="gzip", Content_Length=len(packed), ETag='"packed"')
        handler.body(packed[:cut], request)
        if cut is not None:
            handler.hang_up()

    return response


def lengthless(stop: int | None = None) -> Response:
    """Send the file without its length, or only so many bytes of it."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        handler.head(200, Content_Type=resource.kind, Connection="close")
        handler.body(resource.content[:stop], request)
        handler.hang_up()

    return response


def chunked(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
    """Send the file in chunks."""
    handler.head(200, Content_Type=resource.kind, Transfer_Encoding="chunked", ETag=resource.etag)
    for first in range(0, len(resource.content), _BLOCK):
        block = resource.content[first : first + _BLOCK]
        handler.wfile.write(f"{len(block):x}\r\n".encode())
        handler.body(block, request)
        handler.wfile.write(b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def endless(most: int) -> Response:
    """Send the file and then zeros, up to so many bytes in all."""

    def response(handler: Handler, resource: Resource, request: RecordedRequest) -> None:
        handler.head(200, Content_Type=resource.kind, Connection="close")
        handler.body(resource.content, request)
        while request.sent < most:
            handler.body(bytes(_BLOCK), request)
        handler.hang_up()

    return response
