"""Sets are downloaded or imported, verified, installed and repaired."""

import json
import shutil
import zipfile

import pytest
from tests.datasets import server as responses
from tests.datasets.archive_bytes import clip, md5, species, zip_of

from darksound.datasets.download import download
from darksound.datasets.marker import all_split_states
from darksound.datasets.registry import Mirror
from darksound.datasets.unpack import unpack_splits
from darksound.datasets.verify import verify
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


def kaggle(sets, content, *served):
    """Serve the archive of all splits of `darksound-2023`; return its address."""
    address = sets.server.serve("/kaggle", content, *served)
    for name, packed in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        counts = {"test": (3, 6), "train": (4, 8)}.get(name)
        mirrors = (Mirror("kaggle", address, "page", whole_set=True),)
        sets.publish(f"darksound-2023:{name}", packed, mirrors, counts)
    return address


def kinds(installed):
    return {each.split.name: each.marker.check.kind for each in installed}


def test_an_archive_of_all_splits_is_downloaded_once_and_its_folders_found(sets):
    kaggle(sets, zip_of(FOLDERS))
    installed = download("darksound-2023", settings=sets.settings)
    # Counts were published for train and test alone, and no md5 for this archive.
    assert kinds(installed) == {"train": "counts", "val": "sound", "test": "counts"}
    assert len(sets.server.requests) == 1
    results = {each.split.name: each.marker.check.result for each in installed}
    assert results["test"].startswith(
        "6 clips of 3 species as published, all readable; the archive has no"
    )
    assert "neither its md5 nor its counts were published" in results["val"]
    clips = (sets.root / "darksound-2023" / "test" / "Strigidae" / "bird1").iterdir()
    assert sorted(path.name for path in clips) == ["0.wav", "1.wav"]


def test_other_splits_of_an_archive_are_installed_too(sets):
    kaggle(sets, zip_of(FOLDERS))
    installed = download("darksound-2023:test", settings=sets.settings)
    assert set(kinds(installed)) == {"train", "val", "test"}
    download("darksound-2023", settings=sets.settings)
    assert len(sets.server.requests) == 1


def test_inner_archives_are_compared_to_the_published_md5(sets):
    damaged = zip_of(species("val/Strigidae", 2))
    kaggle(sets, zip_of({**INNER, "in/val.zip": damaged, "readme.zip": zip_of({"a": b""})}))
    installed = download("darksound-2023", settings=sets.settings)
    assert kinds(installed) == {"train": "inner", "val": "sound", "test": "inner"}
    results = {each.split.name: each.marker.check.result for each in installed}
    assert results["test"] == "the md5 of the inner archive Darksound_Test.zip is the published one"
    assert "the md5 of its inner archive val.zip is not the published one" in results["val"]


def test_an_inner_archive_is_identified_by_its_md5_whatever_its_name(sets):
    # Two archives with the name, before and after the one with the md5.
    other = zip_of(species("test/Strigidae", 1))
    kaggle(sets, zip_of({"test.zip": other, "p1.zip": TEST, "p2.zip": TRAIN, "z/test.zip": other}))
    installed = download("darksound-2023:test", settings=sets.settings)
    assert kinds(installed) == {"train": "inner", "test": "inner"}
    assert {each.split.name: each.marker.n_clips for each in installed}["test"] == 6


def test_incomplete_splits_are_not_verified(sets, caplog):
    fewer = {path: content for path, content in FOLDERS.items() if not path.endswith("bird2/1.wav")}
    fewer["darksound/train/Strigidae/bird0/0.wav"] = b"no sound"
    kaggle(sets, zip_of(fewer))
    installed = download("darksound-2023", settings=sets.settings)
    assert kinds(installed) == {"train": "none", "val": "sound", "test": "none"}
    by_name = {each.split.name: each.marker for each in installed}
    assert by_name["test"].check.result.startswith(
        "5 clips of 3 species where 6 of 3 were published"
    )
    assert by_name["train"].check.result.startswith("1 of 7 clips cannot be read")
    ((path, cause),) = by_name["train"].unreadable.items()
    assert path == "Strigidae/bird0/0.wav"
    assert cause.startswith("not a sound file that can be read")
    assert ".unpacking" not in json.dumps([caplog.text, cause])
    assert "5 clips of 3 species where 6" in caplog.text


def test_drive_is_tried_after_kaggle_and_the_errors_of_both_are_reported(sets):
    first = kaggle(sets, b"", responses.page("<title>Login</title><a href='/login'>"))
    second = sets.server.serve("/drive", TEST)
    both = (Mirror("kaggle", first, "page 1", whole_set=True), Mirror("drive", second, "page 2"))
    sets.publish("darksound-2023:test", TEST, both)
    installed = download("darksound-2023:test", settings=sets.settings)
    assert kinds(installed) == {"test": "md5"}
    shutil.rmtree(sets.root)
    sets.server.serve("/drive", b"", responses.page("<title>Quota exceeded</title>"))
    with pytest.raises(DownloadError) as caught:
        download("darksound-2023:test", settings=sets.settings)
    lines = str(caught.value).splitlines()
    assert lines[0] == "darksound-2023:test could not be downloaded. No mirror delivered it:"
    assert lines[1].startswith(
        f"  - {first} returned a web page ('Login') instead of an archive. It"
    )
    assert lines[2].startswith(f"  - {second} returned a web page ('Quota exceeded')")
    assert "page 1 (then --as darksound-2023) or page 2 (then --as darksound-2023:test)" in lines[3]


def test_an_archive_without_the_split_is_an_error(sets):
    kaggle(sets, zip_of({"birds/Strigidae/owl/1.wav": clip(1)}))
    with pytest.raises(DownloadError, match="No split of darksound-2023 is in the archive"):
        download("darksound-2023", settings=sets.settings)
    assert len(sets.server.requests) == 3
    assert not list(sets.root.rglob("*.archive"))


def test_changes_on_disk_are_listed_by_file_and_repaired(sets, archive):
    sets.serve(archive)
    (installed,) = download("darksound-2024:test", settings=sets.settings)
    (result,) = verify(settings=sets.settings)
    assert not result.differences
    assert (result.n_clips, result.n_species, result.check.kind) == (6, 3, "md5")

    folder = installed.folder
    (folder / "bird0" / "0.wav").unlink()
    flipped = bytearray((folder / "bird1" / "1.wav").read_bytes())
    flipped[-1] ^= 1
    (folder / "bird1" / "1.wav").write_bytes(flipped)
    (folder / "bird1" / "own.wav").write_bytes(clip(7))
    (folder / "notes.txt").write_text("mine")
    (result,) = verify("darksound-2024:test", settings=sets.settings)
    assert result.differences.lines() == [
        "missing: bird0/0.wav",
        "changed: bird1/1.wav",
        "extra: bird1/own.wav",
    ]

    (repaired,) = download("darksound-2024:test", settings=sets.settings)
    assert repaired.fresh
    assert not verify(settings=sets.settings)[0].differences
    # Files of the user are kept.
    assert repaired.quarantine is not None
    assert (repaired.quarantine / "bird1" / "own.wav").read_bytes() == clip(7)
    assert (repaired.quarantine / "notes.txt").exists()


def test_a_failed_repair_changes_nothing(sets, archive):
    resource = sets.serve(archive)
    (installed,) = download("darksound-2024:test", settings=sets.settings)
    (installed.folder / "bird0" / "0.wav").unlink()
    resource.responses = [responses.status(404)]
    with pytest.raises(DownloadError, match="404"):
        download("darksound-2024:test", settings=sets.settings)
    assert len(list(installed.folder.rglob("*.wav"))) == 5


def test_damaged_splits_of_one_archive_are_repaired_by_one_download(sets):
    kaggle(sets, zip_of(FOLDERS))
    for each in download("darksound-2023", settings=sets.settings):
        (each.folder / "Strigidae" / "bird0" / "0.wav").unlink()
    installed = download("darksound-2023", settings=sets.settings)
    assert all(each.fresh for each in installed)
    assert len(installed) == 3
    assert len(sets.server.requests) == 2


def test_a_damaged_marker_is_reported_and_repaired(sets, archive):
    sets.serve(archive)
    (installed,) = download("darksound-2024:test", settings=sets.settings)
    (installed.folder / ".darksound.json").write_text("{")
    (result,) = verify(settings=sets.settings)
    assert result.damaged
    assert "darksound.json cannot be read" in result.check.result
    (repaired,) = download("darksound-2024:test", settings=sets.settings)
    assert repaired.marker.check.kind == "md5"
    assert repaired.quarantine is not None


def test_a_set_without_a_marker_is_not_changed(sets, archive):
    sets.serve(archive)
    mine = sets.root / "darksound-2024" / "test" / "owl" / "1.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(clip(3))
    with pytest.raises(DownloadError, match="has no marker of darksound download"):
        download("darksound-2024:test", settings=sets.settings)
    assert mine.read_bytes() == clip(3)
    assert sets.server.requests == []
    (result,) = verify("darksound-2024:test", settings=sets.settings)
    assert (result.has_marker, result.check.kind, result.n_clips) == (False, "sound", 1)


def test_a_set_on_a_read_only_disk_is_verified(sets, archive, monkeypatch):
    sets.serve(archive)
    download("darksound-2024:test", settings=sets.settings)
    before = {path: path.stat().st_mtime_ns for path in sets.root.rglob("*")}

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    (installed,) = download("darksound-2024:test", settings=sets.settings)
    assert not installed.fresh
    assert {path: path.stat().st_mtime_ns for path in sets.root.rglob("*")} == before
    sets.publish("darksound-2024:train", archive, (Mirror("url", "http://127.0.0.1:9/", "p"),))
    with pytest.raises(DownloadError, match=r"Cannot write in .*read-only"):
        download("darksound-2024:train", settings=sets.settings)


def test_on_a_disk_without_locks_partial_files_of_others_are_not_used(
    sets, archive, monkeypatch, caplog
):
    sets.serve(archive, responses.dropping(30_000), responses.correct)
    other = sets.root / "darksound-2024" / ".download" / "darksound-2024-test.archive.0.part"
    other.parent.mkdir(parents=True)
    other.write_bytes(archive[:500])

    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", no_locks)
    (installed,) = download("darksound-2024:test", settings=sets.settings)
    assert installed.fresh
    assert "cannot be locked" in caplog.text
    assert other.read_bytes() == archive[:500]
    assert [request.start for request in sets.server.requests] == [0, 30_000]


def test_states_are_listed_without_the_network(sets, archive):
    sets.serve(archive, responses.silent(40_000, 0))
    sets.change_settings(max_attempts=1)
    with pytest.raises(DownloadError, match=r"ended after 40 kB of|closed the connection"):
        download("darksound-2024:test", settings=sets.settings)
    before = len(sets.server.requests)
    states = {state.split.spec: state for state in all_split_states(sets.settings.compute)}
    assert next(iter(states)) == "darksound-2023:train"
    assert states["darksound-2024:test"].partial_bytes == 40_000
    assert len(sets.server.requests) == before


def test_verify_of_a_missing_set_is_an_error(sets):
    assert verify(settings=sets.settings) == ()
    with pytest.raises(
        DownloadError, match=r"darksound-2024:train is not on disk .* download it with"
    ):
        verify("darksound-2024", settings=sets.settings)
    with pytest.raises(InputError, match="no published set 'darksound-2024:tset'; choose one of"):
        verify("darksound-2024:tset", settings=sets.settings)


class TestImports:
    """Archives that the user downloaded."""

    @pytest.fixture
    def given(self, tmp_path):
        def give(content, name="from-browser.zip"):
            path = tmp_path / name
            path.write_bytes(content)
            return str(path)

        return give

    def test_an_archive_is_identified_by_its_published_md5(self, sets, given):
        sets.publish("darksound-2023:test", TEST)
        path = given(TEST)
        (installed,) = download(path, settings=sets.settings)
        assert (installed.split.spec, installed.marker.check.kind) == ("darksound-2023:test", "md5")
        assert installed.marker.source == path
        assert zipfile.is_zipfile(path)

    def test_an_unknown_archive_must_be_named(self, sets, given, archive):
        with pytest.raises(InputError, match="is none of the published ones"):
            download(given(archive), settings=sets.settings)
        (installed,) = download(given(archive), named="darksound-2024:test", settings=sets.settings)
        assert installed.marker.check.kind == "sound"

    def test_an_archive_of_all_splits_is_named_by_its_set(self, sets, given):
        sets.publish("darksound-2023:test", TEST)
        installed = download(given(zip_of(INNER)), named="darksound-2023", settings=sets.settings)
        assert kinds(installed) == {"train": "sound", "val": "sound", "test": "inner"}

    def test_the_given_md5_is_verified(self, sets, given, archive):
        path = given(archive)
        with pytest.raises(DownloadError, match=r"has the md5 .* but 0{32} is required"):
            download(path, md5="0" * 32, named="darksound-2024:test", settings=sets.settings)
        with pytest.raises(InputError, match="'12' is no md5, which has 32 hexadecimal digits"):
            download(path, md5="12", settings=sets.settings)
        (installed,) = download(
            path, md5=md5(archive).upper(), named="darksound-2024:test", settings=sets.settings
        )
        assert installed.marker.check.kind == "given"

    def test_an_archive_of_another_split_than_named_is_refused(self, sets, given):
        sets.publish("darksound-2023:test", TEST)
        with pytest.raises(InputError, match="is darksound-2023:test by its md5, not"):
            download(given(TEST), named="darksound-2023:val", settings=sets.settings)

    def test_an_address_is_downloaded_like_a_mirror(self, sets, archive):
        address = sets.server.serve(
            "/mine.zip", archive, responses.dropping(30_000), responses.correct
        )
        (installed,) = download(
            f"{address}?token=s3cret",
            md5=md5(archive),
            named="darksound-2024:test",
            settings=sets.settings,
        )
        assert installed.marker.check.kind == "given"
        assert installed.marker.source == f"{address}?token=..."
        assert [request.start for request in sets.server.requests] == [0, 30_000]
        sets.change_settings(offline=True)
        with pytest.raises(DownloadError, match="is not downloaded with --offline"):
            download(address, named="darksound-2024:test", settings=sets.settings)

    def test_an_address_of_a_published_archive_needs_only_its_md5(self, sets):
        sets.publish("darksound-2023:test", TEST)
        address = sets.server.serve("/mine.zip", TEST)
        (installed,) = download(address, md5=md5(TEST), settings=sets.settings)
        assert (installed.split.spec, installed.marker.check.kind) == ("darksound-2023:test", "md5")

    def test_an_installed_split_is_not_replaced(self, sets, given, archive):
        named = {"named": "darksound-2024:test", "settings": sets.settings}
        download(given(archive), **named)
        (installed,) = download(given(zip_of({"test/owl/1.wav": clip(1)})), **named)
        assert not installed.fresh
        assert installed.marker.n_clips == 6

    @pytest.mark.parametrize(
        ("what", "more", "message"),
        [
            (("nothing.zip",), {}, "neither a published set nor an existing archive"),
            (("darksound-2025",), {}, "neither a published set nor an existing archive"),
            ((".",), {}, "is a folder, not an archive"),
            (("a.zip", "darksound-2023"), {}, "name nothing else beside it"),
            (("darksound-2023",), {"md5": "0" * 32}, "--as and --md5 are for an archive"),
        ],
    )
    def test_wrong_arguments_are_refused(self, sets, what, more, message):
        with pytest.raises(InputError, match=message):
            download(*what, settings=sets.settings, **more)


def test_a_set_that_another_process_installed_meanwhile_is_used(sets, archive, monkeypatch):
    sets.serve(archive)
    real = unpack_splits

    def unpack_twice(*args):
        # As if another process without the lock had been faster.
        monkeypatch.setattr("darksound.datasets.install.unpack_splits", real)
        download("darksound-2024:test", settings=sets.settings.replace(compute=different))
        shutil.copytree(sets.root.with_name("other"), sets.root, dirs_exist_ok=True)
        return real(*args)

    different = {"data_dir": sets.root.with_name("other")}
    monkeypatch.setattr("darksound.datasets.install.unpack_splits", unpack_twice)
    (installed,) = download("darksound-2024:test", settings=sets.settings)
    assert not installed.fresh
    assert not verify(settings=sets.settings)[0].differences


def test_files_that_the_user_adds_meanwhile_are_kept(sets, archive, monkeypatch):
    sets.serve(archive)
    real = unpack_splits

    def unpack_late(*args):
        mine = sets.root / "darksound-2024" / "test" / "owl"
        mine.mkdir(parents=True)
        (mine / "own.wav").write_bytes(clip(5))
        return real(*args)

    monkeypatch.setattr("darksound.datasets.install.unpack_splits", unpack_late)
    (installed,) = download("darksound-2024:test", settings=sets.settings)
    assert installed.quarantine is not None
    assert (installed.quarantine / "owl" / "own.wav").read_bytes() == clip(5)
    assert installed.marker.n_clips == 6
