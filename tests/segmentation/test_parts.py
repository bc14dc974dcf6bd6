"""The parts of segmentation against plain formulas and other implementations."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from darksound.segmentation.agreement import agreement, overlap_in_time
from darksound.segmentation.boxes import quietest_cuts
from darksound.segmentation.grid import make_grid
from darksound.segmentation.power import background, power_spectrum, smoothed
from darksound.segmentation.units import find_points
from darksound.settings import SegmentationSettings


def test_power_is_that_of_scipys_transform():
    wave = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    power = power_spectrum(wave, 1024, 512)
    transform = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", 1024), 512, 1.0)
    expected = np.abs(transform.stft(wave.astype(float), p0=1, p1=1 + len(power)).T) ** 2
    np.testing.assert_allclose(power, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["floor", "median", "mean"])
def test_the_background_of_noise_is_that_of_its_decibels(kind):
    rng = np.random.default_rng(1)
    slope = np.geomspace(1, 100, 64)
    power = (rng.exponential(size=(4000, 64)) * slope).astype(np.float32)
    settings = SegmentationSettings(background=kind, background_bands=1)
    # Of an exponential distribution: quantile -ln(1 - p), and exp(mean of ln) = exp(-gamma).
    quantile = {"floor": -np.log(0.7), "median": np.log(2), "mean": np.exp(-np.euler_gamma)}
    np.testing.assert_allclose(background(power, settings), slope * quantile[kind], rtol=0.15)


def test_the_background_is_not_lifted_by_what_sounds_for_less_than_half():
    power = np.ones((1000, 20), np.float32)
    power[:600] = 1e4
    np.testing.assert_allclose(background(power, SegmentationSettings()), 1, rtol=1e-5)
    assert background(np.zeros((10, 5), np.float32), SegmentationSettings()).min() > 0


def test_published_backgrounds_are_scikit_maads():
    sound = pytest.importorskip("maad.sound")
    power = np.random.default_rng(2).exponential(size=(900, 120)).astype(np.float32)
    settings = SegmentationSettings(background="median", background_bands=10)
    ours = 10 * np.log10(power / background(power, settings))
    theirs, _ = sound.remove_background_along_axis(10 * np.log10(power.T), mode="median", N=10)
    inner = slice(10, -10)
    np.testing.assert_allclose(np.maximum(ours, 0).T[inner], theirs[inner], atol=0.15)


def test_hysteresis_keeps_what_hangs_together_with_a_loud_point():
    grid = make_grid(48_000, SegmentationSettings())
    ratio = np.ones((60, 40), np.float32)
    ratio[5:9, 5:8] = 20.0
    ratio[6, 6] = 200.0
    ratio[40:44, 20:23] = 20.0
    settings = SegmentationSettings(merge_s=0, merge_hz=0, low_db=10, high_db=20, range_db="all")
    points = find_points(ratio, grid, settings)
    assert set(points.frame) == {5, 6, 7, 8}
    assert set(points.band) == {5, 6, 7}
    assert set(points.unit) == {0}
    near = find_points(ratio, grid, settings.model_copy(update={"range_db": 5.0}))
    assert list(zip(near.frame, near.band, strict=True)) == [(6, 6)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.integers(2, 40))
def test_pieces_are_no_longer_than_allowed_and_no_shorter_than_half(profile, longest):
    cuts = quietest_cuts(np.array(profile), longest)
    pieces = np.diff([0, *cuts, len(profile)])
    assert np.all(pieces <= longest)
    if cuts:
        assert np.all(pieces >= longest // 2)
        assert len(pieces) <= np.ceil(len(profile) / max(longest // 2, 1))


def test_agreement_pairs_each_unit_once():
    annotated = np.array([[0.0, 1.0], [2.0, 3.0], [5.0, 6.0]])
    found = np.array([[0.0, 1.0], [0.1, 1.0], [2.4, 3.4], [8.0, 9.0]])
    got = agreement(found, annotated)
    assert (got.found, got.annotated, got.matched) == (4, 3, 2)
    assert got.precision == 0.5
    assert got.recall == pytest.approx(2 / 3)
    assert got.f1 == pytest.approx(4 / 7)
    assert overlap_in_time(found, annotated)[2, 1] == pytest.approx(0.6 / 1.4)
    assert agreement(np.empty((0, 2)), annotated).f1 == 0


def test_smoothing_is_a_mean_over_frames_and_bands():
    power = np.random.default_rng(3).exponential(size=(20, 30)).astype(np.float32)
    got = smoothed(power, (3, 5))
    assert got[7, 9] == pytest.approx(power[6:9, 7:12].mean(), rel=1e-5)
    assert smoothed(power, (1, 1)) is power
