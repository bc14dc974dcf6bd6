"""A registry whose archives lie on a server of ours."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.datasets.building import md5
from tests.datasets.server import Server

from darksound.datasets import registry, sets
from darksound.datasets.registry import REGISTRY, Mirror
from darksound.datasets.waits import Tries
from darksound.settings import Settings


@dataclass
class World:
    """The registry with other archives and addresses, the server, and settings to fetch with."""

    server: Server
    settings: Settings
    monkeypatch: pytest.MonkeyPatch
    waits: list[float] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """Where sets go."""
        assert self.settings.compute.data_dir is not None
        return self.settings.compute.data_dir

    def publish(
        self,
        spec: str,
        md5_of: bytes | None = None,
        mirrors: tuple[Mirror, ...] = (),
        counts: tuple[int, int] | None = None,
    ) -> None:
        """Change what is published as a split: its archive, mirrors, and (species, clips)."""
        name, _, split_name = spec.partition(":")
        published = registry.REGISTRY[name]
        split = replace(
            published.splits[split_name],
            mirrors=mirrors,
            md5="0" * 32 if md5_of is None else md5(md5_of),
            species=None if counts is None else counts[0],
            clips=None if counts is None else counts[1],
        )
        splits = MappingProxyType({**published.splits, split_name: split})
        changed = MappingProxyType({**registry.REGISTRY, name: replace(published, splits=splits)})
        self.monkeypatch.setattr(registry, "REGISTRY", changed)

    def offer(self, content: bytes, *manners: object, path: str = "/test.zip", **more: object):
        """Publish `darksound-2024:test` as this archive, served in these manners."""
        address = self.server.serve(path, content, *manners, **more)  # type: ignore[arg-type]
        self.publish("darksound-2024:test", content, (Mirror("url", address, address),))
        return self.server.resources[path]

    def change(self, **download: object) -> None:
        """Change settings of the section `download`."""
        self.settings = self.settings.replace(download=download)


def open_world(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which all sets are published, but nobody serves them yet."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    settings = Settings().replace(
        compute={"data_dir": root, "workers": 1},
        download={"connect_timeout_s": 5, "read_timeout_s": 5},
    )
    world = World(server, settings, monkeypatch)
    for split in registry.splits_of(REGISTRY):
        world.publish(split.spec)
    monkeypatch.setattr(sets, "Tries", lambda s: Tries(s, sleep=world.waits.append))
    return world
