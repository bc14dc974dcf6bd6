"""`darksound download`, and commands that use the downloaded sets, with a local server."""

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.datasets import server as responses
from tests.datasets.archive_bytes import clip, species, zip_of
from tests.datasets.publishing import publish_locally
from tests.datasets.server import Server
from typer.testing import CliRunner

from darksound.cli.app import app
from darksound.datasets.registry import Mirror


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Yield published sets on a local server, with the data folder of the command line."""
    server = Server()
    yield publish_locally(server, tmp_path / "data", monkeypatch)
    server.stop()


@pytest.fixture(scope="module")
def learner(world, tmp_path_factory):
    """A training run, made once."""
    out = tmp_path_factory.mktemp("learner") / "run"
    words = ("train", "--config", world / "tiny.toml", "--data", world / "sounds", "--out", out)
    ended = CliRunner().invoke(
        app, [str(w) for w in words], env={"DARKSOUND_CACHE": str(out.parent / "cache")}
    )
    assert ended.exit_code == 0, ended.output
    return out


def confirm(target):
    """Google Drive's page before a large file."""
    return responses.page(
        f"<form id='download-form' action='{target}'><input name='confirm' value='t'></form>"
    )


def by_drive(shop):
    """2023, a split's own archive: `split/family/species/clip.wav`."""
    packed = zip_of(species("test/Strigidae", 4, 6))
    target = shop.server.serve("/download", packed)
    address = shop.server.serve("/uc", b"", confirm(target))
    shop.publish("darksound-2023:test", packed, (Mirror("drive", address, "page"),))
    return "darksound-2023:test", "md5 of the archive as published"


def by_kaggle(shop, packed, md5_of):
    storage = shop.server.serve("/bucket", packed)
    address = shop.server.serve("/kaggle", b"", responses.redirect(storage))
    mirrors = (Mirror("kaggle", address, "page", whole_set=True),)
    shop.publish("darksound-2023:test", md5_of, mirrors, counts=(4, 24))
    return "darksound-2023:test"


def by_kaggle_in_folders(shop):
    """2023, all splits in one archive, as folders somewhere in it."""
    files = {**species("d/train/Strigidae", 4, 6), **species("d/test/Nyctibiidae", 4, 6)}
    spec = by_kaggle(shop, zip_of(files), b"")
    return spec, "counts as published, all sound readable"


def by_kaggle_in_archives(shop):
    """2023, all splits in one archive, as archives in it."""
    inner = zip_of(species("test/Strigidae", 4, 6))
    other = zip_of(species("train/Strigidae", 4, 6))
    spec = by_kaggle(shop, zip_of({"test.zip": inner, "train.zip": other}), inner)
    return spec, "md5 of the inner archive as published"


def by_zenodo(shop):
    """2024: `split/species/clip.wav`."""
    packed = zip_of(species("test", 4, 6))
    address = shop.server.serve("/test.zip", packed)
    shop.publish("darksound-2024:test", packed, (Mirror("zenodo", address, "page"),))
    return "darksound-2024:test", "md5 of the archive as published"


LAYOUTS = [by_drive, by_kaggle_in_folders, by_kaggle_in_archives, by_zenodo]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_set_of_each_published_layout_works_from_end_to_end(
    layout, shop, darksound, world, learner
):
    spec, checked = layout(shop)
    before = darksound("mec", "--data", spec)
    assert before.exit_code == 2
    assert f"`darksound download {spec}`" in before.stderr

    fetched = darksound("download", spec)
    assert fetched.exit_code == 0, fetched.output
    assert checked in fetched.stdout
    assert f"--data {spec}" in fetched.stdout
    assert "Please cite: Poutaraud" in fetched.stdout

    tiny = ("--config", world / "tiny.toml", "--data", spec)
    ended = darksound("evaluate", learner, *tiny, "--out", "e")
    assert ended.exit_code == 0, ended.output
    per_class = pd.read_csv("e/per_class.csv")
    assert per_class["class"].tolist() == ["bird0", "bird1", "bird2", "bird3"]
    ended = darksound("mec", *tiny, "--checkpoint", learner, "--out", "m")
    assert ended.exit_code == 0, ended.output
    rois = pd.read_parquet("m/rois.parquet")
    assert len(rois) == len(pd.read_parquet("m/clusters.parquet")) == 24
    assert set(rois["split"]) == {"test"}
    assert json.loads(Path("m/run.json").read_text())["status"] == "done"

    listed = darksound("download", "--list")
    assert listed.exit_code == 0
    row = next(line for line in listed.stdout.splitlines() if line.strip().startswith(spec))
    assert "24 clips of 4 species" in row
    assert checked in row


def test_damage_is_listed_and_repaired(shop, darksound):
    spec, _ = by_zenodo(shop)
    assert darksound("download", spec, "-q").exit_code == 0
    good = darksound("download", "--verify")
    assert good.exit_code == 0
    assert "unchanged" in good.stdout
    Path("data/darksound-2024/test/bird0/0.wav").unlink()
    bad = darksound("download", "--verify")
    assert bad.exit_code == 3
    assert "1 missing" in bad.stdout
    assert f"{spec}: missing: bird0/0.wav" in bad.stdout
    assert f"`darksound download {spec}` downloads and replaces" in bad.stdout
    repaired = darksound("download", spec)
    assert repaired.exit_code == 0
    assert "is damaged and will be replaced" in repaired.stderr
    assert darksound("download", "--verify", spec).exit_code == 0


def test_unreadable_sound_is_listed_and_ends_with_status_3(shop, darksound):
    packed = zip_of({**species("test", 2, 2), "test/bird0/bad.wav": b"", "test/bird1/x.wav": b"x"})
    Path("by-hand.zip").write_bytes(packed)
    ended = darksound("download", "by-hand.zip", "--as", "darksound-2024:test")
    assert ended.exit_code == 3
    assert "2 of 6 clips cannot be read" in ended.stdout
    assert "cannot be read: bird0/bad.wav: empty (0 bytes)" in ended.stdout
    assert "not verified" in ended.stdout
    assert "2 cannot be read" in darksound("download", "--list").stdout


def test_the_root_may_be_another_folder(shop, darksound):
    spec, _ = by_zenodo(shop)
    ended = darksound("download", spec, "--root", "elsewhere")
    assert ended.exit_code == 0, ended.output
    assert Path("elsewhere/darksound-2024/test/bird0/0.wav").exists()
    assert "DARKSOUND_DATA=" in ended.stdout
    found = darksound("download", "--list", "--set", "compute.data_dir=elsewhere")
    assert "24 clips of 4 species" in found.stdout
    assert "24 clips" not in darksound("download", "--list").stdout


def test_without_a_name_the_sets_are_listed(shop, darksound):
    ended = darksound("download")
    assert ended.exit_code == 2
    assert "darksound-2023:val" in ended.stdout
    assert "Name what to download" in ended.stderr
    assert darksound("download", "--list", "--offline").exit_code == 0
    assert shop.server.requests == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("darksound-2024:tset",), "no published set 'darksound-2024:tset'; choose one of"),
        (("darksound-2024", "--offline"), "nothing is downloaded with --offline"),
        (("gone.zip",), "neither a published set nor an existing archive"),
        (("darksound-2024", "--md5", "1"), "--as and --md5 are for an archive"),
        (("darksound-2024", "--mirror", "http://a:b@c"), "must not contain a user or password"),
        (("--verify", "darksound-2024"), "is not on disk"),
    ],
)
def test_wrong_arguments_end_with_status_2_and_a_sentence(words, message, shop, darksound):
    ended = darksound("download", *words)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_token_of_the_environment_is_sent_to_kaggle_and_written_to_no_file(
    shop, darksound, monkeypatch, tmp_path
):
    by_kaggle_in_folders(shop)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret")
    ended = darksound("download", "darksound-2023", "-v")
    # The archive has no val.
    assert ended.exit_code == 2
    assert shop.server.requests[0].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in ended.output
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 48
    assert not any(b"s3cret" in path.read_bytes() for path in files)


def test_clips_keep_their_bytes(shop, darksound):
    spec, _ = by_zenodo(shop)
    darksound("download", spec)
    assert Path("data/darksound-2024/test/bird1/2.wav").read_bytes() == clip(102, 1600.0)
