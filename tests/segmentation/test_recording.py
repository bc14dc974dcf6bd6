"""ROIs of whole recordings: their bounds, their number and their length."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from tests.segmentation.conftest import make_waveform

from darksound.errors import InputError
from darksound.segmentation import grid as grid_module
from darksound.segmentation.boxes import BOX
from darksound.segmentation.detection import score_detections
from darksound.segmentation.grid import make_grid
from darksound.segmentation.recordings import segment_recording
from darksound.settings import SegmentationSettings, load_settings

RATE = 24_000
DEFAULT = SegmentationSettings()


def segment(path, max_roi_s=3.0, **changes):
    settings = SegmentationSettings(**changes) if changes else DEFAULT
    return segment_recording(path, max_roi_s, settings).boxes


def test_rois_have_the_bounds_of_the_tones(write_recording):
    tones = [(1.0, 1.4, 2000, 0.1), (3.0, 3.2, 5000, 0.02), (7.5, 9.0, 8000, 0.3)]
    boxes = segment(write_recording(12, tones))
    assert len(boxes) == 3
    np.testing.assert_allclose(boxes["start_s"], [1.0, 3.0, 7.5], atol=0.03)
    np.testing.assert_allclose(boxes["end_s"], [1.4, 3.2, 9.0], atol=0.03)
    for box, (_, _, hz, _) in zip(boxes, tones, strict=True):
        assert box["low_hz"] < hz < box["high_hz"]
        assert box["high_hz"] - box["low_hz"] < 500
    # A tone of amplitude a in a Hann window of n samples has power (a n / 4)^2, noise 3/8 n s^2.
    expected = 10 * np.log10((0.1 * 512 / 4) ** 2 / (512 * 3 / 8 * 1e-6))
    assert boxes["snr_db"][0] == pytest.approx(expected, abs=6)
    assert np.all(np.argsort(boxes["snr_db"]) == [1, 0, 2])


def test_noise_silence_and_tones_outside_the_band_have_no_rois(write_recording, tmp_path):
    assert len(segment(write_recording(30, []))) == 0
    assert len(segment(write_recording(10, [(2, 3, 80, 0.01)]))) == 0
    sf.write(tmp_path / "silent.wav", np.zeros(48_000), 24_000)
    assert len(segment(tmp_path / "silent.wav")) == 0


def test_simultaneous_tones_apart_in_frequency_are_two_rois(write_recording):
    boxes = segment(write_recording(10, [(4.0, 5.0, 2000, 0.1), (4.1, 4.9, 6000, 0.03)]))
    assert len(boxes) == 2
    assert boxes["high_hz"].min() < boxes["low_hz"].max()


def test_an_overtone_is_merged_into_its_fundamental_unless_kept(tmp_path):
    time = np.arange(10 * RATE) / RATE
    pitch = 2000 + 300 * np.sin(2 * np.pi * 2 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sounds = (time > 4) & (time < 5)
    wave = sounds * (0.2 * np.sin(phase) + 0.02 * np.sin(3 * phase)) + make_waveform(10, [])
    sf.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    (joined,) = segment(tmp_path / "a.wav")
    assert joined["low_hz"] < 2000 < 6000 < joined["high_hz"]
    assert len(segment(tmp_path / "a.wav", overtones="keep")) == 2
    # Another bird, weaker and simultaneous, whose pitch varies differently.
    other = 0.02 * sounds * np.sin(2 * np.pi * np.cumsum(9000 - 1.5 * pitch) / RATE)
    sf.write(tmp_path / "b.wav", wave - 0.02 * sounds * np.sin(3 * phase) + other, RATE)
    assert len(segment(tmp_path / "b.wav")) == 2


def test_a_short_overtone_of_a_steady_note_that_swells_is_merged_into_the_whole_note(tmp_path):
    # Between two bands of 46.9 Hz; the fundamental is over the thresholds for longer.
    time = np.arange(10 * RATE) / RATE
    swell = np.clip(1 - np.abs(time - 4.5) / 0.5, 0, None) ** 2
    phase = 2 * np.pi * 1010 * time
    note = swell * (0.5 * np.sin(phase) + 0.002 * np.sin(2 * phase))
    sf.write(tmp_path / "a.wav", note + make_waveform(10, []), RATE, subtype="FLOAT")
    (joined,) = segment(tmp_path / "a.wav")
    fundamental, overtone = segment(tmp_path / "a.wav", overtones="keep")
    assert overtone["end_s"] - overtone["start_s"] < 0.7 * (
        fundamental["end_s"] - fundamental["start_s"]
    )
    assert joined[["start_s", "end_s", "low_hz"]] == fundamental[["start_s", "end_s", "low_hz"]]
    assert joined["high_hz"] == overtone["high_hz"]
    # Another steady note of twice its pitch, of a bird that begins later and swells by itself.
    later = np.clip(1 - np.abs(time - 4.75) / 0.15, 0, None) ** 2
    steady = (np.abs(time - 4.5) < 0.5) * 0.1 * np.sin(phase)
    wave = steady + 0.1 * later * np.sin(2 * phase) + make_waveform(10, [])
    sf.write(tmp_path / "b.wav", wave, RATE, subtype="FLOAT")
    assert len(segment(tmp_path / "b.wav")) == 2


def test_regions_with_overlapping_margins_are_one_roi(write_recording):
    path = write_recording(10, [(2.0, 2.3, 3000, 0.1), (2.45, 2.7, 3000, 0.1)])
    (box,) = segment(path)
    assert box["end_s"] - box["start_s"] == pytest.approx(0.7, abs=0.05)
    assert len(segment(path, merge_s=0.02)) == 2


def test_short_and_high_regions_are_dropped(write_recording):
    path = write_recording(10, [(2.0, 2.08, 3000, 0.1), (5.0, 5.5, 3000, 0.1)])
    assert len(segment(path, min_s=0.2)) == 1
    assert len(segment(path, min_s=0.0)) == 2
    assert len(segment(path, min_s=0.0, max_ratio=0.5)) == 1


def test_rois_do_not_depend_on_gain_or_channels(write_recording, tmp_path):
    tones = [(1.0, 1.4, 2000, 0.1), (6.0, 6.6, 5000, 0.01)]
    path = write_recording(10, tones)
    wave, rate = sf.read(path, dtype="float32")
    sf.write(tmp_path / "quiet.wav", wave / 64, rate, subtype="FLOAT")
    sf.write(tmp_path / "stereo.wav", np.stack([wave, wave], 1), rate, subtype="FLOAT")
    for other in ("quiet.wav", "stereo.wav"):
        for name in BOX.names or ():
            np.testing.assert_allclose(
                segment(tmp_path / other)[name], segment(path)[name], rtol=1e-5
            )


def test_long_regions_are_cut_at_their_quietest_frames(tmp_path):
    rate = 24_000
    time = np.arange(12 * rate) / rate
    rng = np.random.default_rng(1)
    level = np.where((time > 2) & (time < 9), 0.1, 0.0)
    for dip in (4.1, 6.4):
        level *= 1 - 0.8 * np.exp(-(((time - dip) / 0.03) ** 2))
    wave = level * np.sin(2 * np.pi * 3000 * time) + 1e-3 * rng.normal(size=len(time))
    sf.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    boxes = segment(tmp_path / "a.wav")
    np.testing.assert_allclose(boxes["start_s"], [2.0, 4.1, 6.4], atol=0.04)
    np.testing.assert_allclose(boxes["end_s"], [4.1, 6.4, 9.0], atol=0.04)


def test_the_size_of_blocks_changes_only_the_call_score_a_little(write_recording, monkeypatch):
    rng = np.random.default_rng(4)
    starts = np.sort(rng.uniform(0, 118, 60))
    tones = [(s, s + rng.uniform(0.1, 2.5), rng.uniform(800, 9000), 0.05) for s in starts]
    path = write_recording(120, tones)
    whole = segment_recording(path, 3.0, DEFAULT)
    monkeypatch.setattr(grid_module, "_MAX_BLOCK_POINTS", 1)
    cut = segment_recording(path, 3.0, DEFAULT)
    assert len(whole.boxes) > 30
    for name in set(BOX.names or ()) - {"call_score"}:
        np.testing.assert_array_equal(cut.boxes[name], whole.boxes[name])
    # It is computed from 20 s on either side, of which blocks of one chunk have 10 s.
    np.testing.assert_allclose(cut.boxes["call_score"], whole.boxes["call_score"], atol=0.1)
    assert cut.chunks == whole.chunks
    assert [chunk.start_s for chunk in whole.chunks[1:]] == [c.end_s for c in whole.chunks[:-1]]


def test_a_region_longer_than_blocks_has_no_duplicates_and_no_gaps(tmp_path, monkeypatch):
    rate = 24_000
    time = np.arange(120 * rate) / rate
    rng = np.random.default_rng(2)
    # It lasts a quarter of the recording, so the background stays that of the noise.
    level = 0.05 * (1 + 0.3 * np.sin(2 * np.pi * 1.3 * time)) * ((time > 13) & (time < 43))
    sweep = 3000 + 2000 * np.sin(2 * np.pi * time / 7)
    wave = level * np.sin(2 * np.pi * np.cumsum(sweep) / rate) + 1e-3 * rng.normal(size=len(time))
    sf.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    monkeypatch.setattr(grid_module, "_MAX_BLOCK_POINTS", 1)
    boxes = segment(tmp_path / "a.wav")
    assert boxes["start_s"][0] == pytest.approx(13, abs=0.05)
    assert boxes["end_s"][-1] == pytest.approx(43, abs=0.05)
    np.testing.assert_allclose(boxes["start_s"][1:], boxes["end_s"][:-1], atol=1e-6)
    assert np.all(boxes["end_s"] - boxes["start_s"] <= 3.0)


def test_a_recording_shorter_than_a_frame_has_no_rois(tmp_path):
    sf.write(tmp_path / "a.wav", np.full(100, 0.1), 24_000)
    assert len(segment(tmp_path / "a.wav")) == 0


def test_rates_below_the_band_and_samples_that_are_not_finite_are_errors(write_recording, tmp_path):
    with pytest.raises(InputError, match="300 Hz has nothing between 150 and 11500 Hz"):
        segment(write_recording(5, [], rate=300))
    wave = np.zeros(240_000, np.float32)
    wave[200_000] = np.nan
    sf.write(tmp_path / "nan.wav", wave, 24_000, subtype="FLOAT")
    with pytest.raises(InputError, match=r"not finite .* after 0\.0 s"):
        segment(tmp_path / "nan.wav")


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000, 250_000])
def test_every_sampling_rate_gives_the_same_rois(write_recording, rate):
    boxes = segment(write_recording(6, [(2.0, 2.5, 3000, 0.1)], rate=rate))
    assert len(boxes) == 1
    assert boxes["start_s"][0] == pytest.approx(2.0, abs=0.03)
    assert boxes["end_s"][0] == pytest.approx(2.5, abs=0.03)


@given(st.integers(1, 10**7), st.floats(1, 60), st.integers(1, 10**7))
def test_every_frame_is_in_the_core_of_one_block(samples, chunk_s, points):
    grid = make_grid(48_000, DEFAULT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid_module, "_MAX_BLOCK_POINTS", points)
        planned = grid_module.plan_blocks(samples, grid, chunk_s)
    assert planned[0].start == 0
    assert planned[-1].stop == grid.frames(samples)
    for block, following in pairwise(planned):
        assert block.stop == following.start
        assert block.edges[-1] > block.stop
        assert following.edges[0] < following.start
    for block in planned:
        assert {block.start, block.stop} <= set(block.edges)
        assert list(block.edges) == sorted(set(block.edges))


@pytest.mark.audio
def test_rois_of_the_spinetail_recording_agree_with_its_annotations(audio_root):
    lines = (audio_root / "maad" / "spinetail.txt").read_text().splitlines()[::2]
    annotated = np.array([line.split("\t")[:2] for line in lines], dtype=float)
    scores = {}
    for preset in ("default", "paper-2024"):
        settings = load_settings(preset).segmentation
        boxes = segment_recording(audio_root / "maad" / "spinetail.wav", 3.0, settings).boxes
        boxes = boxes[(boxes["chorus"] == 0) & ~(boxes["call_score"] < settings.min_call_score)]
        pad = settings.pad_s
        times = np.stack([boxes["start_s"] - pad, boxes["end_s"] + pad], axis=1)
        scores[preset] = score_detections(times, annotated)
    assert scores["default"].f1 >= 0.75
    assert scores["default"].recall > 0.8
    assert scores["default"].f1 > scores["paper-2024"].f1 > 0.3


def test_a_call_among_fainter_sounds_without_a_pause_is_a_roi_of_its_own(write_recording):
    # Fifteen seconds of croaks at five pitches, and a call 20 dB above them.
    rng = np.random.default_rng(1)
    croaks = [
        (start, start + 0.25, pitch, 0.001)
        for pitch in (600, 800, 1000, 1200, 1400)
        for start in np.arange(10, 25, 0.3) + rng.uniform(0, 0.05, 50)
    ]
    boxes = segment(write_recording(40, [*croaks, (14.0, 14.6, 900, 0.01)]))
    is_call = np.abs(boxes["start_s"] - 14.0) + np.abs(boxes["end_s"] - 14.6) < 0.2
    (call,) = boxes[is_call]
    assert 700 < call["low_hz"] < 900 < call["high_hz"] < 1100
