"""Tests of text from input that tables, logs and terminals hold."""

import os
from pathlib import Path

import pytest

from darksound.text import path_text, printable, text_path, valid_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grün 鳥 [red]x[/]", "Grün 鳥 [red]x[/]"),
        ("\x1b]0;title\x07\x1b[31mred", r"\x1b]0;title\x07\x1b[31mred"),
        ("a\rb\tc\nd", r"a\rb\tc\nd"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202egpj.exe", r"abc\u202egpj.exe"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("Gr\udcfcn", r"Gr\xfcn"),
        ("\ud800", r"\ud800"),
        # Joiners are part of words and emoji.
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_text_cannot_control_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_own_messages_keep_their_indented_lines() -> None:
    assert printable("Causes:\n  a.wav\n  b.wav") == "Causes:\n  a.wav\n  b.wav"


def test_valid_text_replaces_bytes_only() -> None:
    assert valid_text("a\udcfc\x1bü") == "a\\xfc\x1bü"


def test_a_path_of_bytes_is_found_by_its_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xfcber")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system holds valid UTF-8 only")
    assert path_text(folder) == rf"{tmp_path}/\xfcber"
    assert text_path(path_text(folder)) == folder
    # Files that do not exist yet, in folders that do.
    assert text_path(path_text(folder / "runs" / "new")) == folder / "runs" / "new"
    new = tmp_path / os.fsdecode(b"neu\xff")
    assert text_path(path_text(new)) == new
    (tmp_path / r"neu\xff").mkdir()
    assert text_path(path_text(new)) == tmp_path / r"neu\xff"
