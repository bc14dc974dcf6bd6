"""Events of a recording: long sounds in one ROI, and phrases of units."""

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from tests.segmentation.conftest import make_waveform

from darksound.audio.files import probe
from darksound.segmentation import grid as grid_module
from darksound.segmentation.boxes import BOX
from darksound.segmentation.events import find_events
from darksound.segmentation.grid import make_grid
from darksound.segmentation.recordings import UnusableLimit, segment_files, segment_recording
from darksound.settings import SegmentationSettings, Settings

RATE = 24_000
UNIT = SegmentationSettings(group="unit", chorus="ignore")
PHRASE = UNIT.replace(group="phrase")
GRID = make_grid(RATE, UNIT)


def make_boxes(*rows, **values):
    """Return boxes `(start_s, end_s, peak_hz)` a third of an octave wide."""
    boxes = np.zeros(len(rows), BOX)
    for box, (start, end, peak) in zip(boxes, rows, strict=True):
        box["start_s"], box["end_s"], box["peak_hz"] = start, end, peak
        box["low_hz"], box["high_hz"] = peak * 2 ** (-1 / 6), peak * 2 ** (1 / 6)
    boxes["snr_db"], boxes["call_score"] = 20, np.nan
    for name, column in values.items():
        boxes[name] = column
    return boxes


def events_of(path, settings=UNIT):
    boxes = segment_recording(path, 2.9, settings).boxes
    return find_events(boxes, make_grid(probe(path).rate, settings), settings)


def rows_of(path, settings):
    compute = {"cache_dir": path.parent / "cache", "workers": 1}
    whole = Settings().replace(segmentation=settings, compute=compute)
    limit = UnusableLimit(1, 0.0)
    return segment_files(path.parent, {path.name: probe(path)}, whole, limit)[path.name].rows


def warble(time, fast=6.0):
    """Return a tone whose pitch varies by an octave, six times a second."""
    return 0.05 * np.sin(
        2 * np.pi * np.cumsum(3000 + 1000 * np.sin(2 * np.pi * fast * time)) / RATE
    )


def write(path, seconds, signal):
    wave = make_waveform(seconds, []) + signal
    sf.write(path, wave, RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize("points", [1, 6_000_000])
def test_a_long_homogeneous_sound_is_one_event_over_the_borders_of_blocks(
    tmp_path, monkeypatch, points
):
    time = np.arange(90 * RATE) / RATE
    path = write(tmp_path / "a.wav", 90, warble(time) * ((time > 12) & (time < 62)))
    monkeypatch.setattr(grid_module, "_MAX_BLOCK_POINTS", points)
    assert len(segment_recording(path, 2.9, UNIT).boxes) >= 17
    events = events_of(path)
    (box,) = events.boxes
    assert box["start_s"] == pytest.approx(12, abs=0.05)
    assert box["end_s"] == pytest.approx(62, abs=0.05)
    assert events.units[0].tolist() == [[box["start_s"], box["end_s"]]]


def test_a_sound_that_alternates_between_two_pitches_is_one_event(tmp_path):
    time = np.arange(40 * RATE) / RATE
    pulses = np.sin(np.pi * 25 * time) ** 4
    phase = 2 * np.pi * np.cumsum(np.where(time % 4 < 2, 1600, 1900)) / RATE
    churr = 0.05 * pulses * np.sin(phase) * ((time > 8) & (time < 20))
    (box,) = events_of(write(tmp_path / "a.wav", 40, churr), UNIT.replace(chunk_s=40)).boxes
    assert box["start_s"] == pytest.approx(8, abs=0.1)
    assert box["end_s"] == pytest.approx(20, abs=0.1)


def test_a_dense_mixture_stays_cut(tmp_path):
    rng = np.random.default_rng(0)
    signal, start = np.zeros(20 * RATE), 5.0
    while start < 13:
        time = np.arange(round(rng.uniform(0.1, 0.4) * RATE)) / RATE
        note = sum(
            rng.uniform(0.01, 0.1) * np.sin(2 * np.pi * hertz * time)
            for hertz in (2000, *np.exp(rng.uniform(np.log(1000), np.log(9000), 2)))
        )
        signal[round(start * RATE) :][: len(time)] += np.hanning(len(time)) ** 0.2 * note
        start += time[-1] - 0.02
    path = write(tmp_path / "a.wav", 20, signal)
    events = events_of(path, UNIT.replace(chunk_s=20))
    assert len(events.boxes) >= 3
    assert events.boxes["end_s"].max() - events.boxes["start_s"].min() > 7
    assert (events.boxes["end_s"] - events.boxes["start_s"]).max() <= 2.9


def test_only_pieces_that_touch_and_are_alike_are_joined():
    pieces = make_boxes((0, 1.9, 1500), (1.9, 3.8, 1500), (3.9, 5.8, 1500), (7.5, 9, 1500))
    pieces["continues"] = [0, 1, 1, 1]
    assert find_events(pieces, GRID, UNIT).boxes[["start_s", "end_s"]].tolist() == [
        (0, 5.8),
        (7.5, 9),
    ]
    pieces["continues"] = [0, 0, 1, 0]
    assert len(find_events(pieces, GRID, UNIT).boxes) == 3
    other = make_boxes((0, 2, 1500), (2, 4, 3000), continues=1)
    assert len(find_events(other, GRID, UNIT).boxes) == 2
    quieter = make_boxes((0, 2, 1500), (2, 4, 1500), continues=1, snr_db=[30, 15])
    assert len(find_events(quieter, GRID, UNIT).boxes) == 2


def test_a_mixture_wider_than_one_voice_is_not_joined():
    wide = make_boxes((0, 2, 1000), (2, 4, 1000), (4, 6, 1000), continues=1)
    wide["low_hz"], wide["high_hz"] = 350, 2400
    assert len(find_events(wide, GRID, UNIT).boxes) == 3


def test_a_churr_that_other_sounds_touch_is_one_event():
    # Between its clean stretches it is part of wider boxes, and of a short one of its own.
    clean = [(0, 10, 1500), (14, 30, 1500), (30.3, 60, 1500)]
    between = [(10, 12.5, 1800), (12.7, 13.5, 1500)]
    far = [(90, 100, 1500)]
    boxes = make_boxes(*sorted(clean + between + far))
    boxes["low_hz"][boxes["peak_hz"] == 1800] = 600
    found = find_events(boxes, GRID, UNIT).boxes
    assert found[["start_s", "end_s"]].tolist() == [(0, 60), (10, 12.5), (90, 100)]
    # Without them the gap is silent, and there are two events.
    apart = make_boxes(*clean)
    assert find_events(apart, GRID, UNIT).boxes["start_s"].tolist() == [0, 14]


def test_a_raindrop_that_touches_a_long_sound_does_not_widen_its_band():
    pieces = make_boxes(*[(2 * i, 2 * i + 2, 1500) for i in range(6)], continues=1)
    low, high = pieces[["low_hz", "high_hz"]][0].tolist()
    pieces["low_hz"][2], pieces["high_hz"][2] = 150, 11_500
    (box,) = find_events(pieces, GRID, UNIT).boxes
    assert (box["start_s"], box["end_s"]) == (0, 12)
    assert (box["low_hz"], box["high_hz"]) == (low, high)


def test_an_event_has_the_mean_level_the_best_score_and_the_peak_of_its_loudest_part():
    pieces = make_boxes(
        (0, 1, 1500), (1, 4, 1530), continues=1, snr_db=[20, 10], chorus=[1, 0],
        call_score=[np.nan, 0.3],
    )  # fmt: skip
    pieces["low_hz"], pieces["high_hz"] = 1400, 1600
    (box,) = find_events(pieces, GRID, UNIT).boxes
    # A second at 100 times the background and three at 10 times.
    assert box["snr_db"] == pytest.approx(10 * np.log10((100 + 3 * 10) / 4))
    assert (box["peak_hz"], box["chorus"], box["call_score"]) == (1500, 0, 0.3)
    pieces["chorus"], pieces["call_score"] = 1, np.nan
    (box,) = find_events(pieces, GRID, UNIT).boxes
    assert box["chorus"] == 1
    assert np.isnan(box["call_score"])


def test_hoots_of_a_series_are_one_roi_with_the_times_of_its_units(write_recording):
    hoots = [(s, s + 0.3, 350, 0.1) for s in (5.0, 5.7, 6.4, 7.1, 13.0, 13.7)]
    whistles = [(s, s + 0.15, 3000, 0.1) for s in (5.2, 5.6, 6.0, 6.4)]
    path = write_recording(20, hoots + whistles)
    rows = rows_of(path, PHRASE)
    low = rows[rows["high_hz"] < 1000]
    np.testing.assert_allclose(low["start_s"], [4.95, 12.95], atol=0.03)
    np.testing.assert_allclose(low["end_s"], [7.45, 14.05], atol=0.03)
    units = [tuple(map(float, unit.split("-"))) for unit in low["units"].iloc[0].split()]
    np.testing.assert_allclose(units, [(s, s + 0.3) for s in (5.0, 5.7, 6.4, 7.1)], atol=0.03)
    (high,) = rows[rows["low_hz"] > 1000]["units"]
    assert len(high.split()) == 4
    rows = rows_of(path, UNIT)
    assert len(rows) == 10
    assert rows["units"].isna().all()


def test_a_gap_that_is_too_long_for_the_voice_or_the_rhythm_ends_a_series():
    def sizes(gaps, hertz):
        starts = np.cumsum([0, *(np.array(gaps) + 0.2)])
        boxes = make_boxes(*[(start, start + 0.2, hertz) for start in starts])
        return [len(units) for units in find_events(boxes, GRID, PHRASE).units]

    assert sizes([1.9, 1.9], 300) == [3]
    assert sizes([2.1, 2.1], 300) == [1, 1, 1]
    # The longest gap falls with the root of the frequency.
    assert sizes([0.9, 0.9], 1200) == [3]
    assert sizes([1.1, 1.1], 1200) == [1, 1, 1]
    assert sizes([0.2, 0.2, 0.5, 0.2], 1200) == [5]
    assert sizes([0.2, 0.2, 0.7, 0.2], 1200) == [3, 2]
    # Each part is compared with its own median: 0.2 s of the whole, then 0.1 s of the first part.
    assert sizes([0.1, 0.1, 0.1, 0.4, 0.7, 0.2, 0.2, 0.2], 1200) == [4, 1, 4]


def test_units_of_other_pitches_and_choruses_are_other_series():
    both = make_boxes(*[(0.5 * i, 0.5 * i + 0.3, (400, 800)[i % 2]) for i in range(6)])
    assert [len(units) for units in find_events(both, GRID, PHRASE).units] == [3, 3]
    same = make_boxes(*[(0.5 * i, 0.5 * i + 0.3, 440) for i in range(6)])
    assert [len(units) for units in find_events(same, GRID, PHRASE).units] == [6]
    same["chorus"] = [0, 1, 0, 1, 0, 1]
    found = find_events(same, GRID, PHRASE)
    assert [len(units) for units in found.units] == [3, 3]
    assert found.boxes["chorus"].tolist() == [0, 1]


boxes_strategy = st.lists(
    st.tuples(st.floats(0, 60), st.floats(0.05, 2.9), st.sampled_from([300, 350, 800, 4000])),
    max_size=40,
)


@given(boxes_strategy, st.sampled_from([UNIT, PHRASE]))
def test_every_unit_is_in_one_event(rows, settings):
    boxes = make_boxes(*[(start, start + length, hertz) for start, length, hertz in rows])
    # Wider than a sound that is joined over gaps.
    boxes["low_hz"], boxes["high_hz"] = boxes["low_hz"] * 0.8, boxes["high_hz"] * 1.25
    boxes = np.sort(boxes, order=list(BOX.names or ()))
    events = find_events(boxes, GRID, settings)
    times = sorted(tuple(unit) for units in events.units for unit in units.tolist())
    assert times == sorted(zip(boxes["start_s"].tolist(), boxes["end_s"].tolist(), strict=True))
    for box, units in zip(events.boxes, events.units, strict=True):
        assert (box["start_s"], box["end_s"]) == (units[0, 0], units[-1, 1])
        assert np.all(units[1:, 0] >= units[:-1, 1])
    assert np.all(np.diff(events.boxes["start_s"]) >= 0)
