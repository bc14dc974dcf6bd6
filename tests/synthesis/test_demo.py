"""The demo: reproducible sound, and classes that are neither trivial nor impossible to separate."""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from darksound.errors import InputError
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.store.cached_store import build_images
from darksound.synthesis.demo import DemoReader, demo_rois
from darksound.synthesis.recordings import RATE, plan_recording, render_recording
from darksound.synthesis.song_types import FORMS
from darksound.synthesis.syllables import CONTOURS, KINDS, draw_syllable, render_syllable


def _read(rois: RoiSet, rows: list[int]) -> list[bytes]:
    table = rois.table.iloc[rows]
    return [
        rois.reader.read(row["root"], row["recording"], row["start_s"], row["end_s"], None)[
            0
        ].tobytes()
        for row in table.to_dict("records")
    ]


@pytest.mark.parametrize(
    ("spec", "species", "each"),
    [("demo:train", 40, 24), ("demo:val", 10, 12), ("demo:test", 12, 20)],
)
def test_splits_have_their_species_birds_and_recordings(spec: str, species: int, each: int) -> None:
    table = demo_rois(spec).table
    assert table.groupby("label").size().tolist() == [each] * species
    assert (table["split"] == spec.partition(":")[2]).all()
    birds = table["recording"].str.extract(r"bird-(\d+)")[0]
    assert (birds.groupby(table["label"]).nunique() >= 3).all()
    assert (table.groupby("label")["recording"].nunique() >= 6).all()
    assert table["roi_id"].is_unique
    assert (table["end_s"] - table["start_s"]).between(1.0 - 1e-3, 3.0 + 1e-3).all()
    assert table["snr_db"].isna().all()  # only what was segmented has one
    assert (table["low_hz"] < table["high_hz"]).all()


def test_no_species_or_pair_of_form_and_kind_is_in_two_splits() -> None:
    labels = [set(demo_rois(f"demo:{name}").table["label"]) for name in ("train", "val", "test")]
    numbers = sorted(int(label[-3:]) for part in labels for label in part)
    assert len(set(numbers)) == 62
    assert len({(number % len(FORMS), number % len(KINDS)) for number in numbers}) == 62


def test_sound_does_not_depend_on_order_or_process() -> None:
    rois = demo_rois("demo:test")
    rows = [0, 1, 77, 238, 239]
    in_order = _read(rois, rows)
    assert _read(rois, rows[::-1])[::-1] == in_order
    code = (
        "import zlib\n"
        "from darksound.synthesis.demo import demo_rois\n"
        "rois = demo_rois('demo')\n"
        f"for r in rois.table.iloc[{rows[::-1]}].itertuples():\n"
        "    wave, _ = rois.reader.read(r.root, r.recording, r.start_s, r.end_s, None)\n"
        "    print(zlib.crc32(wave.tobytes()))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert [int(line) for line in out.stdout.split()][::-1] == [zlib.crc32(b) for b in in_order]


@pytest.mark.parametrize(
    ("spec", "row", "samples", "level_db", "centroid_hz"),
    [
        ("demo:train", 0, 140_496, -18.644, 4742.81),
        ("demo:val", 60, 129_936, -22.313, 5162.71),
        ("demo:test", 239, 110_064, -32.315, 2960.29),
    ],
)
def test_sound_is_that_of_the_version(
    spec: str, row: int, samples: int, level_db: float, centroid_hz: float
) -> None:
    # After an intended change, increase the version in the stamp, so that image caches are renewed.
    rois = demo_rois(spec)
    wave = np.frombuffer(_read(rois, [row])[0], dtype=np.float32).astype(np.float64)
    power = np.abs(np.fft.rfft(wave)) ** 2
    centroid = (power * np.fft.rfftfreq(len(wave), 1 / RATE)).sum() / power.sum()
    assert len(wave) == samples
    assert 10 * np.log10(np.mean(wave**2)) == pytest.approx(level_db, abs=0.002)
    assert centroid == pytest.approx(centroid_hz, rel=1e-4)
    assert rois.reader.stamp(spec, rois.table["recording"][row]) == "demo-1"


def test_stretch_does_not_depend_on_other_reads() -> None:
    plan = plan_recording(1, 2, 3, 1, 2)
    whole = render_recording(plan, 0, plan.samples)
    for first, last in ((0, 10), (100_000, 200_000), (158_000, 165_000), (300_000, plan.samples)):
        np.testing.assert_array_equal(render_recording(plan, first, last), whole[first:last])


def test_another_seed_has_other_species_with_other_labels() -> None:
    default, other = demo_rois("demo:val"), demo_rois("demo:val:7")
    assert not set(default.table["label"]) & set(other.table["label"])
    assert _read(default, [0]) != _read(other, [0])


def test_sound_is_sixteen_bit_audible_and_not_clipped() -> None:
    rois = demo_rois("demo:train")
    for row in rois.table.iloc[::97].to_dict("records"):
        start_s, end_s = row["start_s"], row["end_s"]
        wave, rate = rois.reader.read(row["root"], row["recording"], start_s, end_s, None)
        assert rate == RATE
        assert wave.dtype == np.float32
        assert abs(len(wave) / rate - (end_s - start_s)) < 1e-3
        assert 3e-4 < np.sqrt(np.mean(wave**2)) < 0.3
        assert np.mean(np.abs(wave) >= 1 - 1e-4) < 1e-3
        np.testing.assert_array_equal(wave * 32768, np.rint(wave * 32768))


def test_reading_at_another_rate_resamples() -> None:
    row = demo_rois("demo").table.iloc[0]
    place = (row["root"], row["recording"], row["start_s"], row["end_s"])
    wave, _ = DemoReader().read(*place, None)
    slow, rate = DemoReader().read(*place, 16_000)
    assert rate == 16_000
    assert abs(len(slow) * 3 - len(wave)) <= 3


@pytest.mark.parametrize("spec", ["demo:tset", "demo:", "demo:test:x", "demo:test:1:2"])
def test_unknown_splits_are_errors_that_list_the_splits(spec: str) -> None:
    with pytest.raises(InputError, match="demo:train, demo:val and demo:test"):
        demo_rois(spec)


@pytest.mark.parametrize(
    ("recording", "start", "cause"),
    [
        ("species-001/bird-1_rec-1.wav", 0.0, "has no recording"),
        ("species-051/bird-9_rec-1.wav", 0.0, "has no recording"),
        ("../etc/passwd", 0.0, "has no recording"),
        ("species-051/bird-1_rec-1.wav", 60.0, "there is nothing from 60"),
    ],
)
def test_missing_recordings_and_times_are_errors(recording: str, start: float, cause: str) -> None:
    with pytest.raises(InputError, match=cause):
        DemoReader().read("demo:test", recording, start, start + 1, None)


@given(kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 1000), centre=st.floats(800, 8000))
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_syllable_has_unit_power_and_quiet_edges(kind: str, seed: int, centre: float) -> None:
    rng = np.random.default_rng(seed)
    syllable = draw_syllable(kind, rng)
    wave = render_syllable(syllable, centre, RATE, rng)
    assert abs(len(wave) / RATE - syllable.duration_s) < 1e-4
    assert np.mean(wave**2) == pytest.approx(1, rel=1e-3)
    assert max(abs(wave[0]), abs(wave[-1])) < 0.05


def test_contours_stay_within_their_span() -> None:
    u = np.linspace(0, 1, 101)
    for contour in CONTOURS.values():
        assert np.all(np.abs(contour(u)) <= 0.5)


def _prototype_accuracy(images: np.ndarray, labels: np.ndarray, recordings: np.ndarray) -> float:
    """5-way 5-shot accuracy of the nearest prototype, support and query from other recordings."""
    rng = np.random.default_rng(0)
    points = images.reshape(len(images), -1)
    accuracies = []
    for _ in range(60):
        support, query = [], []
        for name in rng.choice(np.unique(labels), 5, replace=False):
            rows = np.flatnonzero(labels == name)
            takes = rng.permutation(np.unique(recordings[rows]))
            is_support = np.isin(recordings[rows], takes[: len(takes) // 2])
            support.append(points[rng.choice(rows[is_support], 5, replace=False)].mean(axis=0))
            query.append(points[rng.choice(rows[~is_support], 5, replace=False)])
        prototypes = np.stack(support)
        for label, batch in enumerate(query):
            distances = (prototypes**2).sum(axis=1) - 2 * batch @ prototypes.T
            accuracies.append(np.mean(distances.argmin(axis=1) == label))
    return float(np.mean(accuracies))


def test_raw_images_separate_species_neither_well_nor_at_chance(tmp_path: Path) -> None:
    rois = demo_rois("demo:test")
    settings = Settings().replace(compute={"cache_dir": tmp_path, "workers": 2})
    store = build_images(rois, settings)
    images = store.batch(np.arange(len(store))).numpy()
    accuracy = _prototype_accuracy(
        images, rois.table["label"].to_numpy(), rois.table["recording"].to_numpy()
    )
    assert 0.3 < accuracy < 0.7


def test_a_stretch_that_is_read_again_has_the_same_samples() -> None:
    rois = demo_rois("demo:test")
    row = rois.table.iloc[3]
    span = (row["root"], row["recording"], row["start_s"], row["end_s"])
    first, _ = rois.reader.read(*span, None)
    once = first.copy()
    # A caller may change what it was given.
    first *= 2
    again, _ = rois.reader.read(*span, None)
    np.testing.assert_array_equal(again, once)
    longer, _ = rois.reader.read(*span[:3], row["end_s"] + 0.5, None)
    np.testing.assert_array_equal(longer[: len(once)], once)
