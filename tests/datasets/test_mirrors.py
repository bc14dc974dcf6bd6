"""The protocols of Kaggle and Google Drive, with a local server."""

import logging
import pickle

import pytest
from tests.datasets import server as responses
from tests.datasets.archive_bytes import species, zip_of
from tests.datasets.server import Server

from darksound.datasets import registry
from darksound.datasets.client import PROTOCOLS, redacted
from darksound.datasets.download import download
from darksound.datasets.registry import REGISTRY, Mirror
from darksound.errors import DownloadError, InputError
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


def test_drive_is_confirmed_and_resumed_after_a_drop(sets, packed):
    confirm = CONFIRM.format(action=sets.server.address("/download"))
    address = sets.server.serve("/uc", b"", responses.page(confirm))
    sets.server.serve("/download", packed, responses.dropping(20_000), responses.correct)
    sets.publish(SPEC, packed, (Mirror("drive", f"{address}?export=download&id=F", "page"),))
    (installed,) = download(SPEC, settings=sets.settings)
    assert installed.marker.check.kind == "md5"
    paths = [each.path for each in sets.server.requests]
    assert paths == ["/uc?export=download&id=F", "/download?id=FILE%261&confirm=t&uuid=0a1b"] * 2
    assert [each.start for each in sets.server.requests] == [0, 0, 20_000, 20_000]
    assert installed.marker.source == f"{address}?export=download&id=F"


def test_drive_delivers_small_files_without_confirmation(sets, packed):
    address = sets.server.serve("/uc", packed)
    sets.publish(SPEC, packed, (Mirror("drive", address, "page"),))
    assert download(SPEC, settings=sets.settings)[0].marker.check.kind == "md5"


def test_drive_falls_back_to_its_other_address_if_the_page_has_no_form(sets, packed):
    address = sets.server.serve("/uc", b"", responses.page("<title>Drive</title>"))
    other = sets.server.serve("/download", packed)
    sets.publish(SPEC, packed, (Mirror("drive", address, "page", fallback=other),))
    assert download(SPEC, settings=sets.settings)[0].marker.check.kind == "md5"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (
            "<title>Google Drive - Quota exceeded</title>",
            "The download quota of this file is exceeded",
        ),
        ("<form action='https://accounts.google.com/ServiceLogin'>", "It requires a login"),
    ],
)
def test_drive_pages_without_a_form_are_errors(sets, packed, page, message):
    address = sets.server.serve("/uc", b"", responses.page(page))
    other = sets.server.serve("/download", packed, responses.status(403))
    mirrors = (Mirror("drive", address, "page", fallback=other), Mirror("drive", address, "page"))
    sets.publish(SPEC, packed, mirrors)
    with pytest.raises(DownloadError, match=message) as caught:
        download(SPEC, settings=sets.settings)
    # Ports may contain 403 as well.
    assert "answered 403" not in str(caught.value)


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
def test_the_token_is_sent_to_kaggle_and_not_to_its_storage(
    sets, storage, packed, environment, header
):
    target = storage.serve(
        "/bucket/archive.zip", packed, responses.dropping(20_000), responses.correct
    )
    address = sets.server.serve("/kaggle", b"", responses.redirect(f"{target}?X-Goog-Signature=s"))
    sets.publish(SPEC, packed, (Mirror("kaggle", address, "page", whole_set=True),))
    download(SPEC, settings=sets.settings, credentials=credentials_from(environment))
    assert [each.headers.get("Authorization") for each in sets.server.requests] == [header] * 2
    assert [each.headers.get("Authorization") for each in storage.requests] == [None] * 2
    # A new signature each time, and the rest alone.
    assert [each.start for each in storage.requests] == [0, 20_000]


def test_the_token_is_not_sent_to_other_mirrors(sets, packed):
    address = sets.server.serve("/test.zip", packed)
    sets.publish(SPEC, packed, (Mirror("zenodo", address, "page"),))
    secrets = credentials_from({"KAGGLE_API_TOKEN": "T"})
    download(SPEC, settings=sets.settings, credentials=secrets)
    assert "Authorization" not in sets.server.requests[0].headers


def test_tokens_and_signatures_are_not_logged_or_written(sets, storage, packed, caplog):
    caplog.set_level(logging.DEBUG)
    target = storage.serve("/a.zip", packed, responses.dropping(20_000), responses.correct)
    signed = f"{target}?X-Goog-Signature=s3cret&id=7"
    address = sets.server.serve("/kaggle", b"", responses.redirect(signed))
    bad = sets.server.serve(
        "/bad", b"", responses.redirect(f"{signed}&deny"), responses.status(403)
    )
    mirrors = tuple(Mirror("kaggle", each, "page", whole_set=True) for each in (bad, address))
    sets.publish(SPEC, packed, mirrors)
    secrets = credentials_from({"KAGGLE_API_TOKEN": "s3cret"})
    storage.serve(
        "/a.zip", packed, responses.page("<html>"), responses.dropping(20_000), responses.correct
    )
    (installed,) = download(SPEC, settings=sets.settings, credentials=secrets)
    own_messages = [r.getMessage() for r in caplog.records if r.name.startswith("darksound")]
    assert any("returned a web page" in line for line in own_messages)
    assert "s3cret" not in " ".join(own_messages) + repr(secrets) + to_toml(sets.settings)
    for path in sets.root.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()
    with pytest.raises(TypeError, match="must not be written to disk"):
        pickle.dumps(secrets["kaggle"])
    assert installed.marker.source == address


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("https://me:pass@host:8/a.zip?id=1&token=x#part", "https://host:8/a.zip?id=1&token=..."),
        ("https://zenodo.org/a.zip?download=1", "https://zenodo.org/a.zip?download=1"),
        ("http://host/{set}.zip", "http://host/{set}.zip"),
    ],
)
def test_addresses_are_shown_without_secrets(address, wanted):
    assert redacted(address).replace("%7B", "{") == wanted


def test_the_registry_is_what_was_published():
    splits = {split.spec: split for split in registry.splits_of(REGISTRY)}
    assert list(splits) == [
        *("darksound-2023:train", "darksound-2023:val", "darksound-2023:test"),
        *("darksound-2024:train", "darksound-2024:test"),
    ]
    thesis, paper = splits["darksound-2023:test"], splits["darksound-2024:test"]
    assert (thesis.n_species, thesis.n_clips, paper.n_species, paper.n_clips) == (21, 632, 30, 8163)
    assert [mirror.kind for mirror in thesis.mirrors] == ["kaggle", "drive"]
    assert {mirror.kind for each in splits.values() for mirror in each.mirrors} <= set(PROTOCOLS)
    assert paper.mirrors[0].address == (
        "https://zenodo.org/records/10512103/files/test.zip?download=1"
    )
    assert len({split.md5 for split in splits.values()}) == 5
    for split in splits.values():
        assert len(split.md5) == 32
        assert all(mirror.address.startswith("https://") for mirror in split.mirrors)
        assert all(redacted(mirror.address) == mirror.address for mirror in split.mirrors)


@pytest.mark.parametrize(
    "address",
    ["http://user:s3cret@[::1/a.zip", "https://example.org:99999/a.zip", "http://a b/x", "http://"],
)
def test_an_address_that_no_server_can_have_is_refused_without_repeating_it(address, sets):
    with pytest.raises(InputError, match=r"cannot be downloaded: the address has") as error:
        download(address, settings=sets.settings, named=SPEC)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("target", ["http://[::1/x", "http://example.org:99999/", "https://"])
def test_a_redirect_to_no_address_is_a_failed_mirror(target, sets, packed):
    address = sets.server.serve("/test.zip", b"", responses.redirect(target))
    sets.publish(SPEC, packed, (Mirror("url", address, "page"),))
    with pytest.raises(DownloadError, match="redirects to none"):
        download(SPEC, settings=sets.settings)
