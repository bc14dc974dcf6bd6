"""Splits are found in archives of any folder structure."""

from pathlib import PurePosixPath as P

import pytest

from darksound.datasets.archives import ArchiveError
from darksound.datasets.unpack import (
    clips_per_species,
    find_single_split,
    find_split_folders,
    is_inner_archive,
    is_sound,
    split_of_inner_archive,
)

SPLITS = ("train", "val", "test")


def paths(*prefixes):
    return [
        P(prefix) / "Strigidae" / "Megascops" / f"{i}.wav" for prefix in prefixes for i in (1, 2)
    ]


@pytest.mark.parametrize(
    ("prefixes", "found"),
    [
        (("train", "val", "test"), {"train": "train", "val": "val", "test": "test"}),
        (("data/train", "data/Test"), {"train": "data/train", "test": "data/Test"}),
        (("a/train/train", "a/test/test"), {"train": "a/train/train", "test": "a/test/test"}),
        (("x/Validation", "y/z/training"), {"val": "x/Validation", "train": "y/z/training"}),
        (("birds",), {}),
        ((), {}),
    ],
)
def test_split_folders_are_found_at_any_depth(prefixes, found):
    got = find_split_folders(paths(*prefixes), SPLITS)
    assert got == {split: P(folder) for split, folder in found.items()}


def test_two_folders_of_one_split_are_an_error():
    with pytest.raises(ArchiveError, match="several folders that may be test: a/test, b/test"):
        find_split_folders(paths("a/test", "b/test"), SPLITS)


def test_a_species_named_test_is_no_split():
    sounds = [P("train/test/1.wav"), P("train/owl/1.wav")]
    assert find_split_folders(sounds, ("train",)) == {"train": P("train")}


@pytest.mark.parametrize(
    ("prefix", "layout", "folder"),
    [
        ("test", ("family", "species"), "test"),
        ("set/test", ("family", "species"), "set/test"),
        (".", ("family", "species"), "."),
        ("wrapper/more", ("family", "species"), "wrapper/more"),
        ("wrapper", ("species",), "wrapper/Strigidae"),
    ],
)
def test_the_folder_of_a_single_split_is_found_with_and_without_its_name(prefix, layout, folder):
    assert find_single_split(paths(prefix), "test", layout) == P(folder)


def test_an_archive_of_another_split_is_an_error():
    with pytest.raises(ArchiveError, match="holds train, but no folder 'test'"):
        find_single_split(paths("train"), "test", ("family", "species"))
    with pytest.raises(ArchiveError, match="no sound files"):
        find_single_split([], "test", ("species",))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("test.zip", "test"),
        ("in/Darksound_Test.zip", "test"),
        ("validation-2023.tar.gz", "val"),
        ("train_test.zip", None),
        ("latest.zip", None),
        ("images.zip", None),
    ],
)
def test_inner_archives_are_identified_by_name(name, split):
    assert is_inner_archive(P(name))
    assert split_of_inner_archive(P(name), SPLITS) == split


def test_hidden_files_are_no_sound_files():
    junk = ("__MACOSX/test/owl/._1.wav", "test/owl/._1.wav", "test/.hidden/1.wav", "a/readme.txt")
    assert not any(is_sound(P(path)) for path in junk)
    assert is_sound(P("test/owl/1.WAV"))


def test_species_are_the_folders_of_clips():
    assert clips_per_species([P("f/b/1.wav"), P("f/a/1.wav"), P("a/2.wav")]) == {"a": 2, "b": 1}
    with pytest.raises(
        ArchiveError, match=r"1 sound files are not in the folder of a species, such as 'x"
    ):
        clips_per_species([P("x.wav"), P("a/2.wav")])
