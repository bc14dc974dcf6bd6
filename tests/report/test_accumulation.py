"""Accumulation, compared with slow formulas and with all draws of units."""

from itertools import combinations
from math import comb, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.report.accumulation import accumulate, chao2, rarefaction
from darksound.report.activity import recorded_times
from darksound.rois.effort import as_effort_table
from darksound.rois.roi_set import TEXT_DTYPE

matrices = st.integers(1, 7).flatmap(
    lambda units: st.lists(st.integers(1, 2**units - 1), min_size=1, max_size=6).map(
        lambda masks: np.array([[mask >> j & 1 for j in range(units)] for mask in masks])
    )
)


@given(matrices)
@settings(max_examples=60, deadline=None)
def test_the_curve_is_the_mean_over_all_draws_of_units(matrix):
    units = matrix.shape[1]
    curve = rarefaction(matrix.sum(axis=1), units)
    assert curve["units"].tolist() == list(range(1, units + 1))
    drawn = [
        np.mean([matrix[:, list(some)].any(axis=1).sum() for some in combinations(range(units), t)])
        for t in curve["units"]
    ]
    np.testing.assert_allclose(curve["mean"], drawn, rtol=1e-9)
    assert ((curve["low"] <= curve["mean"]) & (curve["mean"] <= curve["high"])).all()


def test_the_interval_is_that_of_the_slow_formula():
    incidence, units = np.array([1, 1, 1, 2, 2, 5, 9]), 12
    curve = rarefaction(incidence, units)
    total = chao2(incidence, units).estimate
    for t, mean, low, high in curve.itertuples(index=False, name=None):
        alpha = [comb(units - y, t) / comb(units, t) for y in incidence]
        expected = sum(1 - a for a in alpha)
        deviation = sqrt(max(sum((1 - a) ** 2 for a in alpha) - expected**2 / total, 0))
        assert mean == pytest.approx(expected, rel=1e-9)
        assert high - mean == pytest.approx(1.959964 * deviation, rel=1e-6)
        assert low == pytest.approx(max(mean - 1.959964 * deviation, 0), abs=1e-6)


def test_curves_of_many_units_are_thinned_but_keep_both_ends():
    incidence = np.array([1, 40, 999_000, 3])
    curve = rarefaction(incidence, 1_000_000)
    assert len(curve) == 200
    assert curve["units"].iloc[[0, -1]].tolist() == [1, 1_000_000]
    assert curve["mean"].iloc[-1] == pytest.approx(4)
    assert curve["mean"].iloc[0] == pytest.approx(incidence.sum() / 1e6)


def test_chao2_by_hand():
    # Q1 = 3, Q2 = 2, T = 10: 0.9 * 9 / 4 unseen; variance 2 (.45 * 2.25 + .81 * 3.375 + ...).
    result = chao2(np.array([1, 1, 1, 2, 2, 4, 7]), 10)
    assert result.estimate == pytest.approx(7 + 2.025)
    variance = 2 * (0.45 * 1.5**2 + 0.81 * 1.5**3 + 0.2025 * 1.5**4)
    spread = np.exp(1.959964 * np.sqrt(np.log(1 + variance / 2.025**2)))
    assert result.low == pytest.approx(7 + 2.025 / spread, rel=1e-6)
    assert result.high == pytest.approx(7 + 2.025 * spread, rel=1e-6)
    # No duplicates: the bias-corrected form.
    assert chao2(np.array([1, 1, 1, 5]), 10).estimate == pytest.approx(4 + 0.9 * 3)
    # Nothing rare: nothing unseen.
    sure = chao2(np.array([5, 6, 7]), 10)
    assert (sure.estimate, sure.low) == (3, 3)
    assert 3 < sure.high < 3.2
    assert chao2(np.array([], dtype=np.int64), 10).high == 0


def test_the_interval_of_chao2_has_its_nominal_coverage():
    rng = np.random.default_rng(7)
    held, seen = 0, 0
    for _ in range(300):
        chances = rng.uniform(0.05, 0.4, size=60)
        incidence = rng.binomial(12, chances)
        incidence = incidence[incidence > 0]
        result = chao2(incidence, 12)
        held += result.low <= 60 <= result.high
        seen += incidence.size
    assert seen / 300 < 57
    assert held / 300 > 0.85


def table(rows):
    columns = ["recording", "start_s", "recorded_at", "recorder", "cluster"]
    made = pd.DataFrame(rows, columns=columns).assign(root="/r", label=None)
    return made.astype(dict.fromkeys(("recorded_at", "recorder", "label"), TEXT_DTYPE))


def test_recordings_with_noise_only_are_units_but_noise_is_not_a_cluster():
    rows = [("a", 0, None, None, 0), ("a", 1, None, None, 0), ("b", 0, None, None, 0),
            ("b", 3, None, None, 1), ("c", 0, None, None, -1)]  # fmt: skip
    result = accumulate(table(rows))
    assert (result.units, result.observed) == (3, 2)
    np.testing.assert_allclose(result.curve["mean"], [2 / 3 + 1 / 3, 1 + 2 / 3, 2])
    saved = result.as_table()
    assert saved["unit"].unique().tolist() == ["recording"]
    assert saved["chao2"].iloc[0] == result.chao2.estimate


def test_hours_are_of_the_clock_where_known_else_of_the_recording():
    evening = "2022-01-31T22:30:00+02:00"
    rows = [
        ("a", 0, evening, "SM4", 0),
        ("a", 1799, evening, "SM4", 0),
        ("a", 1801, evening, "SM4", 1),
        ("b", 0, evening, "AM1", 0),  # another recorder at the same time
        ("c", 10, None, None, 2),
        ("c", 3700, None, None, 2),
    ]
    result = accumulate(table(rows), "hour")
    assert (result.units, result.observed) == (5, 3)
    with pytest.raises(KeyError):
        accumulate(table(rows), "minute")


def test_units_without_a_roi_count_where_the_effort_is_known():
    """Two clusters in one of four recordings each: Chao2 is 2 + 3/4 * 2 * 1 / 2."""
    names = ["a.wav", "b.wav", "c.wav", "d.wav"]
    starts = [f"2024-05-01T0{hour}:00:00" for hour in (4, 5, 5, 7)]
    effort = {"root": "/r", "recording": names, "recorded_at": starts, "used_s": 60.0}
    rois = pd.DataFrame(
        {"root": "/r", "recording": ["a.wav", "b.wav"], "start_s": 1.0, "cluster": [0, 1]}
    ).assign(end_s=2.0, site=None, recorder=None, recorded_at=starts[:2])
    recorded = recorded_times(rois, as_effort_table(pd.DataFrame(effort)))
    result = accumulate(rois, "recording", recorded)
    assert (result.units, result.by_effort, result.unit_name) == (4, True, "recordings")
    assert result.curve["mean"].tolist() == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert result.chao2.estimate == pytest.approx(2.75)
    assert accumulate(rois, "hour", recorded).units == 3
    without = accumulate(rois, "recording", recorded_times(rois, None))
    assert (without.units, without.unit_name) == (2, "recordings with a ROI")
