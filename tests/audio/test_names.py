"""Tests of the text of recordings' names, and of the file that a text names."""

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.audio.names import composed, recording_path, recording_text

bytes_in_names = pytest.mark.skipif(
    sys.platform != "linux", reason="file names are text on this system"
)
# All bytes but NUL and the separator; the alphabet makes the text of escaped bytes likely.
_PARTS = st.lists(
    st.sampled_from([b"\xfc", b"\\", b"\\xfc", b"x", b"f", b"c", b"\xc3", b"\xbc", b" ", b"\n"]),
    min_size=1,
    max_size=8,
).map(b"".join) | st.binary(min_size=1, max_size=40).map(
    lambda name: name.replace(b"\0", b"0").replace(b"/", b"_")
)
_NAMES = _PARTS.filter(lambda name: name not in (b".", b".."))


def test_undecodable_bytes_are_written_as_hexadecimal_escapes() -> None:
    assert recording_text(os.fsdecode(b"a/Gr\xfcn_20230601.wav")) == r"a/Gr\xfcn_20230601.wav"


def test_names_of_valid_utf_8_are_their_own_text() -> None:
    for name in ("a/Grün.wav", r"a\xfc.wav", "[x] *.wav", "a\nb.wav", "~.wav", "鳥.wav"):
        assert recording_text(Path(name)) == name


@bytes_in_names
@settings(deadline=None)
@given(name=_NAMES)
def test_every_name_on_disk_is_found_by_its_text(
    name: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = os.fsencode(tmp_path_factory.mktemp("names"))
    with open(os.path.join(folder, name), "wb") as file:
        file.write(name)
    text = recording_text(os.fsdecode(name))
    text.encode()  # valid UTF-8
    assert recording_path(os.fsdecode(folder), text).read_bytes() == name


@settings(deadline=None)
@given(first=_NAMES, second=_NAMES)
def test_two_names_that_are_not_utf_8_never_give_one_text(first: bytes, second: bytes) -> None:
    names = {os.fsdecode(name) for name in (b"\xff" + first, b"\xff" + second)}
    assert len({recording_text(name) for name in names}) == len(names)


@bytes_in_names
def test_a_name_that_holds_an_escape_as_text_comes_before_the_byte(tmp_path: Path) -> None:
    (tmp_path / r"\xfc.wav").write_text("text")
    (tmp_path / os.fsdecode(b"\xfc.wav")).write_text("byte")
    assert recording_path(str(tmp_path), r"\xfc.wav").read_text() == "text"


@bytes_in_names
def test_a_root_that_is_not_utf_8_is_found_by_its_text(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"Aufn\xe4hmen")
    (root / os.fsdecode(b"\xfc")).mkdir(parents=True)
    (root / os.fsdecode(b"\xfc") / "a.wav").write_text("sound")
    assert recording_path(rf"{tmp_path}/Aufn\xe4hmen", r"\xfc/a.wav").read_text() == "sound"
    assert recording_path(root, r"\xfc/a.wav").read_text() == "sound"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_in_both_forms_of_its_accents(form: str, tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFC", "Grün.wav")).write_text("sound")
    (tmp_path / unicodedata.normalize("NFD", "Été.wav")).write_text("sound")
    for name in ("Grün.wav", "Été.wav"):
        text = unicodedata.normalize(form, name)  # type: ignore[arg-type]
        assert recording_path(tmp_path, text).read_text() == "sound"


def test_the_path_as_written_is_returned_where_nothing_exists(tmp_path: Path) -> None:
    assert recording_path(tmp_path, r"\xfc.wav") == tmp_path / r"\xfc.wav"
    assert recording_path("/no", "a.wav") == Path("/no/a.wav")


def test_both_forms_of_accents_compose_to_one_name() -> None:
    assert composed("Gru\u0308n.wav") == composed("Gr\u00fcn.wav") == "Gr\u00fcn.wav"
