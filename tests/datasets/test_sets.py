"""Whole sets: from archives of every layout to folders that say what vouches for them."""

import json
import shutil
import zipfile

import pytest
from tests.datasets import server as manners
from tests.datasets.building import clip, md5, species, zip_of

from darksound.datasets import installing
from darksound.datasets.command import download, verify
from darksound.datasets.registry import Mirror
from darksound.datasets.states import look_at_all
from darksound.errors import DownloadError, InputError

TEST, TRAIN, VAL = (
    zip_of(species(f"{split}/Strigidae", names), zipfile.ZIP_STORED)
    for split, names in (("test", 3), ("train", 4), ("val", 2))
)
FOLDERS = {
    path: content
    for split, names in (("test", 3), ("train", 4), ("val", 2))
    for path, content in species(f"darksound/{split}/Strigidae", names).items()
}
INNER = {"in/train.zip": TRAIN, "in/val.zip": VAL, "in/Darksound_Test.zip": TEST}


def kaggle(world, content, *served):
    """Serves the archive of all splits of `darksound-2023`; the address."""
    address = world.server.serve("/kaggle", content, *served)
    for name, packed in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        counts = {"test": (3, 6), "train": (4, 8)}.get(name)
        mirrors = (Mirror("kaggle", address, "page", whole=True),)
        world.publish(f"darksound-2023:{name}", packed, mirrors, counts)
    return address


def kinds(receipts):
    return {receipt.split.name: receipt.marker.check.kind for receipt in receipts}


def test_an_archive_of_all_splits_is_fetched_once_and_its_folders_found(world):
    kaggle(world, zip_of(FOLDERS))
    receipts = download("darksound-2023", settings=world.settings)
    # Counts were published for train and test alone, and no md5 for this archive.
    assert kinds(receipts) == {"train": "counts", "val": "sound", "test": "counts"}
    assert len(world.server.asked) == 1
    said = {receipt.split.name: receipt.marker.check.said for receipt in receipts}
    assert said["test"].startswith(
        "6 clips of 3 species as published, all readable; no md5 vouches"
    )
    assert "neither its md5 nor its counts were published" in said["val"]
    clips = (world.root / "darksound-2023" / "test" / "Strigidae" / "bird1").iterdir()
    assert sorted(path.name for path in clips) == ["0.wav", "1.wav"]


def test_a_split_that_was_not_asked_for_comes_along(world):
    kaggle(world, zip_of(FOLDERS))
    receipts = download("darksound-2023:test", settings=world.settings)
    assert set(kinds(receipts)) == {"train", "val", "test"}
    download("darksound-2023", settings=world.settings)
    assert len(world.server.asked) == 1


def test_inner_archives_are_held_against_the_published_md5(world):
    damaged = zip_of(species("val/Strigidae", 2))
    kaggle(world, zip_of({**INNER, "in/val.zip": damaged, "readme.zip": zip_of({"a": b""})}))
    receipts = download("darksound-2023", settings=world.settings)
    assert kinds(receipts) == {"train": "inner", "val": "sound", "test": "inner"}
    said = {receipt.split.name: receipt.marker.check.said for receipt in receipts}
    assert said["test"] == "the md5 of the inner archive Darksound_Test.zip is the published one"
    assert "the md5 of its inner archive val.zip is not the published one" in said["val"]


def test_an_inner_archive_is_known_by_its_md5_whatever_its_name(world):
    # Two that are called test are not, and come before and after the one that is.
    other = zip_of(species("test/Strigidae", 1))
    kaggle(world, zip_of({"test.zip": other, "p1.zip": TEST, "p2.zip": TRAIN, "z/test.zip": other}))
    receipts = download("darksound-2023:test", settings=world.settings)
    assert kinds(receipts) == {"train": "inner", "test": "inner"}
    assert {receipt.split.name: receipt.marker.clips for receipt in receipts}["test"] == 6


def test_nothing_is_called_verified_that_is_not(world, caplog):
    fewer = {path: content for path, content in FOLDERS.items() if not path.endswith("bird2/1.wav")}
    fewer["darksound/train/Strigidae/bird0/0.wav"] = b"no sound"
    kaggle(world, zip_of(fewer))
    receipts = download("darksound-2023", settings=world.settings)
    assert kinds(receipts) == {"train": "none", "val": "sound", "test": "none"}
    by_name = {receipt.split.name: receipt.marker for receipt in receipts}
    assert by_name["test"].check.said.startswith("5 clips of 3 species where 6 of 3 were published")
    assert by_name["train"].check.said.startswith("1 of 7 clips cannot be read")
    ((path, cause),) = by_name["train"].unreadable.items()
    assert path == "Strigidae/bird0/0.wav"
    assert cause.startswith("not a sound file that can be read")
    assert ".unpacking" not in json.dumps([caplog.text, cause])
    assert "5 clips of 3 species where 6" in caplog.text


def test_where_kaggle_fails_drive_is_asked_and_where_both_fail_both_are_told(world):
    first = kaggle(world, b"", manners.page("<title>Login</title><a href='/login'>"))
    second = world.server.serve("/drive", TEST)
    both = (Mirror("kaggle", first, "page 1", whole=True), Mirror("drive", second, "page 2"))
    world.publish("darksound-2023:test", TEST, both)
    receipts = download("darksound-2023:test", settings=world.settings)
    assert kinds(receipts) == {"test": "md5"}
    shutil.rmtree(world.root)
    world.server.serve("/drive", b"", manners.page("<title>Quota exceeded</title>"))
    with pytest.raises(DownloadError) as caught:
        download("darksound-2023:test", settings=world.settings)
    lines = str(caught.value).splitlines()
    assert lines[0] == "darksound-2023:test could not be fetched. No mirror gave it:"
    assert lines[1].startswith(f"  - {first} gave a web page ('Login') instead of an archive. It")
    assert lines[2].startswith(f"  - {second} gave a web page ('Quota exceeded')")
    assert "page 1 (then --as darksound-2023) or page 2 (then --as darksound-2023:test)" in lines[3]


def test_an_archive_without_the_split_is_no_use_and_is_told(world):
    kaggle(world, zip_of({"birds/Strigidae/owl/1.wav": clip(1)}))
    with pytest.raises(DownloadError, match="No split of darksound-2023 is in the archive"):
        download("darksound-2023", settings=world.settings)
    assert len(world.server.asked) == 3
    assert not list(world.root.rglob("*.archive"))


def test_changes_on_disk_are_told_file_by_file_and_mended(world, archive):
    world.offer(archive)
    (receipt,) = download("darksound-2024:test", settings=world.settings)
    (verdict,) = verify(settings=world.settings)
    assert not verdict.differences
    assert (verdict.clips, verdict.species, verdict.check.kind) == (6, 3, "md5")

    folder = receipt.folder
    (folder / "bird0" / "0.wav").unlink()
    flipped = bytearray((folder / "bird1" / "1.wav").read_bytes())
    flipped[-1] ^= 1
    (folder / "bird1" / "1.wav").write_bytes(flipped)
    (folder / "bird1" / "own.wav").write_bytes(clip(7))
    (folder / "notes.txt").write_text("mine")
    (verdict,) = verify("darksound-2024:test", settings=world.settings)
    assert verdict.differences.lines() == [
        "missing: bird0/0.wav",
        "changed: bird1/1.wav",
        "extra: bird1/own.wav",
    ]

    (mended,) = download("darksound-2024:test", settings=world.settings)
    assert mended.fresh
    assert not verify(settings=world.settings)[0].differences
    # What was somebody's own is not thrown away.
    assert mended.kept is not None
    assert (mended.kept / "bird1" / "own.wav").read_bytes() == clip(7)
    assert (mended.kept / "notes.txt").exists()


def test_a_repair_that_fails_leaves_what_is_there(world, archive):
    resource = world.offer(archive)
    (receipt,) = download("darksound-2024:test", settings=world.settings)
    (receipt.folder / "bird0" / "0.wav").unlink()
    resource.manners = [manners.status(404)]
    with pytest.raises(DownloadError, match="404"):
        download("darksound-2024:test", settings=world.settings)
    assert len(list(receipt.folder.rglob("*.wav"))) == 5


def test_damaged_splits_of_one_archive_are_mended_by_fetching_it_once(world):
    kaggle(world, zip_of(FOLDERS))
    for receipt in download("darksound-2023", settings=world.settings):
        (receipt.folder / "Strigidae" / "bird0" / "0.wav").unlink()
    receipts = download("darksound-2023", settings=world.settings)
    assert all(receipt.fresh for receipt in receipts)
    assert len(receipts) == 3
    assert len(world.server.asked) == 2


def test_a_damaged_record_is_told_and_mended(world, archive):
    world.offer(archive)
    (receipt,) = download("darksound-2024:test", settings=world.settings)
    (receipt.folder / ".darksound.json").write_text("{")
    (verdict,) = verify(settings=world.settings)
    assert verdict.damaged
    assert "darksound.json cannot be read" in verdict.check.said
    (mended,) = download("darksound-2024:test", settings=world.settings)
    assert mended.marker.check.kind == "md5"
    assert mended.kept is not None


def test_a_set_that_was_put_there_by_hand_is_left_alone(world, archive):
    world.offer(archive)
    mine = world.root / "darksound-2024" / "test" / "owl" / "1.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(clip(3))
    with pytest.raises(DownloadError, match="did not put it there and nothing vouches for it"):
        download("darksound-2024:test", settings=world.settings)
    assert mine.read_bytes() == clip(3)
    assert world.server.asked == []
    (verdict,) = verify("darksound-2024:test", settings=world.settings)
    assert (verdict.recorded, verdict.check.kind, verdict.clips) == (False, "sound", 1)


def test_a_set_on_a_disk_that_may_only_be_read_is_verified_there(world, archive, monkeypatch):
    world.offer(archive)
    download("darksound-2024:test", settings=world.settings)
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*")}

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    (receipt,) = download("darksound-2024:test", settings=world.settings)
    assert not receipt.fresh
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*")} == before
    world.publish("darksound-2024:train", archive, (Mirror("url", "http://127.0.0.1:9/", "p"),))
    with pytest.raises(DownloadError, match=r"Cannot write in .*: Read-only file system"):
        download("darksound-2024:train", settings=world.settings)


def test_a_disk_without_locks_is_used_with_files_of_its_own(world, archive, monkeypatch, caplog):
    world.offer(archive, manners.dropping(30_000), manners.well)
    other = world.root / "darksound-2024" / ".download" / "darksound-2024-test.archive.0.part"
    other.parent.mkdir(parents=True)
    other.write_bytes(archive[:500])

    def no_locks(_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("darksound.datasets.locks.try_lock", no_locks)
    (receipt,) = download("darksound-2024:test", settings=world.settings)
    assert receipt.fresh
    assert "cannot be locked" in caplog.text
    assert other.read_bytes() == archive[:500]
    assert [asked.start for asked in world.server.asked] == [0, 30_000]


def test_the_list_tells_what_there_is_without_the_network(world, archive):
    world.offer(archive, manners.silent(40_000, 0))
    world.change(max_attempts=1)
    with pytest.raises(DownloadError, match=r"ended after 40 kB of|broke off"):
        download("darksound-2024:test", settings=world.settings)
    asked = len(world.server.asked)
    states = {state.split.spec: state for state in look_at_all(world.settings)}
    assert next(iter(states)) == "darksound-2023:train"
    assert states["darksound-2024:test"].arrived == 40_000
    assert len(world.server.asked) == asked


def test_verify_names_what_is_not_there(world):
    assert verify(settings=world.settings) == ()
    with pytest.raises(DownloadError, match=r"darksound-2024:train is not on disk .* fetches it"):
        verify("darksound-2024", settings=world.settings)
    with pytest.raises(InputError, match="no published set 'darksound-2024:tset'; there are"):
        verify("darksound-2024:tset", settings=world.settings)


class TestImports:
    """Archives that a person fetched."""

    @pytest.fixture
    def given(self, tmp_path):
        def give(content, name="from-browser.zip"):
            path = tmp_path / name
            path.write_bytes(content)
            return str(path)

        return give

    def test_an_archive_is_known_by_its_published_md5(self, world, given):
        world.publish("darksound-2023:test", TEST)
        path = given(TEST)
        (receipt,) = download(path, settings=world.settings)
        assert (receipt.split.spec, receipt.marker.check.kind) == ("darksound-2023:test", "md5")
        assert receipt.marker.source == path
        assert zipfile.is_zipfile(path)

    def test_an_unknown_archive_must_be_named(self, world, given, archive):
        with pytest.raises(InputError, match="is none of the published ones"):
            download(given(archive), settings=world.settings)
        (receipt,) = download(given(archive), named="darksound-2024:test", settings=world.settings)
        assert receipt.marker.check.kind == "sound"

    def test_an_archive_of_all_splits_is_named_by_its_set(self, world, given):
        world.publish("darksound-2023:test", TEST)
        receipts = download(given(zip_of(INNER)), named="darksound-2023", settings=world.settings)
        assert kinds(receipts) == {"train": "sound", "val": "sound", "test": "inner"}

    def test_the_md5_that_is_given_is_held_against_it(self, world, given, archive):
        path = given(archive)
        with pytest.raises(DownloadError, match=r"has the md5 .* but 0{32} is wanted"):
            download(path, md5="0" * 32, named="darksound-2024:test", settings=world.settings)
        with pytest.raises(InputError, match="'12' is no md5, which has 32 digits"):
            download(path, md5="12", settings=world.settings)
        (receipt,) = download(
            path, md5=md5(archive).upper(), named="darksound-2024:test", settings=world.settings
        )
        assert receipt.marker.check.kind == "given"

    def test_an_archive_that_is_another_than_was_said_is_refused(self, world, given):
        world.publish("darksound-2023:test", TEST)
        with pytest.raises(InputError, match="is darksound-2023:test by its md5, not"):
            download(given(TEST), named="darksound-2023:val", settings=world.settings)

    def test_an_address_is_fetched_with_all_that_a_mirror_gets(self, world, archive):
        address = world.server.serve("/mine.zip", archive, manners.dropping(30_000), manners.well)
        (receipt,) = download(
            f"{address}?token=s3cret",
            md5=md5(archive),
            named="darksound-2024:test",
            settings=world.settings,
        )
        assert receipt.marker.check.kind == "given"
        assert receipt.marker.source == f"{address}?token=..."
        assert [asked.start for asked in world.server.asked] == [0, 30_000]
        world.change(offline=True)
        with pytest.raises(DownloadError, match="is not asked with --offline"):
            download(address, named="darksound-2024:test", settings=world.settings)

    def test_an_address_of_a_published_archive_needs_only_its_md5(self, world):
        world.publish("darksound-2023:test", TEST)
        address = world.server.serve("/mine.zip", TEST)
        (receipt,) = download(address, md5=md5(TEST), settings=world.settings)
        assert (receipt.split.spec, receipt.marker.check.kind) == ("darksound-2023:test", "md5")

    def test_what_is_there_already_is_not_replaced(self, world, given, archive):
        named = {"named": "darksound-2024:test", "settings": world.settings}
        download(given(archive), **named)
        (receipt,) = download(given(zip_of({"test/owl/1.wav": clip(1)})), **named)
        assert not receipt.fresh
        assert receipt.marker.clips == 6

    @pytest.mark.parametrize(
        ("what", "more", "said"),
        [
            (("nothing.zip",), {}, "neither a published set nor an archive that is there"),
            (("darksound-2025",), {}, "neither a published set nor an archive that is there"),
            ((".",), {}, "is a folder, not an archive"),
            (("a.zip", "darksound-2023"), {}, "give nothing else beside it"),
            (("darksound-2023",), {"md5": "0" * 32}, "--as and --md5 say something of an archive"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, world, what, more, said):
        with pytest.raises(InputError, match=said):
            download(*what, settings=world.settings, **more)


def test_a_set_that_another_process_put_there_meanwhile_is_taken(world, archive, monkeypatch):
    world.offer(archive)
    real = installing.stage

    def stage_twice(*args):
        # As if another process with other locks had been faster.
        monkeypatch.setattr(installing, "stage", real)
        download("darksound-2024:test", settings=world.settings.replace(compute=different))
        shutil.copytree(world.root.with_name("other"), world.root, dirs_exist_ok=True)
        return real(*args)

    different = {"data_dir": world.root.with_name("other")}
    monkeypatch.setattr(installing, "stage", stage_twice)
    (receipt,) = download("darksound-2024:test", settings=world.settings)
    assert not receipt.fresh
    assert not verify(settings=world.settings)[0].differences


def test_what_somebody_puts_there_meanwhile_is_kept(world, archive, monkeypatch):
    world.offer(archive)
    real = installing.stage

    def stage_late(*args):
        mine = world.root / "darksound-2024" / "test" / "owl"
        mine.mkdir(parents=True)
        (mine / "own.wav").write_bytes(clip(5))
        return real(*args)

    monkeypatch.setattr(installing, "stage", stage_late)
    (receipt,) = download("darksound-2024:test", settings=world.settings)
    assert receipt.kept is not None
    assert (receipt.kept / "owl" / "own.wav").read_bytes() == clip(5)
    assert receipt.marker.clips == 6
