"""The steps of segmentation against plain formulas and other implementations."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from darksound.segmentation.boxes import BOX, join_boxes, quietest_cuts
from darksound.segmentation.detection import score_detections, time_iou
from darksound.segmentation.grid import make_grid
from darksound.segmentation.power import estimate_background, power_spectrum, smooth
from darksound.segmentation.regions import RegionPoints, find_regions
from darksound.settings import SegmentationSettings


def test_power_equals_that_of_scipys_stft():
    wave = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    power = power_spectrum(wave, 1024, 512)
    transform = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", 1024), 512, 1.0)
    expected = np.abs(transform.stft(wave.astype(float), p0=1, p1=1 + len(power)).T) ** 2
    np.testing.assert_allclose(power, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["floor", "median", "mean"])
def test_the_background_of_noise_is_that_of_its_distribution(kind):
    rng = np.random.default_rng(1)
    slope = np.geomspace(1, 100, 64)
    power = (rng.exponential(size=(4000, 64)) * slope).astype(np.float32)
    settings = SegmentationSettings(background=kind, background_bands=1)
    # Of an exponential distribution: quantile -ln(1 - p), and exp(mean of ln) = exp(-gamma).
    quantile = {"floor": -np.log(0.7), "median": np.log(2), "mean": np.exp(-np.euler_gamma)}
    np.testing.assert_allclose(
        estimate_background(power, settings), slope * quantile[kind], rtol=0.15
    )


def test_the_background_is_not_raised_by_sounds_in_less_than_seven_tenths_of_the_time():
    power = np.ones((1000, 20), np.float32)
    power[:600] = 1e4
    np.testing.assert_allclose(estimate_background(power, SegmentationSettings()), 1, rtol=1e-5)
    assert estimate_background(np.zeros((10, 5), np.float32), SegmentationSettings()).min() > 0


def test_published_backgrounds_equal_scikit_maads():
    sound = pytest.importorskip("maad.sound")
    power = np.random.default_rng(2).exponential(size=(900, 120)).astype(np.float32)
    settings = SegmentationSettings(background="median", background_bands=10)
    actual = 10 * np.log10(power / estimate_background(power, settings))
    expected, _ = sound.remove_background_along_axis(10 * np.log10(power.T), mode="median", N=10)
    inner = slice(10, -10)
    np.testing.assert_allclose(np.maximum(actual, 0).T[inner], expected[inner], atol=0.15)


def test_hysteresis_keeps_points_connected_to_a_loud_point():
    grid = make_grid(48_000, SegmentationSettings())
    ratio = np.ones((60, 40), np.float32)
    ratio[5:9, 5:8] = 20.0
    ratio[6, 6] = 200.0
    ratio[40:44, 20:23] = 20.0
    settings = SegmentationSettings(merge_s=0, merge_hz=0, low_db=10, high_db=20, range_db="all")
    points = find_regions(ratio, grid, settings)
    assert set(points.frame) == {5, 6, 7, 8}
    assert set(points.band) == {5, 6, 7}
    assert set(points.region) == {0}
    loudest = find_regions(ratio, grid, settings.replace(range_db=5.0))
    assert list(zip(loudest.frame, loudest.band, strict=True)) == [(6, 6)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.integers(2, 40))
def test_pieces_are_between_half_the_longest_and_the_longest(profile, max_frames):
    cuts = quietest_cuts(np.array(profile), max_frames)
    pieces = np.diff([0, *cuts, len(profile)])
    assert np.all(pieces <= max_frames)
    if cuts:
        assert np.all(pieces >= max_frames // 2)
        assert len(pieces) <= np.ceil(len(profile) / max(max_frames // 2, 1))


def test_each_roi_is_matched_once():
    annotated = np.array([[0.0, 1.0], [2.0, 3.0], [5.0, 6.0]])
    detected = np.array([[0.0, 1.0], [0.1, 1.0], [2.4, 3.4], [8.0, 9.0]])
    scores = score_detections(detected, annotated)
    assert (scores.n_detected, scores.n_annotated, scores.n_matched) == (4, 3, 2)
    assert scores.precision == 0.5
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.f1 == pytest.approx(4 / 7)
    assert time_iou(detected, annotated)[2, 1] == pytest.approx(0.6 / 1.4)
    assert score_detections(np.empty((0, 2)), annotated).f1 == 0


def test_smoothing_is_a_mean_over_frames_and_bands():
    power = np.random.default_rng(3).exponential(size=(20, 30)).astype(np.float32)
    averaged = smooth(power, (3, 5))
    assert averaged[7, 9] == pytest.approx(power[6:9, 7:12].mean(), rel=1e-5)
    assert smooth(power, (1, 1)) is power


def test_a_sound_that_two_searches_find_at_the_same_place_is_one_box():
    def found(*starts):
        boxes = np.zeros(len(starts), BOX)
        boxes["start_s"], boxes["end_s"], boxes["high_hz"] = starts, np.add(starts, 1), 500
        number = np.repeat(np.arange(len(starts)), 2)
        frame = np.repeat(np.array(starts) * 10, 2)
        return boxes, RegionPoints(number, frame, np.tile([0, 1], len(starts)), number + 1.0)

    boxes, points = join_boxes(found(1, 4), found(0, 4, 6))
    assert boxes["start_s"].tolist() == [0, 1, 4, 6]
    assert points.region.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert points.frame.tolist() == [0, 0, 10, 10, 40, 40, 60, 60]
    # The points of the box at 4 are those of the first search.
    assert points.ratio.tolist() == [1, 1, 1, 1, 2, 2, 3, 3]
