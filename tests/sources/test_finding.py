"""Recordings by the names that tables give them."""

import os
import unicodedata

import pytest

from darksound.errors import InputError
from darksound.sources.finding import RecordingFinder


@pytest.fixture
def finder(tmp_path):
    for name in ("a.wav", "Sub/B.WAV", "x [1-3]/c.flac", "Grün.wav", "twins/t.wav", "twins/T.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return RecordingFinder(tmp_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.wav", "a.wav"),
        ("A.WAV", "a.wav"),
        ("./a.wav", "a.wav"),
        ("Sub/../a.wav", "a.wav"),
        ("sub\\b.wav", "Sub/B.WAV"),
        ("SUB/B.wav", "Sub/B.WAV"),
        ("X [1-3]/C.FLAC", "x [1-3]/c.flac"),
        ("x 1/c.flac", "x 1/c.flac"),
        ("gr\u00fcn.WAV", "Grün.wav"),
        (unicodedata.normalize("NFD", "GRÜN.wav"), "Grün.wav"),
        ("D:\\field\\sub\\b.wav", "Sub/B.WAV"),
        ("/Volumes/disk/Sub/B.WAV", "Sub/B.WAV"),
        ("twins/t.wav", "twins/t.wav"),
        ("twins/T.wav", "twins/T.wav"),
        ("TWINS/T.wav", "twins/T.wav"),
        ("gone.wav", "gone.wav"),
        ("b.wav", "b.wav"),
    ],
)
def test_similar_names_are_found_where_only_one_is(finder, name, found):
    assert finder.find(name) == found


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("twins/t.WAV", r"may be any of twins/T\.wav, twins/t\.wav"),
        ("../a.wav", "leads out of"),
        ("Sub/../../a.wav", "leads out of"),
        ("..\\a.wav", "leads out of"),
        ("https://example.org/a.wav", "is an address"),
        ("file:///a.wav", "is an address"),
    ],
)
def test_ambiguous_names_and_names_elsewhere_are_errors(finder, name, cause):
    with pytest.raises(InputError, match=cause):
        finder.find(name)


def test_each_folder_is_listed_once(finder, monkeypatch):
    listed = []
    scandir = os.scandir

    def count(path):
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", count)
    for number in range(50):
        finder.find(f"SUB/gone-{number}.wav")
        with pytest.raises(InputError, match="there is no recording"):
            finder.find_anywhere(f"gone-{number}.wav")
    # The root and its folder by name, and all four folders for `find_anywhere`.
    assert len(listed) <= 6


def test_a_name_that_two_folders_have_is_found_by_its_folder(finder, tmp_path):
    (tmp_path / "deep" / "Sub").mkdir(parents=True)
    (tmp_path / "deep" / "Sub" / "a.wav").touch()
    assert finder.find_anywhere("E:\\x\\deep\\sub\\a.wav") == tmp_path / "deep/Sub/a.wav"
    assert finder.find_anywhere("c.flac") == tmp_path / "x [1-3]/c.flac"
    with pytest.raises(InputError, match="there are 2 with that name"):
        RecordingFinder(tmp_path).find_anywhere("T.WAV")
