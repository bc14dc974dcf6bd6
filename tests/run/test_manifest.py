"""The manifest, and the fingerprint of the data."""

import pytest

from darksound.errors import RunError
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.run.manifest import (
    Inputs,
    Manifest,
    fingerprint,
    read_manifest,
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
