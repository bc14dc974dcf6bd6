"""The manifest, and the fingerprint of the data."""

import json

import pytest

from darksound.audio.files import AudioInfo
from darksound.errors import InputError, RunError
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.run.manifest import (
    Inputs,
    Manifest,
    fingerprint,
    read_manifest,
    recorded_seconds,
    write_manifest,
)


class Stamps:
    def __init__(self, **stamps):
        self.stamps = stamps

    def read(self, root, recording, start_s, end_s, rate, *, channel="mean"):
        raise AssertionError

    def stamp(self, root, recording):
        return self.stamps[recording]

    def info(self, root, recording):
        raise AssertionError


@pytest.fixture
def table():
    return as_roi_table(
        {
            "root": ["/r"] * 3,
            "recording": ["a", "a", "b"],
            "start_s": [0.0, 1.0, 0.0],
            "end_s": [1.0, 2.0, 1.0],
            "label": ["x", None, "y"],
        }
    )


def test_a_fingerprint_follows_rois_and_recordings(table):
    rois = RoiSet(table, Stamps(a="1", b="2"))
    same = fingerprint(RoiSet(table, Stamps(a="1", b="2", c="9")))
    assert fingerprint(rois) == same
    others = [
        RoiSet(table, Stamps(a="1", b="3")),
        rois.take([0, 1]),
        rois.take([1, 0, 2]),
    ]
    assert len({same, *map(fingerprint, others)}) == 4


def test_the_recorded_time_counts_each_recording_once_and_skips_those_without_a_header(table):
    class Headers(Stamps):
        def info(self, root, recording):
            if recording == "b":
                raise InputError("b: empty")
            return AudioInfo(12_000_000, 10_000, 1, 1200.0)

    assert recorded_seconds(RoiSet(table, Headers())) == 1200.0


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    assert read_manifest(tmp_path) is None
    manifest = Manifest("mec", ("mec", "-q"), Inputs(("demo:test",)), {"seed": 1}, 1)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    ended = manifest.ending("failed", "No space.")
    write_manifest(tmp_path, ended)
    assert read_manifest(tmp_path) == ended
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(RunError, match="is not the manifest of a darksound run"):
        read_manifest(tmp_path)


CHANGES: dict[str, list[object]] = {
    "seed": ["1979", 1.5, None, True, [1]],
    "rois": ["many", 3.5, {"n": 1}],
    "times_resumed": ["1", None],
    "problems": [None, "none"],
    "status": ["paused", 3, None],
    "command": [None, 3, ["mec"]],
    "settings": [None, [], "seed = 1", 3],
    "versions": [[], {"python": 3}, None],
    "argv": ["mec", {"a": 1}, [1], None],
    "licences": [7, ["a", None]],
    "inputs": [[], None, {"data": "demo"}, {"data": [3]}, {"data": [], "root": 3}, {"more": 1}],
    "started": [3, None],
    "error": [3, []],
}


@pytest.mark.parametrize("name", CHANGES)
def test_values_of_other_types_are_refused(name, tmp_path):
    write_manifest(tmp_path, Manifest("mec", ("mec",), Inputs(("demo:test",)), {"seed": 1}, 1))
    path = tmp_path / "run.json"
    content = json.loads(path.read_text())
    for value in CHANGES[name]:
        path.write_text(json.dumps({**content, name: value}))
        with pytest.raises(RunError, match=r"run\.json is not the manifest of a darksound run"):
            read_manifest(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"3", b'"run"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
     b"\x00" * 50, b"9" * 5000, b'{"command": "mec"}'],
)  # fmt: skip
def test_a_file_that_is_no_manifest_is_refused(content, tmp_path):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json is not the manifest of a darksound run"):
        read_manifest(tmp_path)


def test_keys_of_later_versions_are_no_error_in_their_absence(tmp_path):
    write_manifest(tmp_path, Manifest("mec", (), Inputs(), {}, 1))
    path = tmp_path / "run.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in content.items() if k != "previous_settings"}))
    assert read_manifest(tmp_path) == Manifest("mec", (), Inputs(), {}, 1)
