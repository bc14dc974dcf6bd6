"""Download of published models from a local server, and what is left on disk."""

import json
import threading

import pytest
from tests.audio.embedding_models.models import onnx_file
from tests.datasets import server as responses
from tests.datasets.publishing import publish_model

from darksound.audio.embedding_models import published
from darksound.datasets.models import (
    download_model,
    ensure_model,
    read_model_state,
    select_models,
    verify_model,
)
from darksound.errors import DownloadError, InputError
from darksound.settings import Settings


@pytest.fixture
def content(tmp_path):
    """Return the bytes of a small ONNX model, about 19 kB."""
    return onnx_file(tmp_path / "made.onnx").read_bytes()


@pytest.fixture
def settings(tmp_path):
    return Settings().replace(
        backbone={"name": "perch2"},
        compute={"data_dir": tmp_path / "data"},
        download={"connect_timeout_s": 30, "read_timeout_s": 5},
    )


@pytest.fixture
def path(tmp_path):
    """Return where the file of the published model is kept."""
    return tmp_path / "data" / "models" / "perch2" / "lab+1.onnx"


def sent(server):
    """Return the number of bytes of the model that were sent."""
    return sum(request.sent for request in server.requests if request.path == "/lab.onnx")


def leftovers(path):
    return [each.name for each in path.parent.iterdir() if ".part" in each.suffixes]


def test_a_model_is_downloaded_once_and_verified(server, content, settings, path, monkeypatch):
    model = publish_model(server, content, monkeypatch)
    state, fresh = download_model(model, settings)
    assert (fresh, state.complete, state.path) == (True, True, path)
    assert path.read_bytes() == content
    assert leftovers(path) == []
    assert download_model(model, settings) == (state, False)
    ensure_model(settings)
    assert sent(server) == len(content)


def test_the_licence_of_the_publishers_record_is_kept(server, content, settings, path, monkeypatch):
    model = publish_model(server, content, monkeypatch)
    assert read_model_state(model, settings.compute).licence == "CC BY 4.0"
    state, _ = download_model(model, settings)
    assert state.licence == (
        "CC BY 4.0; its record at https://lab.example/models states cc-by-sa-4.0"
    )
    record = json.loads((path.parent / "lab+1.onnx.json").read_text())
    assert (record["sha256"], record["size"]) == (model.sha256, len(content))


@pytest.mark.parametrize(
    "response",
    [
        responses.status(500),
        responses.page("<html>Moved"),
        lambda handler, resource, request: handler.body(b"no JSON", request),
    ],
)
def test_without_a_readable_record_the_model_is_used(
    response, server, content, settings, monkeypatch
):
    model = publish_model(server, content, monkeypatch)
    server.serve("/record", b"[]", response)
    state, _ = download_model(model, settings)
    assert (state.complete, state.licence) == (True, "CC BY 4.0")


def test_a_licence_in_a_record_cannot_control_the_terminal(
    server, content, settings, path, monkeypatch
):
    model = publish_model(server, content, monkeypatch)
    record = {"metadata": {"license": {"id": "cc\x1b[2J" + "-" * 1000}}}
    server.serve("/record", json.dumps(record).encode(), kind="application/json")
    licence = download_model(model, settings)[0].licence
    assert "states cc\\x1b[2J---" in licence
    assert len(licence) < 300


def test_an_interrupted_download_is_resumed(server, content, settings, path, monkeypatch):
    cuts = map(responses.dropping, (5000, 9000))
    model = publish_model(server, content, monkeypatch, *cuts, responses.correct)
    download_model(model, settings)
    assert path.read_bytes() == content
    starts = [request.start for request in server.requests if request.path == "/lab.onnx"]
    assert starts == [0, 5000, 9000]


def test_a_download_that_failed_is_resumed_by_the_next_command(
    server, content, settings, path, monkeypatch
):
    model = publish_model(
        server, content, monkeypatch, responses.dropping(7000), responses.status(404)
    )
    with pytest.raises(DownloadError, match="404"):
        download_model(model, settings)
    assert read_model_state(model, settings.compute).partial_bytes == 7000
    server.resources["/lab.onnx"].responses = [responses.correct]
    download_model(model, settings)
    assert path.read_bytes() == content
    assert server.requests[-2].start == 7000
    assert leftovers(path) == []


def test_other_bytes_are_never_used(server, content, settings, path, monkeypatch):
    model = publish_model(server, content, monkeypatch)
    server.resources["/lab.onnx"].content = content[:-1] + b"\x00"
    with pytest.raises(DownloadError, match=rf"sha256 [0-9a-f]{{64}}, but {model.sha256}") as error:
        download_model(model, settings)
    assert "By hand: save lab+1.onnx from https://lab.example/models" in str(error.value)
    assert "--backbone perch2:FILE" in str(error.value)
    assert not path.exists()
    assert leftovers(path) == []


def test_a_file_of_another_size_is_refused_before_it_is_sent(
    server, content, settings, monkeypatch
):
    model = publish_model(server, content, monkeypatch)
    server.resources["/lab.onnx"].content = content * 400
    message = f"would send {400 * len(content)} bytes, but the published file has {len(content)}"
    with pytest.raises(DownloadError, match=message):
        download_model(model, settings)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (responses.page("<title>Sign in</title>"), "web page .* instead of a model"),
        (responses.page("not a model", "text/plain"), "returned no ONNX model"),
        (responses.status(404), "404 Not Found"),
    ],
)
def test_what_is_no_model_is_named(response, message, server, content, settings, monkeypatch):
    model = publish_model(server, content, monkeypatch, response)
    with pytest.raises(DownloadError, match=message) as error:
        download_model(model, settings)
    assert str(error.value).startswith("perch2 could not be downloaded. No address delivered it:")


def test_the_mirror_is_tried_before_the_published_addresses(
    server, content, settings, path, monkeypatch
):
    model = publish_model(server, content, monkeypatch)
    server.serve("/mine/perch2/lab%2B1.onnx", content[:-1] + b"\x00", kind="text/plain")
    settings = settings.replace(download={"model_mirror": server.address("/mine/")})
    download_model(model, settings)
    assert [request.path for request in server.requests] == [
        "/mine/perch2/lab%2B1.onnx",
        "/lab.onnx",
        "/record",
    ]
    assert path.read_bytes() == content


def test_nothing_is_requested_when_offline(server, content, settings, path, monkeypatch):
    model = publish_model(server, content, monkeypatch)
    settings = settings.replace(download={"offline": True})
    with pytest.raises(DownloadError, match="not on disk, and nothing is downloaded") as error:
        ensure_model(settings)
    assert str(path) in str(error.value)
    # A file that was put there by hand is used.
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    ensure_model(settings)
    assert download_model(model, settings)[1] is False
    assert server.requests == []


def test_a_damaged_file_is_found_and_replaced(server, content, settings, path, monkeypatch):
    model = publish_model(server, content, monkeypatch)
    path.parent.mkdir(parents=True)
    path.write_bytes(content[:-1] + b"\x00")
    assert not verify_model(read_model_state(model, settings.compute))
    assert download_model(model, settings)[1] is True
    assert verify_model(read_model_state(model, settings.compute))


def test_only_named_models_without_a_file_are_downloaded(
    server, content, settings, path, monkeypatch
):
    publish_model(server, content, monkeypatch)
    for name in ("small", "birdnet", "onnx:a.onnx", "perch2:mine.onnx", "embeddings:a.npy"):
        ensure_model(settings.replace(backbone={"name": name}))
    assert server.requests == []


def test_two_downloads_at_once_transfer_the_file_once(server, content, settings, path, monkeypatch):
    publish_model(server, content, monkeypatch, responses.slow(0.05, blocks=4))
    threads = [threading.Thread(target=ensure_model, args=(settings,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == content
    assert sent(server) == len(content)


def test_an_unknown_model_is_an_error_that_lists_the_known_ones():
    with pytest.raises(InputError, match="'perch3'; choose birdnet3 or perch2"):
        select_models("perch2", "perch3")
    assert select_models("perch2", "perch2") == [published.PUBLISHED_MODELS["perch2"]]
