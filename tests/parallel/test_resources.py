"""Free memory and disk, and the errors where they are too small."""

from types import SimpleNamespace

import pytest

from darksound.errors import RunError
from darksound.parallel import resources
from darksound.parallel.resources import (
    check_disk,
    check_memory,
    folder_size,
    format_bytes,
    free_disk,
    free_memory,
)

GB = 10**9


@pytest.fixture
def available(monkeypatch):
    """Four gigabytes of memory are available on the machine."""
    memory = SimpleNamespace(available=4 * GB)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    return memory


def test_a_container_limits_the_free_memory(tmp_path, monkeypatch, available):
    limit, usage = (tmp_path / name for name in ("max", "current"))
    monkeypatch.setattr(resources, "_CGROUP_FILES", ((limit, usage),))
    assert free_memory() == 4 * GB
    limit.write_text("max\n")
    usage.write_text("1000\n")
    assert free_memory() == 4 * GB
    limit.write_text("3000\n")
    assert free_memory() == 2000
    usage.write_text("4000\n")
    assert free_memory() == 0


def test_free_memory_of_this_machine_is_positive_and_never_more_than_it_has():
    import psutil

    assert 0 < free_memory() <= psutil.virtual_memory().total


def test_memory_that_is_too_small_is_an_error_with_the_remedy(monkeypatch, available):
    monkeypatch.setattr(resources, "_CGROUP_FILES", ())
    check_memory("This", 3 * GB, "take fewer ROIs")
    with pytest.raises(
        RunError,
        match=r"This needs about 5\.0 GB of memory, and 4\.0 GB are free; take fewer ROIs, or skip",
    ) as caught:
        check_memory("This", 5 * GB, "take fewer ROIs")
    assert "--set compute.preflight_check=false" in str(caught.value)


def test_folders_of_one_disk_are_added_up(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "free_disk", lambda folder: 3 * GB)
    check_disk("This", {tmp_path / "a": 2 * GB}, "make room")
    with pytest.raises(RunError, match=r"This needs about 4\.0 GB on the disk of .*b, and 3\.0 GB"):
        check_disk("This", {tmp_path / "a": 2 * GB, tmp_path / "b": 2 * GB}, "make room")


def test_folders_are_measured_whether_they_exist_or_not(tmp_path):
    assert folder_size(tmp_path / "nowhere") == 0
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    assert folder_size(tmp_path) == 8
    assert free_disk(tmp_path / "not" / "yet") > 0


def test_bytes_are_formatted_for_messages():
    assert [format_bytes(amount) for amount in (10, 25e6, 12.34e9)] == [
        "less than 1 MB",
        "25 MB",
        "12.3 GB",
    ]
