"""A web server on this machine that serves archives, well or badly, and counts what it sends."""

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
class Asked:
    """One request: what was asked, and how much went out."""

    path: str
    headers: dict[str, str]
    sent: int = 0

    @property
    def start(self) -> int:
        """The first byte that was asked for."""
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0


@dataclass
class Resource:
    """What lies at a path; `manners` are used up one a request, the last one stays."""

    content: bytes = b""
    manners: list["Manner"] = field(default_factory=lambda: [well])
    etag: str | None = '"first"'
    modified: str | None = None
    kind: str = "application/zip"


Manner = Callable[["Handler", Resource, Asked], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the resource's manner says."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        asked = Asked(self.path, dict(self.headers))
        self.server.asked.append(asked)
        resource = self.server.resources.get(self.path.partition("?")[0])
        if resource is None:
            status(404)(self, Resource(), asked)
            return
        with self.server.guard:
            manner = resource.manners[0]
            if len(resource.manners) > 1:
                resource.manners.pop(0)
        with contextlib.suppress(ConnectionError):
            manner(self, resource, asked)

    def head(self, code: int, **headers: Any) -> None:
        """Send a status line and headers; underscores stand for hyphens."""
        self.send_response(code)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, data: bytes, asked: Asked) -> None:
        """Send bytes, and count them."""
        for first in range(0, len(data), _BLOCK):
            block = data[first : first + _BLOCK]
            self.wfile.write(block)
            asked.sent += len(block)

    def hang_up(self) -> None:
        """Close the connection at once."""
        self.close_connection = True
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves `resources` by path on a free port of 127.0.0.1, and keeps all that was `asked`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.resources: dict[str, Resource] = {}
        self.asked: list[Asked] = []
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

    def serve(self, path: str, content: bytes, *manners: Manner, **more: Any) -> str:
        """Lay something at a path; its address."""
        self.resources[path] = Resource(content, list(manners) or [well], **more)
        return self.address(path)

    def stop(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up, or do not like the certificate, are what is tested."""


def _start(resource: Resource, asked: Asked) -> int:
    """Where a well-behaved server starts: a range counts only for an unchanged file."""
    unchanged = asked.headers.get("If-Range", resource.etag or resource.modified)
    return asked.start if unchanged in {resource.etag, resource.modified} else 0


def well(handler: Handler, resource: Resource, asked: Asked) -> None:
    """Answer as the standard says."""
    _answer(handler, resource, asked, len(resource.content))


def _answer(handler: Handler, resource: Resource, asked: Asked, stop: int) -> None:
    start, size = _start(resource, asked), len(resource.content)
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
    handler.body(resource.content[start:stop], asked)


def dropping(after: int) -> Manner:
    """Hang up after so many bytes of the file."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        _answer(handler, resource, asked, after)
        handler.hang_up()

    return manner


def slow(pause_s: float, blocks: int) -> Manner:
    """Send the file in so many blocks, with pauses."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        handler.head(200, Content_Length=len(resource.content), ETag=resource.etag)
        step = -(-len(resource.content) // blocks)
        for first in range(0, len(resource.content), step):
            handler.body(resource.content[first : first + step], asked)
            time.sleep(pause_s)

    return manner


def silent(after: int, seconds: float) -> Manner:
    """Send so many bytes, then nothing."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        _answer(handler, resource, asked, after)
        time.sleep(seconds)
        handler.hang_up()

    return manner


def no_range(handler: Handler, resource: Resource, asked: Asked) -> None:
    """Always send the whole, with nothing to tell it by."""
    handler.head(200, Content_Length=len(resource.content), Content_Type=resource.kind)
    handler.body(resource.content, asked)


def no_range_dropping(after: int) -> Manner:
    """As `no_range`, hanging up after so many bytes."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        handler.head(200, Content_Length=len(resource.content), Accept_Ranges="none")
        handler.body(resource.content[:after], asked)
        handler.hang_up()

    return manner


def wrong_range(shift: int) -> Manner:
    """Answer a range with another one."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        size = len(resource.content)
        start = max(asked.start + shift, 0)
        place = f"bytes {start}-{size - 1}/{size}"
        handler.head(206, Content_Range=place, Content_Length=size - start, ETag=resource.etag)
        handler.body(resource.content[start:], asked)

    return manner


def heedless(handler: Handler, resource: Resource, asked: Asked) -> None:
    """Answer a range whatever `If-Range` says."""
    asked.headers.pop("If-Range", None)
    well(handler, resource, asked)


def redirect(address: str, code: int = 302) -> Manner:
    """Lead to another address."""
    return lambda handler, resource, asked: handler.head(code, Location=address, Content_Length=0)


def status(code: int, page: str = "", **headers: Any) -> Manner:
    """Answer with a status, and perhaps a page."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        body = page.encode()
        handler.head(code, Content_Type="text/html", Content_Length=len(body), **headers)
        handler.body(body, asked)

    return manner


def page(text: str, kind: str = "text/html; charset=utf-8") -> Manner:
    """Answer with a web page and status 200."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        body = text.encode()
        handler.head(200, Content_Type=kind, Content_Length=len(body))
        handler.body(body, asked)

    return manner


def gzipped(cut: int | None = None) -> Manner:
    """Send the file in the encoding gzip though nobody asked for it; `cut` bytes of that."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        packed = gzip.compress(resource.content, mtime=0)
        handler.head(200, Content_Encoding="gzip", Content_Length=len(packed), ETag='"packed"')
        handler.body(packed[:cut], asked)
        if cut is not None:
            handler.hang_up()

    return manner


def lengthless(stop: int | None = None) -> Manner:
    """Send the file without its length, or only so many bytes of it."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        handler.head(200, Content_Type=resource.kind, Connection="close")
        handler.body(resource.content[:stop], asked)
        handler.hang_up()

    return manner


def chunked(handler: Handler, resource: Resource, asked: Asked) -> None:
    """Send the file in chunks."""
    handler.head(200, Content_Type=resource.kind, Transfer_Encoding="chunked", ETag=resource.etag)
    for first in range(0, len(resource.content), _BLOCK):
        block = resource.content[first : first + _BLOCK]
        handler.wfile.write(f"{len(block):x}\r\n".encode())
        handler.body(block, asked)
        handler.wfile.write(b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def endless(most: int) -> Manner:
    """Send the file, and go on for at most so many bytes, or until nobody listens."""

    def manner(handler: Handler, resource: Resource, asked: Asked) -> None:
        handler.head(200, Content_Type=resource.kind, Connection="close")
        handler.body(resource.content, asked)
        while asked.sent < most:
            handler.body(bytes(_BLOCK), asked)
        handler.hang_up()

    return manner
