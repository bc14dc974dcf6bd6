"""Registries whose archives and models are on a local server."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.audio.embedding_models.models import DIM, RATE, SAMPLES
from tests.datasets.archive_bytes import md5
from tests.datasets.server import Resource, Response, Server

from darksound.audio.embedding_models import published
from darksound.audio.embedding_models.base import ModelDescription
from darksound.audio.embedding_models.published import LicenceRecord, PublishedModel
from darksound.datasets import download, models, registry
from darksound.datasets.registry import REGISTRY, Mirror
from darksound.datasets.retries import RetryPolicy
from darksound.settings import Settings


@dataclass
class LocalSets:
    """The registry with other archives and addresses, the server, and settings to download with.

    Attributes:
        server: serves the archives.
        settings: with a data folder of the test.
        monkeypatch: of the test.
        delays: seconds that the retry policy would have waited.
    """

    server: Server
    settings: Settings
    monkeypatch: pytest.MonkeyPatch
    delays: list[float] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """Return the data folder."""
        assert self.settings.compute.data_dir is not None
        return self.settings.compute.data_dir

    def publish(
        self,
        spec: str,
        content: bytes | None = None,
        mirrors: tuple[Mirror, ...] = (),
        counts: tuple[int, int] | None = None,
    ) -> None:
        """Change a published split: its archive, mirrors, and numbers of species and clips."""
        name, _, split_name = spec.partition(":")
        published = registry.REGISTRY[name]
        split = replace(
            published.splits[split_name],
            mirrors=mirrors,
            md5="0" * 32 if content is None else md5(content),
            n_species=None if counts is None else counts[0],
            n_clips=None if counts is None else counts[1],
        )
        changed = replace(published, splits={**published.splits, split_name: split})
        self.monkeypatch.setattr(registry, "REGISTRY", {**registry.REGISTRY, name: changed})

    def serve(
        self, content: bytes, *responses: Response, path: str = "/test.zip", **more: str | None
    ) -> Resource:
        """Publish `darksound-2024:test` as this archive, served with these responses."""
        address = self.server.serve(path, content, *responses, **more)
        self.publish("darksound-2024:test", content, (Mirror("url", address, address),))
        return self.server.resources[path]

    def change_settings(self, **changes: object) -> None:
        """Change settings of the section `download`."""
        self.settings = self.settings.replace(download=changes)


def publish_locally(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSets:
    """Return a registry with all published splits, of which none is served yet."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    settings = Settings().replace(
        compute={"data_dir": root, "workers": 1},
        download={"connect_timeout_s": 30, "read_timeout_s": 30},
    )
    sets = LocalSets(server, settings, monkeypatch)
    for split in registry.splits_of(REGISTRY):
        sets.publish(split.spec)
    monkeypatch.setattr(
        download, "RetryPolicy", lambda section: RetryPolicy(section, sleep=sets.delays.append)
    )
    return sets


def small_model(name: str, content: bytes, *addresses: str, record: str = "") -> PublishedModel:
    """Return a published model with this file, which takes and gives what `onnx_file` does."""
    description = ModelDescription(
        name=f"Lab {name}",
        sample_rate=RATE,
        window_s=SAMPLES / RATE,
        output="embedding",
        peak=0.25,
        remove_mean=True,
        licence="CC BY 4.0",
    )
    return PublishedModel(
        name,
        description,
        DIM,
        file="lab+1.onnx",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        addresses=addresses,
        page="https://lab.example/models",
        record=LicenceRecord(record, ("metadata", "license", "id")),
        citation="Lab (2026).",
    )


def publish_model(
    server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch, *responses: Response
) -> PublishedModel:
    """Publish a small model as `perch2`, with its record, on a local server."""
    kind = "application/octet-stream"
    address = server.serve("/lab.onnx", content, *responses, kind=kind)
    record = json.dumps({"metadata": {"license": {"id": "cc-by-sa-4.0"}}}).encode()
    record_address = server.serve("/record", record, kind="application/json")
    model = small_model("perch2", content, address, record=record_address)
    monkeypatch.setattr(published, "PUBLISHED_MODELS", {model.name: model})
    monkeypatch.setattr(
        models, "RetryPolicy", lambda section: RetryPolicy(section, sleep=lambda _: None)
    )
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    return model
