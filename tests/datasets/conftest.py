"""Small published sets on a local server, in place of the real ones."""

import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.datasets.archive_bytes import species, zip_of
from tests.datasets.publishing import LocalSets, publish_locally
from tests.datasets.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """Yield a local server."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def sets(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSets:
    """Return published sets without archives; delays are recorded, not waited."""
    return publish_locally(server, tmp_path / "sets", monkeypatch)


@pytest.fixture(scope="session")
def archive() -> bytes:
    """Return `darksound-2024:test` as an archive: `test/species/clip.wav`, about 70 kB."""
    return zip_of(species("test"), zipfile.ZIP_STORED)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a self-signed certificate for 127.0.0.1, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "both.pem"
    try:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
                *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            ],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    made.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return made
