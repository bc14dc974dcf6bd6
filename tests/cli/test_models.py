"""`darksound models`, and commands that download the model that they name."""

import json

import pytest
from tests.audio.embedding_models.models import DIM, onnx_file
from tests.cli.conftest import one_line
from tests.datasets import server as responses
from tests.datasets.publishing import publish_model
from tests.datasets.server import Server

from darksound.audio import embedding_models as registry


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Yield a server with a small model in place of Perch 2.0."""
    registry._open_once.cache_clear()
    server = Server()
    made = onnx_file(tmp_path / "made.onnx")
    publish_model(server, made.read_bytes(), monkeypatch)
    yield server
    server.stop()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "models" / "perch2" / "lab+1.onnx"


def test_the_list_has_sizes_licences_and_what_is_on_disk(darksound, shop, path):
    ended = darksound("models")
    assert ended.exit_code == 0
    text = one_line(ended.stdout)
    assert "perch2 Lab perch2 0.1 s at 8 kHz 6" in text
    assert "birdnet BirdNET 2.4 3 s at 48 kHz 1024" in text
    assert "perch2: licence: CC BY 4.0. Please cite: Lab (2026)." in text
    assert shop.requests == []
    assert darksound("models", "perch2").exit_code == 0
    assert "perch2: licence: CC BY 4.0; its record at" in one_line(darksound("models").stdout)


def test_a_model_is_downloaded_and_its_licence_printed(darksound, shop, path):
    ended = darksound("models", "perch2")
    assert ended.exit_code == 0, ended.output
    output = one_line(ended.output)
    assert "Licence: CC BY 4.0" in output
    assert "states the licence cc-by-sa-4.0" in output
    assert "Use it as --backbone perch2." in output
    assert path.exists()
    again = one_line(darksound("models", "perch2").stdout)
    assert "before" in again
    assert "sha256 as published" in again


def test_a_command_downloads_the_model_that_it_names(darksound, shop, path, world, tmp_path):
    words = ("--backbone", "perch2", "--data", world / "sounds", "--config", world / "tiny.toml")
    refused = darksound("mec", *words, "--set", "download.offline=true", "--out", "none")
    assert refused.exit_code == 2
    assert "perch2 is not on disk" in one_line(refused.output)
    ended = darksound("mec", *words, "--out", "run")
    assert ended.exit_code == 0, ended.output
    assert path.exists()
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["settings"]["backbone"]["name"] == "perch2"
    assert manifest["settings"]["embedding_model"]["embedding_dim"] == DIM
    assert manifest["licences"] == [
        "Lab perch2: CC BY 4.0; its record at https://lab.example/models states cc-by-sa-4.0"
    ]
    n_requests = len(shop.requests)
    again = darksound("embed", *words, "--set", "download.offline=true", "--out", "made.parquet")
    assert again.exit_code == 0, again.output
    assert len(shop.requests) == n_requests
    # The learner of the run names the model, not its file.
    checkpoint = ("--checkpoint", tmp_path / "run", "--data", world / "sounds", "--out", "second")
    config = world / "any-backbone.toml"
    assert darksound("mec", *checkpoint, "--config", config).exit_code == 0


def test_verification_finds_damaged_and_missing_files(darksound, shop, path):
    assert "No published model is in" in one_line(darksound("models", "--verify").output)
    missing = darksound("models", "--verify", "perch2")
    assert (missing.exit_code, "not on disk" in missing.output) == (3, True)
    darksound("models", "perch2")
    good = darksound("models", "--verify")
    assert (good.exit_code, "sha256 as published" in good.output) == (0, True)
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    damaged = darksound("models", "--verify")
    assert damaged.exit_code == 3
    assert "`darksound models perch2` downloads and replaces" in one_line(damaged.output)


def test_failed_downloads_end_with_2_and_one_message(darksound, shop):
    shop.resources["/lab.onnx"].responses = [responses.status(404)]
    ended = darksound("models", "perch2")
    assert ended.exit_code == 2
    assert "perch2 could not be downloaded" in ended.output
    assert "Traceback" not in ended.output
    unknown = darksound("models", "perch3")
    assert unknown.exit_code == 2
    assert "There is no published model 'perch3'; choose perch2" in one_line(unknown.output)


def test_root_and_mirror_are_options(darksound, shop, tmp_path):
    content = shop.resources["/lab.onnx"].content
    shop.serve("/mine/perch2/lab%2B1.onnx", content, kind="application/octet-stream")
    ended = darksound("models", "perch2", "--root", "else", "--mirror", shop.address("/mine"))
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "else" / "models" / "perch2" / "lab+1.onnx").read_bytes() == content
    assert all(request.path != "/lab.onnx" for request in shop.requests)
