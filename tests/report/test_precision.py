"""Precision of a stratified sample: its interval, and that the interval holds the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from darksound.report.precision import Precision, Strata, wilson_interval


def strata(sizes, checked, yes, known=0, known_yes=0):
    arrays = (np.array(each, dtype=np.float64) for each in (sizes, checked, yes))
    size, n_checked, n_yes = arrays
    return Strata(size, n_checked, n_yes, known, known_yes)


@pytest.mark.parametrize(("yes", "n"), [(0, 5), (1, 7), (20, 20), (33, 40), (500, 1000)])
def test_wilson_interval_is_that_of_scipy(yes, n):
    expected = binomtest(yes, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson_interval(yes / n, n), expected, atol=1e-9)


def test_the_precision_of_a_very_large_set_is_that_of_wilson():
    found = strata([10**9], [40], [36]).precision()
    expected = binomtest(36, 40).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-6)


def test_strata_are_weighted_by_their_sizes():
    # 30 of 40 ROIs at 1/2, 10 at 1.
    assert strata([30, 10], [4, 4], [2, 4]).precision().estimate == pytest.approx(0.625)


def test_what_was_checked_as_a_whole_is_exact():
    assert strata([4, 6], [4, 6], [3, 6]).precision() == Precision(0.9, 0.9, 0.9)


def test_what_was_checked_is_certain():
    # 8 of 10 were checked: at least 7 and at most 9 of 10 are true calls.
    found = strata([10], [8], [7]).precision()
    assert 0.7 <= found.low <= found.estimate <= found.high <= 0.9


def test_verdicts_outside_of_the_sample_count_for_their_rois_alone():
    # 10 of 20 are known to be wrong; of the others all that were checked are right.
    found = strata([10], [5], [5], known=10).precision()
    assert found.estimate == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5)
    assert strata([0], [0], [0], known=4, known_yes=3).precision().low == 0.75


def test_strata_without_a_sample_are_taken_to_be_like_the_others():
    found = strata([10, 10], [10, 0], [5, 0]).precision()
    assert found.estimate == pytest.approx(0.5)
    # The ten that were not checked may all be right or wrong.
    assert found.low < 0.5 < found.high


def test_without_verdicts_nothing_is_known():
    found = strata([10], [0], [0], known=10, known_yes=5).precision()
    assert np.isnan(found.estimate)
    assert (found.low, found.high) == (0.25, 0.75)


def test_clips_to_check_narrow_the_interval_to_the_width():
    few = strata([400], [10], [8])
    more = few.clips_to_check(0.1)
    n = 10 + more
    found = strata([400], [n], [round(0.8 * n)]).precision()
    assert (found.high - found.low) / 2 == pytest.approx(0.1, abs=0.015)
    assert strata([400], [300], [250]).clips_to_check(0.1) == 0
    assert strata([5], [5], [5]).clips_to_check(0.1) == 0


@pytest.mark.parametrize("clips", [10, 20, 40])
def test_the_interval_holds_the_precision_in_95_percent_of_reviews(clips):
    """Of 1,500 made reviews at least 93.9 % hold: two standard deviations below 95 %."""
    rng = np.random.default_rng(clips)
    held = []
    for _ in range(1500):
        n = int(np.exp(rng.uniform(np.log(50), np.log(3000))))
        usual = rng.beta(6, 1) if rng.random() < 0.7 else rng.uniform(0.3, 1)
        shares = np.clip(usual + np.array([-0.15, 0.0, 0.1]) * rng.uniform(0, 2), 0, 1)
        sizes = np.array([n // 3, n // 3, n - 2 * (n // 3)])
        true = rng.binomial(sizes, shares)
        checked = np.maximum(1, clips * sizes // n)
        yes = rng.hypergeometric(true, sizes - true, checked)
        found = strata(sizes, checked, yes).precision()
        held.append(found.low - 1e-9 <= true.sum() / n <= found.high + 1e-9)
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 1500)
