"""Kaggle and Google Drive, as stand-ins on this machine behave."""

import logging
import pickle

import pytest
from tests.datasets import server as manners
from tests.datasets.building import species, zip_of
from tests.datasets.server import Server

from darksound.datasets import registry
from darksound.datasets.addresses import shown
from darksound.datasets.command import download
from darksound.datasets.registry import REGISTRY, Mirror
from darksound.errors import DownloadError
from darksound.settings import to_toml
from darksound.settings.compute import credentials_from

SPEC = "darksound-2023:test"

CONFIRM = """<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head>
<form id="search" action="/nowhere"><input type="hidden" name="q" value="wrong"></form>
<p>test.zip is too large to scan. Would you still like to download this file?</p>
<form id="download-form" action="{action}" method="get">
<input type="submit" id="uc-download-link" value="Download anyway"/>
<input type="hidden" name="id" value="FILE&amp;1"><input type="hidden" name="confirm" value="t">
<input type="hidden" name="uuid" value="0a1b"></form></body></html>"""


@pytest.fixture
def packed():
    return zip_of(species("test/Strigidae"))


@pytest.fixture
def storage():
    storage = Server()
    yield storage
    storage.stop()


def test_drive_is_asked_to_confirm_and_goes_on_after_a_drop(world, packed):
    confirm = CONFIRM.format(action=world.server.address("/download"))
    asked = world.server.serve("/uc", b"", manners.page(confirm))
    world.server.serve("/download", packed, manners.dropping(20_000), manners.well)
    world.publish(SPEC, packed, (Mirror("drive", f"{asked}?export=download&id=F", "page"),))
    (receipt,) = download(SPEC, settings=world.settings)
    assert receipt.marker.check.kind == "md5"
    paths = [each.path for each in world.server.asked]
    assert paths == ["/uc?export=download&id=F", "/download?id=FILE%261&confirm=t&uuid=0a1b"] * 2
    assert [each.start for each in world.server.asked] == [0, 0, 20_000, 20_000]
    assert receipt.marker.source == f"{asked}?export=download&id=F"


def test_drive_gives_small_files_at_once(world, packed):
    address = world.server.serve("/uc", packed)
    world.publish(SPEC, packed, (Mirror("drive", address, "page"),))
    assert download(SPEC, settings=world.settings)[0].marker.check.kind == "md5"


def test_drive_is_asked_at_its_other_address_where_its_page_has_no_form(world, packed):
    asked = world.server.serve("/uc", b"", manners.page("<title>Drive</title>"))
    other = world.server.serve("/download", packed)
    world.publish(SPEC, packed, (Mirror("drive", asked, "page", fallback=other),))
    assert download(SPEC, settings=world.settings)[0].marker.check.kind == "md5"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<title>Google Drive - Quota exceeded</title>", "Too many people fetched this file"),
        ("<form action='https://accounts.google.com/ServiceLogin'>", "It wants a login"),
    ],
)
def test_drive_pages_that_are_no_confirmation_are_told(world, packed, page, said):
    asked = world.server.serve("/uc", b"", manners.page(page))
    other = world.server.serve("/download", packed, manners.status(403))
    mirrors = (Mirror("drive", asked, "page", fallback=other), Mirror("drive", asked, "page"))
    world.publish(SPEC, packed, mirrors)
    with pytest.raises(DownloadError, match=said) as caught:
        download(SPEC, settings=world.settings)
    assert "403" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({"KAGGLE_API_TOKEN": "KGAT_1"}, "Bearer KGAT_1"),
        ({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k"}, "Basic bWU6aw=="),
        ({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k", "KAGGLE_API_TOKEN": "T"}, "Bearer T"),
        ({"KAGGLE_USERNAME": "me"}, None),
        ({}, None),
    ],
)
def test_kaggle_gets_its_token_and_storage_does_not(world, storage, packed, environment, header):
    target = storage.serve("/bucket/archive.zip", packed, manners.dropping(20_000), manners.well)
    address = world.server.serve("/kaggle", b"", manners.redirect(f"{target}?X-Goog-Signature=s"))
    world.publish(SPEC, packed, (Mirror("kaggle", address, "page", whole=True),))
    download(SPEC, settings=world.settings, credentials=credentials_from(environment))
    assert [each.headers.get("Authorization") for each in world.server.asked] == [header] * 2
    assert [each.headers.get("Authorization") for each in storage.asked] == [None] * 2
    # A new signature each time, and the rest alone.
    assert [each.start for each in storage.asked] == [0, 20_000]


def test_other_mirrors_get_no_token(world, packed):
    address = world.server.serve("/test.zip", packed)
    world.publish(SPEC, packed, (Mirror("zenodo", address, "page"),))
    secrets = credentials_from({"KAGGLE_API_TOKEN": "T"})
    download(SPEC, settings=world.settings, credentials=secrets)
    assert "Authorization" not in world.server.asked[0].headers


def test_tokens_and_signatures_are_written_nowhere(world, storage, packed, caplog):
    caplog.set_level(logging.DEBUG)
    target = storage.serve("/a.zip", packed, manners.dropping(20_000), manners.well)
    signed = f"{target}?X-Goog-Signature=s3cret&id=7"
    address = world.server.serve("/kaggle", b"", manners.redirect(signed))
    bad = world.server.serve("/bad", b"", manners.redirect(f"{signed}&deny"), manners.status(403))
    mirrors = tuple(Mirror("kaggle", each, "page", whole=True) for each in (bad, address))
    world.publish(SPEC, packed, mirrors)
    secrets = credentials_from({"KAGGLE_API_TOKEN": "s3cret"})
    storage.serve("/a.zip", packed, manners.page("<html>"), manners.dropping(20_000), manners.well)
    (receipt,) = download(SPEC, settings=world.settings, credentials=secrets)
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("darksound")]
    assert any("gave a web page" in line for line in ours)
    assert "s3cret" not in " ".join(ours) + repr(secrets) + to_toml(world.settings)
    for path in world.root.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()
    with pytest.raises(TypeError, match="not written to disk"):
        pickle.dumps(secrets["kaggle"])
    assert receipt.marker.source == address


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("https://me:pass@host:8/a.zip?id=1&token=x#part", "https://host:8/a.zip?id=1&token=..."),
        ("https://zenodo.org/a.zip?download=1", "https://zenodo.org/a.zip?download=1"),
        ("http://host/{set}.zip", "http://host/{set}.zip"),
    ],
)
def test_addresses_are_shown_without_what_lets_in(address, wanted):
    assert shown(address).replace("%7B", "{") == wanted


def test_the_registry_is_what_was_published():
    splits = {split.spec: split for split in registry.splits_of(REGISTRY)}
    assert list(splits) == [
        *("darksound-2023:train", "darksound-2023:val", "darksound-2023:test"),
        *("darksound-2024:train", "darksound-2024:test"),
    ]
    thesis, paper = splits["darksound-2023:test"], splits["darksound-2024:test"]
    assert (thesis.species, thesis.clips, paper.species, paper.clips) == (21, 632, 30, 8163)
    assert [mirror.kind for mirror in thesis.mirrors] == ["kaggle", "drive"]
    assert paper.mirrors[0].address == (
        "https://zenodo.org/records/10512103/files/test.zip?download=1"
    )
    assert len({split.md5 for split in splits.values()}) == 5
    for split in splits.values():
        assert len(split.md5) == 32
        assert all(mirror.address.startswith("https://") for mirror in split.mirrors)
        assert all(shown(mirror.address) == mirror.address for mirror in split.mirrors)
