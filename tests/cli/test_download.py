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


def whole_set_by_kaggle(shop):
    """2023, all splits in one archive, from the first mirror."""
    files: dict[str, bytes] = {}
    for split in ("train", "val", "test"):
        files |= species(f"darksound/{split}/Strigidae", 4, 6)
    address = shop.server.serve("/kaggle", zip_of(files))
    for split in ("train", "val", "test"):
        mirrors = (Mirror("kaggle", address, "page", whole_set=True),)
        shop.publish(f"darksound-2023:{split}", b"", mirrors, counts=(4, 24))


def test_the_list_needs_no_network(shop, darksound):
    ended = darksound("download", "--list", "--offline")
    assert ended.exit_code == 0
    assert "darksound-2023:val" in ended.stdout
    assert shop.server.requests == []


def test_without_a_name_all_of_darksound_2023_is_downloaded_after_a_description(shop, darksound):
    whole_set_by_kaggle(shop)
    ended = darksound("download")
    assert ended.exit_code == 0, ended.output
    first = ended.stderr.splitlines()
    assert first[0].startswith(f"Downloading darksound-2023 to {shop.root}, where ")
    assert first[1] == (
        "  darksound-2023:train: 24 clips of 4 species as published; the server states the size "
        "of the archive"
    )
    assert first[4].startswith("from 127.0.0.1:")
    assert [path.name for path in sorted(shop.root.glob("darksound-2023/*/Strigidae"))] == (
        ["Strigidae"] * 3
    )
    assert len(shop.server.requests) == 1
    again = darksound("download")
    assert again.exit_code == 0
    assert "train: 24 clips of 4 species, 3" in again.stderr
    assert "on disk already; only verified" in again.stderr
    assert len(shop.server.requests) == 1
    assert "Downloading" not in darksound("download", "-q").stderr


def test_the_description_names_what_was_not_published_and_the_custom_mirror(shop, darksound):
    ended = darksound("download", "--mirror", f"{shop.server.address('')}/sets", "--root", "else")
    assert ended.exit_code == 2
    assert f"Downloading darksound-2023 to {Path('else')}, where" in ended.stderr
    assert "darksound-2023:val: number of clips not published; the server" in ended.stderr


def test_the_cause_of_a_failed_mirror_is_printed_once(shop, darksound):
    kaggle = shop.server.serve("/kaggle", b"", responses.status(403))
    drive = shop.server.serve("/uc", b"", responses.status(503))
    mirrors = (Mirror("kaggle", kaggle, "page", whole_set=True), Mirror("drive", drive, "page"))
    for split in ("train", "val", "test"):
        shop.publish(f"darksound-2023:{split}", b"", mirrors)
    failed = darksound("download", "--set", "download.max_attempts=3")
    assert failed.exit_code == 2
    assert failed.output.count("answered 403") == 1
    assert failed.output.count("answered 503") == 1
    assert "attempt 2 of 3 failed; retrying in" in failed.stderr
    # An archive of all splits is requested once, the archive of each split three times.
    assert [each.path for each in shop.server.requests].count("/kaggle") == 1
    assert [each.path for each in shop.server.requests].count("/uc") == 9

    packed = zip_of(species("test/Strigidae", 4, 6))
    shop.server.serve("/uc", packed)
    shop.publish("darksound-2023:test", packed, mirrors)
    fetched = darksound("download", "darksound-2023:test")
    assert fetched.exit_code == 0, fetched.output
    assert fetched.output.count("answered 403") == 1


NEEDS = [
    ("train", ("train", "val"), "demo:train"),
    ("mec", ("test",), "demo"),
    ("evaluate", ("test",), "demo:test"),
]


@pytest.mark.parametrize(("command", "splits", "demo"), NEEDS)
def test_without_data_on_disk_commands_explain_how_to_get_them(
    command, splits, demo, shop, darksound, learner
):
    arguments = [learner] if command == "evaluate" else []
    ended = darksound(command, *arguments)
    assert ended.exit_code == 2
    specs = [f"darksound-2023:{split}" for split in splits]
    assert f"Error: {' and '.join(specs)} " in ended.stderr
    assert "`darksound download` downloads the whole set" in ended.stderr
    assert f"`darksound download {' '.join(specs)}` only what is missing" in ended.stderr
    assert f"`--data {demo}` needs no download" in ended.stderr
    assert not Path("runs").exists()


def test_only_the_missing_split_is_named(shop, darksound):
    Path("data/darksound-2023/train/Strigidae/bird0").mkdir(parents=True)
    ended = darksound("train", "--method", "relation")
    assert ended.exit_code == 2
    assert "Error: darksound-2023:val is not on disk" in ended.stderr
    assert "darksound-2023:train" not in ended.stderr


def test_the_commands_without_data_use_the_published_splits(shop, darksound, world, monkeypatch):
    whole_set_by_kaggle(shop)
    assert darksound("download").exit_code == 0
    tiny = ("--config", world / "tiny.toml")

    def inputs(run):
        return json.loads(Path(run, "run.json").read_text())["inputs"]["data"]

    # Interrupted after an epoch, and resumed.
    with monkeypatch.context() as patched:
        patched.setattr("darksound.jobs.train.write_csv", interrupt)
        ended = darksound("train", "--method", "relation", *tiny, "--out", "t")
    assert ended.exit_code == 130, ended.output
    assert inputs("t") == ["darksound-2023:train", "darksound-2023:val"]
    ended = darksound("train", "--resume", "--out", "t")
    assert ended.exit_code == 0, ended.output
    manifest = json.loads(Path("t/run.json").read_text())
    assert (manifest["rois"], manifest["times_resumed"]) == (48, 1)
    epochs = pd.read_csv("t/training.csv")
    assert epochs["validation_accuracy"].notna().all()
    # The split val decides; no training ROI is held out.
    assert "held out" not in Path("t/run.log").read_text()

    ended = darksound("evaluate", "t", *tiny, "--out", "e")
    assert ended.exit_code == 0, ended.output
    ended = darksound("mec", "--iterations", 1, "--checkpoint", "t", *tiny, "--out", "m")
    assert ended.exit_code == 0, ended.output
    assert inputs("e") == inputs("m") == ["darksound-2023:test"]
    assert set(pd.read_parquet("m/rois.parquet")["split"]) == {"test"}


def interrupt(*_):
    raise KeyboardInterrupt


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
