import multiprocessing
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from darksound.audio.augmentation import augment_waveform
from darksound.audio.files import FileReader, read
from darksound.audio.front_end import FrontEnd
from darksound.errors import InputError, SettingsError
from darksound.parallel import workers
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings
from darksound.store import shards
from darksound.store.cached_store import build_images
from darksound.store.rendering import random_stream, render_images

RATE = 16_000
COUNT = 21


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "sound"
    folder.mkdir()
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for i in range(COUNT):
        tone = np.sin(2 * np.pi * (600 + 250 * i) * time) * np.hanning(RATE)
        wave = tone + 0.02 * rng.normal(size=RATE)
        sf.write(folder / f"{i:02}.wav", 0.3 * wave[: RATE - 100 * i], RATE)
    return folder


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """Small images, several shards, several jobs a shard."""
    monkeypatch.setattr(shards, "SHARD_ROIS", 8)
    monkeypatch.setattr("darksound.store.cached_store.SHARD_ROIS", 8)
    monkeypatch.setattr(shards, "_JOB_ROIS", 3)
    return Settings().replace(
        audio={"sample_rate": RATE, "roi_s": 1.0},
        front_end={"n_frames": 24, "n_bands": 16, "high_hz": 7500.0},
        compute={"cache_dir": tmp_path / "cache", "workers": 1},
    )


def _rois(root: Path) -> RoiSet:
    names = sorted(p.name for p in root.glob("*.wav"))
    table = {"root": str(root), "recording": names, "start_s": 0.0, "end_s": 0.8}
    return RoiSet(as_roi_table(table), FileReader())


def _files(settings: Settings) -> dict[str, bytes]:
    assert settings.compute.cache_dir is not None
    return {p.name: p.read_bytes() for p in settings.compute.cache_dir.rglob("*") if p.is_file()}


class _Counting(FileReader):
    """Count reads, and raise a keyboard interrupt after `limit` ROIs."""

    def __init__(self, limit=10**9):
        self.count, self.limit = 0, limit

    def read(self, *args, **options):
        if self.count == self.limit:
            raise KeyboardInterrupt
        self.count += 1
        return super().read(*args, **options)


def _with(rois: RoiSet, reader: FileReader) -> RoiSet:
    return RoiSet(rois.table, reader)


@pytest.mark.parametrize(("dtype", "step"), [("uint8", 0.5 / 255 + 1e-6), ("float16", 5e-4)])
def test_a_batch_holds_the_front_ends_images(root, settings, dtype, step):
    settings = settings.replace(compute={"cache_dtype": dtype})
    store = build_images(_rois(root), settings)
    assert len(store) == len(store.rois) == COUNT
    assert store.shape == (3, 16, 24)
    rows = np.array([20, 0, 7, 8, 8, 15])
    got = store.batch(rows)
    assert got.dtype == torch.float32
    front_end = FrontEnd(settings.audio, settings.front_end, RATE)
    names = store.rois.table["recording"]
    waves = [read(root / names.iat[row], 0, 0.8, RATE)[0] for row in rows]
    torch.testing.assert_close(got, front_end(waves), atol=step, rtol=0)
    assert store.batch([]).shape == (0, 3, 16, 24)


@pytest.mark.parametrize(("channel", "columns"), [("mean", slice(2)), ("first", slice(1))])
def test_images_of_stereo_are_made_of_the_channel_of_the_settings(root, settings, channel, columns):
    stereo = np.random.default_rng(2).normal(scale=0.1, size=(RATE, 2)).astype(np.float32)
    sf.write(root / "00.wav", stereo, RATE, subtype="FLOAT")
    settings = settings.replace(audio={"channel": channel}, compute={"cache_dtype": "float16"})
    image = build_images(_rois(root), settings).batch([0])
    wave = stereo[: round(0.8 * RATE), columns].mean(axis=1)
    expected = FrontEnd(settings.audio, settings.front_end, RATE)([wave])
    torch.testing.assert_close(image, expected, atol=5e-4, rtol=0)


def test_channels_without_limits_need_half_precision(root, settings):
    settings = settings.replace(front_end={"channels": ("level", "power", "height")})
    with pytest.raises(SettingsError, match=r"power.*compute\.cache_dtype to float16"):
        build_images(_rois(root), settings)
    # A full-scale tone has more power than half precision holds.
    time = np.arange(RATE) / RATE
    sf.write(root / "00.wav", 30 * np.sin(2 * np.pi * 1000 * time), RATE, subtype="FLOAT")
    settings = settings.replace(compute={"cache_dtype": "float16"})
    power = build_images(_rois(root), settings.replace(front_end={"n_fft": 8192})).batch([0])[:, 1]
    assert power.isfinite().all()
    assert power.max() > 100


def test_a_second_build_reads_no_sound(root, settings):
    first, reader = build_images(_rois(root), settings), _Counting()
    calls = []
    again = build_images(_with(_rois(root), reader), settings, lambda *a, **k: calls.append(a))
    assert reader.count == 0
    assert not calls
    rows = np.arange(COUNT)
    assert torch.equal(first.batch(rows), again.batch(rows))


def test_progress_begins_at_zero_and_ends_at_the_total(root, settings):
    calls = []
    build_images(_rois(root), settings, lambda *a, **k: calls.append(a))
    assert calls[0] == ("images", 0, COUNT)
    assert calls[-1] == ("images", COUNT, COUNT)
    assert [done for _, done, _ in calls] == sorted({done for _, done, _ in calls})


def test_an_interrupted_build_resumes_where_it_stopped(root, settings):
    with pytest.raises(KeyboardInterrupt):
        build_images(_with(_rois(root), _Counting(limit=18)), settings)
    assert len(_files(settings)) == 2
    reader = _Counting()
    build_images(_with(_rois(root), reader), settings)
    assert reader.count == COUNT - 16
    resumed = _files(settings)
    fresh = settings.replace(compute={"cache_dir": root / "other"})
    build_images(_rois(root), fresh)
    assert _files(fresh) == resumed


def test_a_damaged_file_is_created_again(root, settings, caplog):
    build_images(_rois(root), settings)
    before = _files(settings)
    path = max(settings.compute.cache_dir.rglob("*.images"))
    path.write_bytes(path.read_bytes()[:-9] + b"?" * 9)
    build_images(_rois(root), settings)
    assert "damaged" in caplog.text
    assert _files(settings) == before


def test_a_changed_recording_gives_new_images(root, settings):
    old = build_images(_rois(root), settings).batch([3])
    wave, _ = sf.read(root / "03.wav")
    sf.write(root / "03.wav", wave[::-1], RATE)
    os.utime(root / "03.wav", ns=(5, 5))
    reader = _Counting()
    new = build_images(_with(_rois(root), reader), settings).batch([3])
    assert not torch.equal(old, new)
    assert reader.count == 8


@pytest.mark.parametrize(
    ("changes", "rendered"),
    [
        ({"front_end": {"level_range_db": 60.0}}, True),
        ({"front_end": {"fade_shape": "half_sine"}}, True),
        ({"audio": {"roi_s": 0.5}}, True),
        ({"audio": {"channel": "first"}}, True),
        ({"compute": {"cache_dtype": "float16"}}, True),
        ({"compute": {"batch_size": 3}}, False),
        ({"training": {"epochs": 3}, "seed": 8, "augmentation": {"tilt_db": 1.0}}, False),
    ],
)
def test_a_changed_setting_gives_new_images_if_they_depend_on_it(root, settings, changes, rendered):
    build_images(_rois(root), settings)
    reader = _Counting()
    build_images(_with(_rois(root), reader), settings.replace(**changes))
    assert reader.count == (COUNT if rendered else 0)


@pytest.mark.parametrize(
    "changes", [{"seed": 8}, {"augmentation": {"tilt_db": 1.0}}], ids=["seed", "range"]
)
def test_altered_versions_follow_seed_and_ranges_alone(root, settings, changes):
    quiet = settings.replace(augmentation={"neighbour_share": 0.0})
    build_images(_rois(root), quiet, versions=1)
    reader = _Counting()
    build_images(_with(_rois(root), reader), quiet.replace(**changes), versions=1)
    assert reader.count == COUNT
    more = _Counting()
    build_images(_with(_rois(root), more), quiet, versions=2)
    assert more.count == COUNT


def test_versions_contain_altered_sound(root, settings):
    settings = settings.replace(augmentation={"neighbour_share": 0.0})
    store = build_images(_rois(root), settings, versions=2)
    assert store.n_versions == 3
    rows = np.array([4, 4, 4, 19])
    got = store.batch(rows, np.array([0, 1, 2, 2]))
    assert torch.equal(got[:1], store.batch([4]))
    assert not torch.equal(got[1], got[0])
    assert not torch.equal(got[1], got[2])
    wave, _ = read(root / "19.wav", 0, 0.8, RATE)
    rng = random_stream(settings.seed, 12, store.rois.table["roi_id"].tolist()[19], 2)
    altered = augment_waveform(wave, RATE, rng, settings.augmentation)
    expected = FrontEnd(settings.audio, settings.front_end, RATE)([altered])[0]
    torch.testing.assert_close(got[3], expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_neighbours_are_mixed_in_and_never_the_roi_itself(root, settings):
    settings = settings.replace(augmentation={"neighbour_share": 1.0})
    rois = _rois(root)
    _, spans, _ = shards.locate_recordings(rois, settings.front_end, settings.compute)
    recipe = shards.Recipe("images", (), render_images, "processes")
    plans = shards.plan_shards(rois, spans, settings, version=1, folder=root, recipe=recipe)
    audio = [roi for plan in plans for roi in plan.rois]
    assert all(roi.neighbour not in (None, roi.span) for roi in audio)
    assert len({roi.neighbour for roi in audio}) > COUNT / 3
    with_them = build_images(rois, settings, versions=1)
    without = build_images(
        rois, settings.replace(augmentation={"neighbour_share": 0.0}), versions=1
    )
    ones = np.ones(COUNT, np.int64)
    same = with_them.batch(range(COUNT), ones) == without.batch(range(COUNT), ones)
    assert not same.flatten(1).all(dim=1).any()


@pytest.mark.parametrize("versions", [0, 1])
def test_any_number_of_workers_gives_the_same_bytes(root, settings, versions, monkeypatch):
    monkeypatch.setattr(shards, "_JOB_ROIS", 1)
    single = settings.replace(compute={"workers": 1})
    build_images(_rois(root), single, versions=versions)
    many = settings.replace(compute={"cache_dir": root / "many", "workers": 3})
    build_images(_rois(root), many, versions=versions)
    assert _files(many) == _files(single)


def test_processes_give_the_same_bytes_as_threads(root, settings, monkeypatch):
    monkeypatch.setattr(shards, "_JOB_ROIS", 1)
    build_images(_rois(root), settings, versions=1)
    monkeypatch.setattr(workers, "_PROCESS_START_S", -1.0)
    monkeypatch.setattr(
        workers._Processes, "are_ready", property(lambda self: self._first.result() > 0)
    )
    many = settings.replace(compute={"cache_dir": root / "many", "workers": 2})
    build_images(_rois(root), many, versions=1)
    assert _files(many) == _files(settings)


def _build_at_once(root: Path, settings: Settings, barrier, results) -> None:
    torch.set_num_threads(1)
    barrier.wait()
    store = build_images(_rois(root), settings, versions=1)
    results.put(store.batch(np.arange(COUNT), np.ones(COUNT, np.int64)).numpy())


def test_two_processes_can_build_at_the_same_time(root, tmp_path):
    # No patches here: they do not reach other processes.
    settings = Settings().replace(audio={"sample_rate": RATE}, compute={"workers": 1})
    shared = settings.replace(compute={"cache_dir": tmp_path / "shared"})
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_build_at_once, args=(root, shared, barrier, results))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    first, second = (results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    np.testing.assert_array_equal(first, second)
    alone = settings.replace(compute={"cache_dir": tmp_path / "alone"})
    build_images(_rois(root), alone, versions=1)
    assert _files(shared) == _files(alone)


def test_unreadable_rois_are_skipped_and_reported(root, settings, caplog):
    (root / "05.wav").write_bytes(b"")
    sf.write(root / "09.wav", np.zeros(RATE), RATE)
    sf.write(root / "16.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    rois = _rois(root)
    (root / "12.wav").unlink()
    for _ in range(2):
        store = build_images(rois, settings)
        assert len(store) == COUNT - 4
        assert [p.recording for p in store.rois.problems] == [
            "12.wav",
            "05.wav",
            "09.wav",
            "16.wav",
        ]
        causes = [p.cause for p in store.rois.problems]
        for cause, word in zip(causes, ("no such", "0 bytes", "silent", "NaN"), strict=True):
            assert word in cause
        assert "4 of 21 ROIs" in caplog.text
        names = store.rois.table["recording"].tolist()
        row = names.index("17.wav")
        wave, _ = read(root / "17.wav", 0, 0.8, RATE)
        expected = FrontEnd(settings.audio, settings.front_end, RATE)([wave])
        torch.testing.assert_close(store.batch([row]), expected, atol=2.1e-3, rtol=0)


def test_a_set_without_a_readable_roi_is_an_error(root, settings):
    for path in root.glob("*.wav"):
        path.write_text("no sound")
    with pytest.raises(InputError, match="None of the 21 ROIs can be read"):
        build_images(_rois(root), settings)
    with pytest.raises(InputError, match="no ROIs"):
        build_images(_rois(root).take([]), settings)


def _at_native_rates(root, settings, rows):
    """Resample some recordings, and return settings that make images at the rates of files."""
    for row in rows:
        wave, _ = sf.read(root / f"{row:02}.wav")
        sf.write(root / f"{row:02}.wav", wave, 22_050)
    return settings.replace(audio={"sample_rate": "native"}, front_end={"hop": 256})


def test_rates_that_give_several_shapes_are_an_error_with_the_remedy(root, settings):
    native = _at_native_rates(root, settings, range(8))
    with pytest.raises(InputError, match=r"set audio\.sample_rate"):
        build_images(_rois(root), native)
    auto = native.replace(front_end={"hop": "auto"})
    assert build_images(_rois(root), auto).shape == (3, 16, 24)


@pytest.mark.parametrize("row", [0, 20])
def test_a_recording_of_another_rate_than_nearly_all_is_left_out_with_the_remedy(
    root, settings, row
):
    store = build_images(_rois(root), _at_native_rates(root, settings, [row]))
    assert len(store) == 20
    (problem,) = store.rois.problems
    assert problem.recording == f"{row:02}.wav"
    assert re.search(r"its 22050 Hz give .*; set audio\.sample_rate", problem.cause)


def test_a_roi_whose_image_fails_takes_no_other_one_with_it(root, settings, monkeypatch):
    original = FrontEnd.__call__
    bad, _ = sf.read(root / "05.wav", dtype="float32")

    def fail(self, waveforms):
        if any(np.array_equal(wave, bad[: len(wave)]) for wave in waveforms):
            raise ZeroDivisionError("by 0")
        return original(self, waveforms)

    rois, good = _rois(root), build_images(_rois(root), settings)
    monkeypatch.setattr(FrontEnd, "__call__", fail)
    store = build_images(rois, settings.replace(compute={"cache_dir": root / "other"}))
    assert [problem.recording for problem in store.rois.problems] == ["05.wav"]
    assert "cannot be processed (ZeroDivisionError: by 0 at" in store.rois.problems[0].cause
    others = [row for row in range(21) if row != 5]
    assert torch.equal(store.batch(range(20)), good.batch(others))


def test_a_roi_that_can_be_read_again_is_no_longer_left_out(root, settings):
    status, away = (root / "05.wav").stat(), root / "away"
    sound = (root / "05.wav").read_bytes()
    (root / "05.wav").write_bytes(bytes(len(sound)))
    os.utime(root / "05.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(build_images(_rois(root), settings)) == 20
    away.write_bytes(sound)
    away.replace(root / "05.wav")
    os.utime(root / "05.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(build_images(_rois(root), settings)) == 21


def test_a_change_within_one_size_and_time_is_seen_with_verify_cache(root, settings):
    path, verified = root / "05.wav", settings.replace(compute={"verify_cache": True})
    status = path.stat()
    first = build_images(_rois(root), settings).batch([5])
    assert torch.equal(build_images(_rois(root), verified).batch([5]), first)
    wave, _ = sf.read(path, dtype="int16")
    sf.write(path, wave[::-1], RATE)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert torch.equal(build_images(_rois(root), settings).batch([5]), first)
    assert not torch.equal(build_images(_rois(root), verified).batch([5]), first)


def test_the_chosen_roi_length_is_in_the_settings_of_the_store(root, settings):
    table = _rois(root).table.assign(end_s=0.3)
    rois = RoiSet(table, FileReader())
    store = build_images(rois, settings.replace(audio={"roi_s": "auto"}))
    assert store.settings.audio.roi_s == 0.5


def test_a_cache_folder_that_cannot_be_written_is_an_error(root, settings):
    (root / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="is a file, not a folder"):
        build_images(_rois(root), settings.replace(compute={"cache_dir": root / "file"}))


def test_overlapping_rois_are_each_limited_to_their_band(tmp_path, settings):
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    wave = sum(0.2 * np.sin(2 * np.pi * hz * time) for hz in (1500, 5000))
    sf.write(tmp_path / "a.wav", wave + 0.01 * rng.normal(size=RATE), RATE)
    bands = {"low_hz": [1200.0, 4500.0], "high_hz": [1800.0, 5500.0]}
    table = {"root": str(tmp_path), "recording": "a.wav", "start_s": 0.0, "end_s": 1.0, **bands}
    segmented = RoiSet(as_roi_table({**table, "snr_db": [20.0, 20.0]}), FileReader())
    annotated = RoiSet(as_roi_table(table), FileReader())

    def heights(rois, choice):
        images = build_images(rois, settings.replace(front_end={"band_limits": choice}))
        level = images.batch([0, 1])[:, 0].mean(dim=-1)
        return [set(torch.nonzero(image > 0.75)[:, 0].tolist()) for image in level]

    low, high = heights(segmented, "segmented")
    assert low
    assert high
    assert max(high) < min(low)  # the lowest frequency is in the last row
    for rois, choice in ((annotated, "segmented"), (segmented, "none")):
        first, second = heights(rois, choice)
        assert first == second == low | high
    assert heights(annotated, "all") == [low, high]
