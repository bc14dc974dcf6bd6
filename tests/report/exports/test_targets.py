"""Names that are valid on every file system."""

import csv
import re
import unicodedata
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.report.exports.targets import (
    annotation_names,
    distinct,
    portable_name,
    safe_name,
    safe_path,
    write_names,
)

hostile = st.text(
    alphabet=st.one_of(st.sampled_from('./\\:*?"<>| \t\n\0CONaux1é'), st.characters()), max_size=200
)


def acceptable(name):
    assert name
    assert len(name.encode()) <= 102
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
    assert name[0] != "."
    assert name[-1] not in ". "
    assert name.split(".")[0].casefold() not in {"con", "prn", "aux", "nul", "com1", "lpt¹"}


@settings(deadline=None)
@given(hostile)
def test_any_text_gives_a_name_that_is_valid_on_windows(text):
    acceptable(safe_name(text))
    path = safe_path(text)
    assert not path.is_absolute()
    for part in path.parts:
        acceptable(part)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "_"),
        ("..", "__"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("a/b\\c:d", "a_b_c_d"),
        ("CON", "CON_"),
        ("nul.wav", "nul.wav_"),
        ("com¹", "com¹_"),
        ("conference", "conference"),
        ("train", "train_"),
        ("call. ", "call__"),
        (".hidden", "_hidden"),
        ("Zaunkönig 歌", "Zaunkönig 歌"),
        ("e\u0301", "é"),
    ],
)
def test_names_by_example(text, name):
    assert safe_name(text) == name


def test_long_names_are_cut_between_letters():
    name = safe_name("é" * 90)
    assert name == "é" * 50
    assert unicodedata.is_normalized("NFC", name)


def test_paths_keep_their_folders_and_stay_in_the_target():
    assert safe_path("night/a.wav") == PurePosixPath("night/a.wav")
    assert safe_path("night\\a.wav") == PurePosixPath("night/a.wav")
    assert safe_path("../../a.wav") == PurePosixPath("__/__/a.wav")
    assert safe_path("/etc/passwd") == PurePosixPath("etc/passwd")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "A", "a-2", "é", "e\u0301", "b"]), max_size=12))
def test_names_that_differ_in_case_or_accents_only_become_distinct(names):
    unique = distinct(names)
    folded = {unicodedata.normalize("NFKC", name).casefold() for name in unique}
    assert len(folded) == len(names)
    assert all(new.startswith(old) for new, old in zip(unique, names, strict=True))


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\u2028", "\x1b", "\x9b", "\udcfc"])
def test_names_have_no_signs_that_disguise_them(sign):
    assert sign not in safe_name(f"a{sign}gpj.exe")


def test_a_name_that_is_no_utf_8_keeps_its_bytes_as_text():
    assert safe_name("Gr\udcfcn") == "Gr_xfcn"


def test_a_portable_name_may_be_that_of_a_split():
    assert (portable_name("train"), safe_name("train")) == ("train", "train_")


def test_changed_names_are_listed_with_their_recordings(tmp_path):
    names = {("/r", "night/a.wav"): "night/a.txt", ("/r", 'a"\n.wav'): "a__.txt"}
    write_names(names, ".txt", tmp_path / "names.csv")
    with (tmp_path / "names.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "root", "recording"],
            ["night/a.txt", "/r", "night/a.wav"],
            ["a__.txt", "/r", 'a"\n.wav'],
        ]


def test_names_as_the_recordings_need_no_list(tmp_path):
    names = {
        ("/r", "night/a.wav"): "r/night/a.txt",
        ("/r", "a.wav"): "a.txt",
        ("/r", "b.wav"): "b.wav.txt",
    }
    write_names(names, ".txt", tmp_path / "names.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recording", "name"),
    [
        ("CON.wav", "CON_.txt"),
        ("V\\xf6gel/Gr\\xfcn.wav", "V_xf6gel/Gr_xfcn.txt"),
        ("night\\2023.06\\a.wav", "night/2023.06/a.txt"),
        ("a" * 251 + ".wav", "a" * 100 + ".txt"),
    ],
)
def test_annotation_files_have_names_that_are_valid_on_all_systems(recording, name):
    table = pd.DataFrame({"root": ["/r"], "recording": [recording]})
    content: Any = SimpleNamespace(table=table)
    names = annotation_names(content, ".txt")
    assert names == {("/r", recording): name}
