"""Listing of recordings: odd names, hidden files, folders of systems, links and what is no file."""

import logging
import os
import socket
import sys
import unicodedata
from pathlib import Path

import pytest

from darksound.audio.files import FileReader
from darksound.errors import InputError, SettingsError
from darksound.rois.listing import find_recordings, list_files
from darksound.rois.roi_set import roi_ids
from darksound.settings import ComputeSettings
from darksound.sources import load_rois
from darksound.store.shard_file import cache_folder

posix = pytest.mark.skipif(os.name == "nt", reason="Windows does not have such names or files")
linux = pytest.mark.skipif(sys.platform != "linux", reason="names are text on this system")


@pytest.mark.parametrize(
    "folder",
    [
        "$RECYCLE.BIN", "$Recycle.Bin", ".Trashes", ".Trash-1000", ".Spotlight-V100", ".fseventsd",
        "System Volume Information", "SYSTEM VOLUME INFORMATION", "@eaDir", "lost+found",
        "LOST+FOUND", "__MACOSX", "RECYCLER", "FOUND.000", "#recycle", "@Recycle", ".stfolder",
        ".stversions", ".dropbox.cache", ".hidden",
    ],
)  # fmt: skip
def test_folders_of_systems_are_skipped(
    folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / folder / "deep").mkdir(parents=True)
    (tmp_path / folder / "deep" / "old.wav").touch()
    (tmp_path / "a.wav").touch()
    with caplog.at_level(logging.INFO):
        assert find_recordings(tmp_path) == (["a.wav"], [])
    assert "skipped 1 hidden files and folders" in caplog.text


def test_folders_with_similar_names_are_listed(tmp_path: Path) -> None:
    for folder in ("recycle", "lost", "trash", "System", "eaDir", "found.wrens"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").touch()
    assert len(find_recordings(tmp_path)[0]) == 6


def test_the_folder_itself_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / ".Trashes").mkdir()
    (tmp_path / ".Trashes" / "a.wav").touch()
    assert find_recordings(tmp_path / ".Trashes")[0] == ["a.wav"]


def test_resource_forks_are_skipped_beside_their_recording(tmp_path: Path) -> None:
    for name in ("a.wav", "._a.wav", ".DS_Store", "._b.mp3"):
        (tmp_path / name).touch()
    listed = list_files(tmp_path)
    assert [text for text, _ in listed.files] == ["a.wav"]
    assert listed.n_hidden == 3


@posix
@pytest.mark.parametrize(
    "name",
    [
        "a\nb.wav", "a\tb.wav", "-rf.wav", "~.wav", "~root.wav", "[1-9]*.wav", "{a,b}.wav",
        "a?.wav", "NUL", "con.wav", "a b .wav", "'\".wav", "$HOME.wav", "%s%d.wav", "a\\b.wav",
        "\x1b[31m.wav",        "ü" * 125 + ".wav", "a" * 251 + ".wav", "x.wav.WAV",
    ],
)  # fmt: skip
def test_odd_names_are_recordings_like_others(name: str, tmp_path: Path, tone) -> None:
    tone(tmp_path / name, format="WAV")
    listed = [text for text, _ in list_files(tmp_path).files]
    assert listed == [name]
    if name != "NUL":
        rois = load_rois(tmp_path, rois="whole")
        assert rois.table["recording"].tolist() == [name]
        assert rois.reader.info(str(tmp_path), name).rate == 16_000


def test_a_folder_with_the_suffix_of_a_recording_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.wav").mkdir()
    (tmp_path / "x.wav" / "y.wav").touch()
    assert find_recordings(tmp_path) == (["x.wav/y.wav"], [])


@linux
def test_names_and_folders_that_are_not_utf_8_are_used(tmp_path: Path, tone) -> None:
    folder = tmp_path / os.fsdecode(b"Aufnahmen \xe4")
    path = folder / os.fsdecode(b"V\xf6gel") / os.fsdecode(b"Gr\xfcn.wav")
    path.parent.mkdir(parents=True)
    tone(tmp_path / "a.wav").rename(path)
    rois = load_rois(folder, rois="whole")
    assert rois.problems == ()
    row = rois.table.loc[0]
    assert row["root"] == rf"{tmp_path.resolve()}/Aufnahmen \xe4"
    assert (row["recording"], row["label"]) == (r"V\xf6gel/Gr\xfcn.wav", r"V\xf6gel")
    sound, rate = rois.reader.read(str(row["root"]), str(row["recording"]), 0.0, 1.0, None)
    assert len(sound) == rate == 16_000


@linux
def test_a_byte_and_its_text_in_one_folder_are_reported(tmp_path: Path) -> None:
    (tmp_path / r"\xfc.wav").touch()
    (tmp_path / os.fsdecode(b"\xfc.wav")).touch()
    recordings, problems = find_recordings(tmp_path)
    assert recordings == [r"\xfc.wav"]
    assert [problem.recording for problem in problems] == [r"\xfc.wav"]
    assert "rename one of them" in problems[0].cause


@linux
def test_two_forms_of_one_name_in_one_folder_are_reported(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "Grün.wav") for form in ("NFC", "NFD")]
    for name in names:
        (tmp_path / name).touch()
    recordings, problems = find_recordings(tmp_path)
    assert sorted(recordings + [problem.recording for problem in problems]) == sorted(names)
    assert len(problems) == 1


def test_both_forms_of_a_name_give_one_roi_id() -> None:
    composed = roi_ids(["Gr\u00fcn/\u00e9.wav"], [1.0], [2.0])
    assert roi_ids(["Gru\u0308n/e\u0301.wav"], [1.0], [2.0]) == composed
    # Calculated with Python 3.11: blake2b of the text in UTF-8, 8 bytes.
    assert composed == ["cd199a86f70507d9"]


@posix
def test_pipes_and_sockets_with_a_name_of_sound_are_problems_and_do_not_hang(
    tmp_path: Path, tone, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(tmp_path / "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "null.wav").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.flac")
        rois = load_rois(tmp_path, rois="whole")
    assert rois.table["recording"].tolist() == ["a.wav"]
    names = {problem.recording for problem in rois.problems}
    assert names == {"pipe.wav", "null.wav", "socket.flac"}


@posix
def test_links_that_are_broken_or_loop_are_problems(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nothing.wav")
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    (tmp_path / "folder").symlink_to(tmp_path)
    rois = load_rois(tmp_path, rois="whole")
    assert rois.table["recording"].tolist() == ["a.wav"]
    assert {problem.recording for problem in rois.problems} == {"broken.wav", "self.wav"}


@posix
def test_very_deep_folders_are_listed_to_the_limit_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wav").touch()
    monkeypatch.chdir(tmp_path)
    name = "d" * 200
    for _ in range(25):  # longer than PATH_MAX
        os.mkdir(name)
        os.chdir(name)
    recordings, problems = find_recordings(tmp_path)
    os.chdir(tmp_path)
    assert recordings == ["a.wav"]
    assert len(problems) == 1
    assert "its name or path is too long for this system" in problems[0].cause


def test_a_file_that_vanishes_after_listing_is_a_problem(
    tmp_path: Path, tone, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(tmp_path / "a.wav")
    gone = tone(tmp_path / "b.wav")
    listed = list_files(tmp_path)
    gone.unlink()
    monkeypatch.setattr("darksound.rois.listing.list_files", lambda *_: listed)
    rois = load_rois(tmp_path, rois="whole")
    assert rois.table["recording"].tolist() == ["a.wav"]
    assert [problem.recording for problem in rois.problems] == ["b.wav"]


@pytest.mark.parametrize("name", ["a\0b", "a\0b.wav", "x" * 300, "x" * 300 + ".wav", "\ud800.csv"])
def test_names_that_no_file_can_have_are_input_errors(name: str) -> None:
    with pytest.raises(InputError, match=r"no file or folder of that name|too long"):
        load_rois(name)


@pytest.mark.parametrize("recording", ["a\0b.wav", "x" * 300 + ".wav"])
def test_recordings_that_no_file_can_have_are_input_errors(recording: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"NUL character|too long"):
        FileReader().info(str(tmp_path), recording)


@pytest.mark.parametrize("cache", ["x" * 300, "file/below"])
def test_a_cache_folder_that_cannot_be_is_a_settings_error(cache: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    compute = ComputeSettings(cache_dir=tmp_path / cache)
    with pytest.raises(SettingsError, match=r"compute\.cache_dir.*(too long|not a folder)"):
        cache_folder(compute)
