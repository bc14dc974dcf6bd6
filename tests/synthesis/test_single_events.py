"""Single events in noise: each kind, with a band and an SNR that are true."""

import numpy as np
import pytest
import scipy.signal

from darksound.synthesis.single_events import CALL_KINDS, OTHER_KINDS, render_single_event


def _band_power(wave: np.ndarray, low_hz: float, high_hz: float) -> float:
    hertz, power = scipy.signal.periodogram(wave, 48_000)
    return float(power[(hertz >= low_hz) & (hertz <= high_hz)].sum() * (hertz[1] - hertz[0]))


@pytest.mark.parametrize("kind", [*CALL_KINDS, *OTHER_KINDS])
def test_event_stands_out_in_its_band_by_its_snr(kind: str) -> None:
    rng = np.random.default_rng(4)
    event = next(
        e for e in (render_single_event(kind, rng, longest_s=4.0) for _ in range(50))
        if e.snr_db > 12 and np.abs(e.samples).max() < 1
    )  # fmt: skip
    first, last = round(event.start_s * 48_000), round(event.end_s * 48_000)
    inside = _band_power(event.samples[first:last], event.low_hz, event.high_hz)
    # Before the event there is noise alone.
    outside = _band_power(event.samples[:first], event.low_hz, event.high_hz)
    assert 10 * np.log10(inside / outside) == pytest.approx(event.snr_db, abs=4)
    assert event.is_call == (kind in CALL_KINDS)


def test_events_depend_on_the_seed_alone() -> None:
    first, again, other = (
        render_single_event("owl", np.random.default_rng(seed), longest_s=2.0) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.samples.size != other.samples.size or np.any(first.samples != other.samples)
