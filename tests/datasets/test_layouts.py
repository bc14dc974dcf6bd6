"""Finding a split in an archive, whatever its packer put around it."""

from pathlib import PurePosixPath as P

import pytest

from darksound.datasets.archives import ArchiveError
from darksound.datasets.layouts import (
    find_split,
    find_splits,
    inner_split,
    is_inner,
    is_sound,
    species_of,
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
def test_split_folders_are_found_wherever_they_lie(prefixes, found):
    got = find_splits(paths(*prefixes), SPLITS)
    assert got == {split: P(folder) for split, folder in found.items()}


def test_two_folders_of_one_split_are_not_guessed_between():
    with pytest.raises(ArchiveError, match="several folders that may be test: a/test, b/test"):
        find_splits(paths("a/test", "b/test"), SPLITS)


def test_a_species_that_is_called_test_is_no_split():
    sounds = [P("train/test/1.wav"), P("train/owl/1.wav")]
    assert find_splits(sounds, ("train",)) == {"train": P("train")}


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
    assert find_split(paths(prefix), "test", layout) == P(folder)


def test_an_archive_of_another_split_is_told():
    with pytest.raises(ArchiveError, match="holds train, but no folder 'test'"):
        find_split(paths("train"), "test", ("family", "species"))
    with pytest.raises(ArchiveError, match="no sound files"):
        find_split([], "test", ("species",))


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
def test_inner_archives_are_known_by_name(name, split):
    assert is_inner(P(name))
    assert inner_split(P(name), SPLITS) == split


def test_what_desktops_leave_behind_is_no_sound():
    junk = ("__MACOSX/test/owl/._1.wav", "test/owl/._1.wav", "test/.hidden/1.wav", "a/readme.txt")
    assert not any(is_sound(P(path)) for path in junk)
    assert is_sound(P("test/owl/1.WAV"))


def test_species_are_the_folders_of_clips():
    assert species_of([P("f/b/1.wav"), P("f/a/1.wav"), P("a/2.wav")]) == {"a": 2, "b": 1}
    with pytest.raises(ArchiveError, match=r"1 sound files lie in no species' folder, such as 'x"):
        species_of([P("x.wav"), P("a/2.wav")])
