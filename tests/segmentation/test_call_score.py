"""The probability that a ROI is an animal's call, and the features it comes from."""

import numpy as np
import pytest
import soundfile as sf

from darksound.audio.files import probe
from darksound.segmentation.block import find_block_rois
from darksound.segmentation.call_features import CALL_FEATURES, call_features
from darksound.segmentation.call_score import CallTrees, bundled_trees
from darksound.segmentation.recordings import plan_recording, segment_recording
from darksound.settings import SegmentationSettings
from darksound.synthesis.single_events import render_single_event

RATE = 24_000
CALLS = ("wild", "tinamou", "whip", "wail", "toots", "owl")
OTHERS = ("raindrops", "cricket", "handling", "wind", "frog_chorus", "engine")


def features_of(path, **settings):
    """Return the feature columns of the ROIs of a recording of one block, by name."""
    options = SegmentationSettings(chorus="ignore", **settings)
    grid, (block,) = plan_recording(probe(path), options)
    found, points, ratio = find_block_rois(path, block, grid, 3.0, options)
    table = call_features(found.boxes, points, ratio, grid)
    assert np.isfinite(table).all()
    return dict(zip(CALL_FEATURES, table.T, strict=True))


@pytest.fixture
def write_wave(tmp_path):
    """Return a function that writes sounds at 24 kHz in faint noise and returns the path."""

    def write(seconds, *sounds):
        wave = 1e-3 * np.random.default_rng(1).normal(size=round(seconds * RATE))
        for start_s, sound in sounds:
            first = round(start_s * RATE)
            wave[first : first + len(sound)] += sound
        sf.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
        return tmp_path / "a.wav"

    return write


def tone(seconds, low_hz, high_hz):
    """Return a tone that rises from one frequency to another."""
    hertz = np.linspace(low_hz, high_hz, round(seconds * RATE))
    return 0.1 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE) * np.hanning(hertz.size) ** 0.1


def test_pitch_contours_have_the_slope_and_range_of_the_sound(write_wave):
    path = write_wave(10, (2.0, tone(1.0, 2000, 2000)), (6.0, tone(1.0, 2000, 4000)))
    features = features_of(path)
    np.testing.assert_allclose(features["log_duration"], 0, atol=0.1)
    assert features["log_peak"][0] == pytest.approx(np.log2(2000), abs=0.02)
    # 2000 Hz a second are 42.7 bands of 46.9 Hz in 93.75 frames.
    np.testing.assert_allclose(features["slope"], [0, 42.7 / 93.75], atol=0.1)
    # A uniform distribution over 42.7 bands.
    np.testing.assert_allclose(features["contour_bands"], [0, 42.7 / 12**0.5], atol=1.5)
    assert features["tonality"][0] > 0.3
    assert features["entropy"][1] > features["entropy"][0] + 2


def test_modulation_and_rhythm_are_those_of_the_sound(write_wave):
    time = np.arange(round(0.8 * RATE)) / RATE
    trill = 0.1 * np.sin(2 * np.pi * 3000 * time) * (0.55 + 0.45 * np.cos(2 * np.pi * 20 * time))
    path = write_wave(12, *((start, trill) for start in np.arange(0.5, 10, 1.25)))
    features = features_of(path)
    np.testing.assert_allclose(features["modulation_hz"], 20, atol=1)
    np.testing.assert_allclose(features["rhythm_s"], 1.25, atol=0.05)
    assert np.all(features["rhythm"] > 0.5)
    assert np.all(features["modulation"] > 0.3)


def test_clicks_are_broadband_and_tones_are_not(write_wave):
    click = 0.5 * np.random.default_rng(2).normal(size=round(0.06 * RATE))
    path = write_wave(10, (2.0, tone(0.5, 3000, 3000)), (6.0, click))
    features = features_of(path)
    assert features["log_bands"][1] > features["log_bands"][0] + 3
    assert features["broadband_peak"][0] < 0.1
    assert features["rise"][1] > 5


def test_the_context_is_how_busy_the_bands_of_a_roi_are_for_20_seconds(write_wave):
    # A tone of half a second every two seconds, an octave and a half above another one alone.
    path = write_wave(
        60, *((start, tone(0.5, 4500, 4500)) for start in np.arange(1, 59, 2)),
        (30.2, tone(0.5, 1600, 1600)),
    )  # fmt: skip
    features = features_of(path)
    alone = features["log_peak"] < np.log2(3000)
    assert alone.sum() == 1
    busy = ~alone & (np.arange(len(alone)) > 10) & (np.arange(len(alone)) < 20)
    for band in ("core", "near", "octave"):
        for reach in ("10s", "20s"):
            # With the window and the steps of 0.085 s, half a second becomes up to 0.7 s.
            occupied = features[f"{band}_{reach}_occupied"]
            assert np.all((occupied[busy] > 0.25) & (occupied[busy] < 0.4))
            onsets = features[f"{band}_{reach}_onsets"] / 0.0853
            np.testing.assert_allclose(onsets[busy], 0.5, atol=0.06)
            assert features[f"{band}_{reach}_as_loud"][busy].min() > 0.2
            np.testing.assert_allclose(features[f"{band}_{reach}_p95"][busy], 0, atol=1)
        assert features[f"{band}_20s_occupied"][alone] < 0.02
        assert features[f"{band}_20s_p95"][alone] < -20
        # The first has nothing before it, and is compared with what there is.
        assert features[f"{band}_before"][0] == 0
        assert features[f"{band}_20s_occupied"][0] == pytest.approx(occupied[busy].mean(), abs=0.06)


def test_a_tree_sends_equal_values_to_the_left():
    trees = CallTrees(
        feature=np.array([[1, 0, 0]]),
        threshold=np.array([[0.5, np.inf, np.inf]]),
        left=np.array([[1, 1, 2]]),
        right=np.array([[2, 1, 2]]),
        value=np.array([[0.0, -1.0, 2.0]]),
        scale=np.array([2.0, 0.5]),
        depth=1,
    )
    scores = trees.scores(np.array([[9.0, 0.5], [9.0, 0.6]]))
    np.testing.assert_allclose(scores, 1 / (1 + np.exp([1.5, -4.5])))


def test_scores_do_not_depend_on_gain(write_wave, tmp_path):
    path = write_wave(8, (2.0, tone(0.5, 2000, 3000)), (5.0, tone(0.3, 4000, 3500)))
    wave, _ = sf.read(path, dtype="float32")
    sf.write(tmp_path / "quiet.wav", wave / 64, RATE, subtype="FLOAT")
    settings = SegmentationSettings()
    loud, quiet = (
        segment_recording(each, 3.0, settings).boxes["call_score"]
        for each in (path, tmp_path / "quiet.wav")
    )
    np.testing.assert_allclose(quiet, loud, rtol=1e-5)
    assert np.all((loud > 0) & (loud < 1))


def test_calls_of_other_seeds_score_higher_than_other_sounds(tmp_path):
    scores: dict[bool, list[float]] = {True: [], False: []}
    for kind in (*CALLS, *OTHERS):
        event = render_single_event(kind, np.random.default_rng([20, 2000]), longest_s=4.0)
        sf.write(tmp_path / "a.wav", event.samples, 48_000, subtype="FLOAT")
        boxes = segment_recording(tmp_path / "a.wav", 2.9, SegmentationSettings()).boxes
        scores[event.is_call] += boxes["call_score"].tolist()
    calls, others = np.array(scores[True]), np.array(scores[False])
    assert np.mean(calls[:, None] > others) > 0.9


@pytest.mark.parametrize("hertz", [400, 700, 1100, 2000, 3000])
def test_plain_whistles_in_an_unsteady_rhythm_are_kept(hertz, write_wave):
    starts = 1 + 2 * np.arange(14) + np.random.default_rng(4).uniform(-0.4, 0.4, 14)
    path = write_wave(30, *((start, 0.2 * tone(0.3, hertz, hertz)) for start in starts))
    settings = SegmentationSettings()
    scores = segment_recording(path, 3.0, settings).boxes["call_score"]
    assert len(scores) == len(starts)
    assert np.mean(scores >= settings.min_call_score) > 0.9


def test_no_roi_has_no_scores():
    assert bundled_trees().scores(np.empty((0, len(CALL_FEATURES)))).shape == (0,)
