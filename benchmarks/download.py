"""Compares the throughput of `darksound download` with that of curl, on a server on this machine.

Both download the same file to the same folder; curl writes it, darksound also hashes it, syncs it
to disk and renames it. Prints megabytes per second of each and their ratio, medians over rounds.

    python benchmarks/download.py --megabytes 200 --rounds 7
"""

import argparse
import hashlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from darksound.datasets.client import Client
from darksound.datasets.retries import RetryPolicy
from darksound.datasets.transfer import FileRequest, fetch
from darksound.settings import Settings


def serve(file: Path, ready: Connection) -> None:
    """Serve one file by `sendfile`, the fastest way; runs in a child process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.send_header("ETag", '"file"')
            self.end_headers()
            self.wfile.flush()
            with file.open("rb") as opened:
                self.connection.sendfile(opened)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.send(server.server_port)
    server.serve_forever()


def by_curl(address: str, folder: Path) -> float:
    """Return the seconds that curl takes."""
    start = time.perf_counter()
    output = str(folder / "curl")
    command = ["curl", "--silent", "--fail", "--noproxy", "*", "--output", output, address]
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def by_darksound(address: str, folder: Path, md5: str) -> float:
    """Return the seconds that darksound takes."""
    settings = Settings().download
    client = Client(settings)
    request = FileRequest(folder / "archive", address, md5, "benchmark")
    start = time.perf_counter()
    archive = fetch(
        request,
        lambda headers: client.get_archive(address, headers),
        settings,
        RetryPolicy(settings),
    )
    taken = time.perf_counter() - start
    client.close()
    archive.path.unlink()
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if shutil.which("curl") is None:
        parser.error("curl is not installed")
    os.environ["NO_PROXY"] = "*"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = b"PK\x03\x04" + os.urandom(arguments.megabytes * 1_000_000 - 4)
        (folder / "served").write_bytes(content)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        parent_end, child_end = multiprocessing.Pipe()
        server = multiprocessing.Process(
            target=serve, args=(folder / "served", child_end), daemon=True
        )
        server.start()
        address = f"http://127.0.0.1:{parent_end.recv()}/archive"
        seconds: dict[str, list[float]] = {"curl": [], "darksound": []}
        for number in range(arguments.rounds + 1):
            pair = {
                "curl": by_curl(address, folder),
                "darksound": by_darksound(address, folder, md5),
            }
            # The first round warms the caches.
            for tool, taken in pair.items() if number else ():
                seconds[tool].append(taken)
        server.terminate()
    rates = {
        tool: arguments.megabytes / statistics.median(times) for tool, times in seconds.items()
    }
    for tool, times in seconds.items():
        low, high = arguments.megabytes / max(times), arguments.megabytes / min(times)
        print(f"{tool:>10}: {rates[tool]:6.0f} MB/s (from {low:.0f} to {high:.0f})")
    print(f"     ratio: {rates['darksound'] / rates['curl']:6.2f}")


if __name__ == "__main__":
    main()
