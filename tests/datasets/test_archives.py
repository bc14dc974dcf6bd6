"""Hostile and damaged archives are refused."""

import io
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.archive_bytes import clip, species, tar_of, zip_of

from darksound.datasets.archives import (
    ArchiveError,
    Member,
    UnpackLimits,
    accept_members,
    open_archive,
)
from darksound.datasets.download import download
from darksound.datasets.unpack import extract
from darksound.errors import DownloadError
from darksound.progress import silent
from darksound.settings import Settings

SOUND = clip(1)


def info(name, mode=0, flags=0):
    """A zip entry with attributes of a Unix file."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    entry.flag_bits |= flags
    return entry


def zip_with(*entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("test/owl/good.wav", SOUND)
        for entry in entries:
            archive.writestr(entry, b"payload")
    return out.getvalue()


def tar_with(kind, name="test/owl/evil.wav", target="/etc/passwd"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
    return out.getvalue()


def patched(name, old, new):
    """An archive with an entry of this name, `old` bytes in its headers made `new`."""
    packed = zip_with(info(name))
    assert packed.count(old) == 2
    return packed.replace(old, new)


def encrypted():
    packed = bytearray(zip_with(info("test/owl/evil.wav")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.rindex(signature) + offset] |= 1
    return bytes(packed)


def unknown_method():
    packed = bytearray(zip_with(info("test/owl/evil.wav")))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        packed[packed.rindex(signature) + offset] = 97
    return bytes(packed)


HOSTILE = {
    "absolute": (zip_with("/etc/evil.wav"), "'/etc/evil.wav' has an absolute path"),
    "drive": (zip_with("C:/evil.wav"), "'C:/evil.wav' has an absolute path"),
    "backslash": (zip_with("test\\..\\evil.wav"), "has a backslash in its name"),
    "up": (zip_with("test/../../evil.wav"), "'test/../../evil.wav' leads out of"),
    "up in tar": (tar_of({"../evil.wav": SOUND}), "'../evil.wav' leads out of"),
    "absolute in tar": (tar_of({"/tmp/evil.wav": SOUND}), "has an absolute path"),
    "link": (zip_with(info("test/owl/evil.wav", stat.S_IFLNK | 0o777)), "evil.wav' is a link"),
    "link among junk": (zip_with(info("__MACOSX/._e", stat.S_IFLNK | 0o777)), "is a link"),
    "device": (zip_with(info("test/owl/evil.wav", stat.S_IFCHR)), "is a device or another"),
    "pipe": (zip_with(info("test/owl/evil.wav", stat.S_IFIFO)), "is a device or another"),
    "soft link in tar": (tar_with(tarfile.SYMTYPE), "'test/owl/evil.wav' is a link"),
    "hard link in tar": (tar_with(tarfile.LNKTYPE), "'test/owl/evil.wav' is a link"),
    "device in tar": (tar_with(tarfile.CHRTYPE), "is a device or another"),
    "pipe in tar": (tar_with(tarfile.FIFOTYPE), "is a device or another"),
    "device name": (zip_with("test/owl/AUX.wav"), "'test/owl/AUX.wav' has a name that is a"),
    "stream": (zip_with("test/owl/a.wav:b"), "has a name that is a device"),
    "zero byte": (patched("test/owl/evil.wav0", b"evil.wav0", b"evil.wav\0"), "control characters"),
    "long name": (zip_with(f"test/owl/{'é' * 128}.wav"), "has a name of more than 255 bytes"),
    "long path": (zip_with("/".join(["test", *["x" * 200] * 5, "a.wav"])), "more than 1000 bytes"),
    "nameless": (zip_with("./."), "has no name"),
    "twice": (
        patched("test/owl/evil.wav", b"evil.wav", b"good.wav"),
        "'test/owl/good.wav' occurs twice",
    ),
    "case": (zip_with("test/owl/GOOD.wav"), "is the same as 'test/owl/good.wav'"),
    "case of a folder": (zip_with("test/Owl/a.wav"), "is the same as 'test/owl'"),
    "accents": (
        zip_with("test/owl/e\u0301.wav", "test/owl/\u00e9.wav"),
        "on disks that ignore case or accents",
    ),
    "dots": (zip_with("test/owl./a.wav"), "is the same as 'test/owl'"),
    "file and folder": (zip_with("test/owl/good.wav/a.wav"), "both a file and a folder"),
    "encrypted": (encrypted(), "evil.wav' is encrypted"),
    "method": (unknown_method(), "is compressed by method 97"),
}


@pytest.fixture
def outside(tmp_path):
    """Check that nothing was written outside the data folder."""
    yield
    strangers = [p for p in tmp_path.rglob("*") if "evil" in p.name or p.name == "a.wav"]
    assert strangers == []
    assert not Path("/etc/evil.wav").exists()


def import_archive(sets, tmp_path, packed, spec="darksound-2024:test"):
    path = tmp_path / "given.archive"
    path.write_bytes(packed)
    return download(str(path), named=spec, settings=sets.settings)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused_and_named(sets, tmp_path, case):
    packed, message = HOSTILE[case]
    with pytest.raises(DownloadError) as caught:
        import_archive(sets, tmp_path, packed)
    assert message in str(caught.value)
    assert "Nothing of this archive is unpacked" in str(caught.value)
    assert not [path for path in sets.root.rglob("*") if path.suffix == ".wav"]


def test_a_hostile_inner_archive_is_refused_too(sets, tmp_path):
    outer = zip_of({"train.zip": HOSTILE["up"][0]})
    with pytest.raises(DownloadError, match="leads out of the archive's folder"):
        import_archive(sets, tmp_path, outer, "darksound-2023")
    assert not (sets.root / "darksound-2023" / "train").exists()


def test_a_bomb_is_refused_by_ratio_size_and_count(sets, tmp_path):
    zeros = zip_of({"test/owl/zeros.wav": bytes(150_000_000)})
    assert len(zeros) < 200_000
    with pytest.raises(
        DownloadError, match=r"zeros\.wav' is refused: with it 146 kB unpack to more"
    ):
        import_archive(sets, tmp_path, zeros)
    many = zip_of({f"test/owl/{i}.wav": b"" for i in range(50)})
    sets.change_settings(max_files=49)
    with pytest.raises(DownloadError, match=r"/49\.wav' is refused: .* more than 49 files"):
        import_archive(sets, tmp_path, many)
    sets.change_settings(max_files=1000, max_unpacked_gb=1e-5)
    with pytest.raises(DownloadError, match="unpacks to more than 1e-05 GB"):
        import_archive(sets, tmp_path, zip_of({"test/owl/a.wav": SOUND}))


def test_inner_archives_count_towards_the_limits_of_the_outer_one(sets, tmp_path):
    inner = zip_of({"train/f/owl/zeros.wav": bytes(150_000_000)})
    with pytest.raises(DownloadError, match="as in an archive bomb"):
        import_archive(sets, tmp_path, zip_of({"train.zip": inner}), "darksound-2023")


def test_a_tar_bomb_is_refused_before_it_is_read(sets, tmp_path):
    # The header states 300 MB; nothing follows.
    entry = tarfile.TarInfo("test/owl/zeros.wav")
    entry.size = 300_000_000
    with pytest.raises(DownloadError, match="as in an archive bomb"):
        import_archive(sets, tmp_path, entry.tobuf() + bytes(1024))


def lying(size):
    """Return a zip whose headers state that its member has `size` bytes."""
    packed = bytearray(zip_of({"test/owl/a.wav": SOUND}, zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", packed, packed.index(signature) + offset, size)
    return bytes(packed)


@pytest.mark.parametrize(
    "packed",
    [
        lying(10),
        lying(len(SOUND) + 5),
        zip_of({"test/owl/a.wav": SOUND}, zipfile.ZIP_STORED).replace(SOUND, SOUND[::-1]),
        zip_of({"test/owl/a.wav": SOUND}).replace(b"a.wav", b"b.wav", 1),
        zip_of({"test/owl/a.wav": SOUND})[:-30],
        zip_of({"test/owl/a.wav": SOUND})[:5000],
        tar_of({"test/owl/a.wav": SOUND})[:5000],
        tar_of({"test/owl/a.wav": SOUND}, "w:xz")[:2000],
        tar_of({"test/owl/a.wav": SOUND}, "w:bz2")[:2000],
        b"\x1f\x8b" + bytes(50),
        b"PK\x03\x04" + bytes(50),
        b"",
        b"RIFF",
    ],
    ids=[
        *("header too short", "header too long", "wrong CRC", "other name", "no end", "cut zip"),
        *("cut gz", "cut xz", "cut bz2", "false gz", "false zip", "empty", "sound"),
    ],
)
def test_damaged_archives_are_errors(sets, tmp_path, packed):
    with pytest.raises(
        ArchiveError, match=r"given\.archive: .*(damaged|no archive|no sound files)"
    ):
        import_archive(sets, tmp_path, packed)
    assert not (sets.root / "darksound-2024" / "test").exists()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_good_tar_archives_are_unpacked(sets, tmp_path, mode):
    (installed,) = import_archive(sets, tmp_path, tar_of(species("./test"), mode))
    assert installed.marker.n_clips == 6
    unpacked = (installed.folder / "bird0" / "1.wav").read_bytes()
    assert unpacked == species("test")["test/bird0/1.wav"]


def test_hidden_files_of_desktops_are_not_unpacked(sets, tmp_path):
    files = {
        **species("test"),
        "__MACOSX/test/bird0/._0.wav": b"x",
        "test/.DS_Store": b"x",
        "test/bird0/._0.wav": b"x",
        "test/notes.txt": b"kept",
        "README.md": b"outside",
    }
    (installed,) = import_archive(sets, tmp_path, zip_of(files))
    there = {p.relative_to(installed.folder).as_posix() for p in installed.folder.rglob("*.*")}
    sounds = {path.removeprefix("test/") for path in species("test")}
    assert there == sounds | {"notes.txt", ".darksound.json"}


NAMES = st.lists(
    st.sampled_from(
        ["..", ".", "", "test", "owl", "a.wav", "~", "con", "é", "A.WAV", "x\\y", "C:"]
    ),
    min_size=1,
    max_size=6,
).map("/".join)


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_accepted_members_stay_in_the_folder_and_overwrite_nothing(names):
    members = [
        Member(name, 3, name.endswith("/"), None, lambda: io.BytesIO(b"abc")) for name in names
    ]
    try:
        entries = accept_members(members, UnpackLimits(Settings().download, 1000))
    except ArchiveError:
        return
    places = [os.path.normpath(os.path.join("/sets", entry.path)) for entry in entries]
    assert all(place.startswith("/sets/") for place in places)
    assert len({place.casefold() for place in places}) == len(places)


def test_a_member_longer_than_its_header_is_refused(tmp_path):
    member = Member("a.wav", 3, False, None, lambda: io.BytesIO(b"abcdef"))
    entries = accept_members([member], UnpackLimits(Settings().download, 1000))
    with pytest.raises(ArchiveError, match="is longer than the 3 bytes in its header"):
        extract(entries, PurePosixPath(), tmp_path / "out", "Unpack", silent)


def test_reading_an_archive_twice_gives_the_same_members(tmp_path):
    for packed in (zip_of(species("test")), tar_of(species("test"))):
        path = tmp_path / "archive"
        path.write_bytes(packed)
        with open_archive(path) as members:
            assert [m.name for m in members] == list(species("test"))
