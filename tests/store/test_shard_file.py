import numpy as np
import pytest

from darksound.errors import InputError, SettingsError
from darksound.store.shard_file import open_shard, write_shard


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 3, 8, 12)).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
def test_a_shard_is_read_as_it_was_written(tmp_path, images, dtype):
    path = tmp_path / "ab" / "x.images"
    write_shard(path, images.astype(dtype), {3: "a.wav: sch\u00f6n kaputt"})
    shard = open_shard(path)
    assert shard is not None
    assert shard.causes == {3: "a.wav: sch\u00f6n kaputt"}
    assert shard.dtype == dtype
    np.testing.assert_array_equal(shard.map(), images.astype(dtype))
    assert [p.name for p in path.parent.iterdir()] == ["x.images"]


def test_a_shard_of_unreadable_rois_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "x.images"
    write_shard(path, np.zeros((2, 0, 0, 0), np.uint8), {0: "a", 1: "b"})
    shard = open_shard(path)
    assert shard is not None
    assert shard.causes == {0: "a", 1: "b"}
    assert shard.map().shape == (2, 0, 0, 0)


@pytest.mark.parametrize("position", [0, 9, 13, 30, 100, 200, 1000, -1])
def test_every_changed_byte_is_detected(tmp_path, images, position, caplog):
    path = tmp_path / "x.images"
    write_shard(path, images, {1: "cause"})
    content = bytearray(path.read_bytes())
    content[position] ^= 0x11
    path.write_bytes(content)
    assert open_shard(path) is None
    assert "damaged" in caplog.text


@pytest.mark.parametrize("length", [0, 5, 40, 300, -1])
def test_a_cut_file_is_detected(tmp_path, images, length, caplog):
    path = tmp_path / "x.images"
    write_shard(path, images, {})
    path.write_bytes(path.read_bytes()[:length])
    assert open_shard(path) is None
    assert "damaged" in caplog.text


def test_a_missing_file_gives_no_shard_and_no_warning(tmp_path, caplog):
    assert open_shard(tmp_path / "x.images") is None
    assert not caplog.text


def test_a_failed_write_leaves_no_file_and_names_the_setting(tmp_path, images):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match=r"compute\.cache_dir"):
        write_shard(tmp_path / "file" / "x.images", images, {})
    (tmp_path / "x.images").mkdir()
    with pytest.raises(SettingsError, match=r"compute\.cache_dir"):
        write_shard(tmp_path / "x.images", images, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "x.images"]


def test_a_file_that_is_removed_later_is_an_input_error(tmp_path, images):
    path = tmp_path / "x.images"
    write_shard(path, images, {})
    shard = open_shard(path)
    assert shard is not None
    path.unlink()
    with pytest.raises(InputError, match="run again"):
        shard.map()
