"""Churrs and choruses: what is a call for minutes, and what is background for minutes."""

import numpy as np
import pytest
import soundfile as sf
from tests.segmentation.conftest import RATE, make_waveform

from darksound.segmentation import grid as grid_module
from darksound.segmentation.recordings import segment_recording
from darksound.settings import SegmentationSettings

SETTINGS = SegmentationSettings()


def pulse_train(seconds, rate_hz, duty=0.6):
    """Return an envelope of pulses in [0, 1], `(n,)`."""
    phase = np.arange(round(seconds * RATE)) / RATE * rate_hz % 1
    return np.where(phase < duty, np.sin(np.pi * phase / duty), 0.0)


def tone(seconds, hz, level):
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def put(wave, sound, start_s):
    first = round(start_s * RATE)
    stop = min(first + len(sound), len(wave))
    wave[first:stop] += sound[: stop - first]


def crickets(seconds, hz=4500, level=0.02, chirps_per_s=1.5, seed=1):
    """Return chirps of four pulses, whose times vary by a twentieth."""
    rng = np.random.default_rng(seed)
    wave = np.zeros(round(seconds * RATE), np.float32)
    start = 0.1
    while start < seconds - 0.2:
        chirp = pulse_train(0.13, 30) * tone(0.13, hz * rng.uniform(0.997, 1.003), level)
        put(wave, chirp * rng.uniform(0.8, 1.2), start)
        start += rng.uniform(0.95, 1.05) / chirps_per_s
    return wave


def frogs(seconds, hz=1000, level=0.02, callers=25, seed=2):
    """Return many callers that call about once a second, each in its own rhythm."""
    rng = np.random.default_rng(seed)
    wave = np.zeros(round(seconds * RATE), np.float32)
    for _ in range(callers):
        period, start = rng.uniform(0.8, 1.4), rng.uniform(0, 1)
        call_hz, call_level = hz * rng.uniform(0.95, 1.05), level * rng.uniform(0.4, 1)
        while start < seconds - 0.2:
            put(wave, np.hanning(round(0.15 * RATE)) * tone(0.15, call_hz, call_level), start)
            start += period * rng.uniform(0.9, 1.1)
    return wave


def segment(tmp_path, wave, **changes):
    sf.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    return segment_recording(tmp_path / "a.wav", 3.0, SETTINGS.replace(**changes)).boxes


def calls_of(boxes):
    return boxes[boxes["chorus"] == 0]


def covered_s(boxes, start_s, end_s, hz):
    """Return how many seconds of a time are within boxes at a frequency."""
    time = np.arange(start_s, end_s, 0.01)
    at_hz = boxes[(boxes["low_hz"] <= hz) & (hz <= boxes["high_hz"])]
    inside = (at_hz["start_s"] <= time[:, None]) & (time[:, None] < at_hz["end_s"])
    return 0.01 * np.count_nonzero(inside.any(axis=1))


def test_crickets_that_never_pause_are_chorus_and_a_louder_whistle_among_them_is_a_call(tmp_path):
    wave = make_waveform(60, [(31.0, 31.6, 4500, 0.08)]) + crickets(60)
    boxes = segment(tmp_path, wave)
    (call,) = calls_of(boxes)
    assert call["start_s"] == pytest.approx(31.0, abs=0.1)
    assert call["end_s"] == pytest.approx(31.6, abs=0.1)
    assert np.count_nonzero(boxes["chorus"]) > 50
    ignored = segment(tmp_path, wave, chorus="ignore")
    assert len(ignored) > 50
    assert not ignored["chorus"].any()


def test_calls_beside_the_band_of_crickets_stay_as_they_are(tmp_path):
    tones = [(s, s + 0.3, 2000, 0.03) for s in np.arange(5, 55, 5.0)]
    alone = segment(tmp_path, make_waveform(60, tones))
    among = calls_of(segment(tmp_path, make_waveform(60, tones) + crickets(60)))
    assert len(alone) == len(among) == 10
    for name in ("start_s", "end_s", "low_hz", "high_hz", "snr_db"):
        np.testing.assert_allclose(among[name], alone[name], atol=0.01)


def test_a_call_twice_a_second_for_a_minute_is_no_chorus_at_low_frequencies(tmp_path):
    # Two of the four eighths of each half second are busy, with echo nearly three.
    tones = [(s, s + 0.2, 1200, 0.03) for s in np.arange(1, 59, 0.5)]
    boxes = segment(tmp_path, make_waveform(60, tones))
    assert len(boxes) == len(tones)
    assert not boxes["chorus"].any()


def test_many_frogs_are_chorus(tmp_path):
    boxes = segment(tmp_path, make_waveform(60, [(30, 30.5, 3000, 0.03)]) + frogs(60))
    assert len(calls_of(boxes)) == 1
    assert np.count_nonzero(boxes["chorus"]) > 15


def test_recordings_shorter_than_a_chorus_have_none(tmp_path):
    boxes = segment(tmp_path, make_waveform(15, []) + crickets(15))
    assert len(boxes) > 10
    assert not boxes["chorus"].any()


def test_a_churr_is_a_call_although_it_fills_the_recording(tmp_path):
    churr = (0.2 + 0.8 * pulse_train(60, 28)) * tone(60, 1700, 0.02)
    wave = make_waveform(60, []) + churr
    boxes = segment(tmp_path, wave)
    assert not boxes["chorus"].any()
    assert covered_s(boxes, 0, 60, 1700) > 57
    background = segment(tmp_path, wave, chorus="ignore", high_db=20.0, sustained_db=0.0)
    assert covered_s(background, 0, 60, 1700) < 10


def test_a_churr_of_a_minute_is_found_in_blocks_of_any_size(tmp_path, monkeypatch):
    wave = make_waveform(120, [])
    put(wave, (0.2 + 0.8 * pulse_train(70, 35)) * tone(70, 1900, 0.02), 22)
    whole = segment(tmp_path, wave)
    monkeypatch.setattr(grid_module, "_MAX_BLOCK_POINTS", 1)
    cut = segment(tmp_path, wave)
    for boxes in (whole, cut):
        assert covered_s(boxes, 22, 92, 1900) > 68
        assert covered_s(boxes, 0, 21, 1900) + covered_s(boxes, 93, 120, 1900) == 0


def test_calls_on_a_churr_are_rois_beside_it(tmp_path):
    churr = (0.2 + 0.8 * pulse_train(60, 30)) * tone(60, 1700, 0.02)
    calls = [(s, s + 0.4, 1720, 0.08) for s in (12.0, 25.0, 33.0, 47.0)]
    boxes = segment(tmp_path, make_waveform(60, calls) + churr)
    short = np.sort(boxes[boxes["end_s"] - boxes["start_s"] < 1], order="start_s")
    np.testing.assert_allclose(short["start_s"], [12, 25, 33, 47], atol=0.1)
    long = boxes[boxes["end_s"] - boxes["start_s"] >= 1]
    assert covered_s(long, 0, 60, 1700) > 57


def test_other_singers_do_not_widen_a_churr(tmp_path):
    churr = (0.2 + 0.8 * pulse_train(60, 30)) * tone(60, 1700, 0.02)
    # Sounds that sweep over the band of the churr every two seconds.
    sweeps = np.zeros_like(churr)
    hertz = np.linspace(900, 3500, round(0.6 * RATE))
    sweep = 0.05 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
    for start_s in np.arange(1, 58, 2.0):
        put(sweeps, sweep, start_s)
    boxes = segment(tmp_path, make_waveform(60, []) + churr + sweeps)
    narrow = boxes[boxes["high_hz"] - boxes["low_hz"] < 600]
    assert covered_s(narrow, 0, 60, 1700) > 57
    assert np.count_nonzero(boxes["high_hz"] > 3000) == 29


def test_short_soft_whistles_are_found_if_they_are_narrow(tmp_path):
    # The upper threshold is 20 dB; these are softer than that over the background of their band.
    tones = [(s, s + 0.15, 1500, 1.2e-3) for s in (3.0, 6.0, 9.0)]
    boxes = segment(tmp_path, make_waveform(12, tones))
    np.testing.assert_allclose(boxes["start_s"], [3, 6, 9], atol=0.05)
    assert len(segment(tmp_path, make_waveform(12, tones), sustained_db=0.0)) == 0


def test_soft_toots_of_a_tenth_of_a_second_are_found_below_1000_hz(tmp_path):
    starts = (3.0, 6.0, 9.0)
    toots, chips = ([(s, s + 0.1, hz, 6e-4) for s in starts] for hz in (800, 2000))
    boxes = segment(tmp_path, make_waveform(12, toots))
    np.testing.assert_allclose(boxes["start_s"], starts, atol=0.05)
    assert len(segment(tmp_path, make_waveform(12, chips))) == 0


def test_steady_bands_without_slow_pulses_are_background(tmp_path):
    rng = np.random.default_rng(5)
    hum = sum(tone(60, 120 * k, 0.02 / k) for k in range(1, 12))
    insect = pulse_train(60, 55) * tone(60, 5200, 0.02)
    water = np.convolve(rng.normal(size=60 * RATE), np.sinc(np.arange(-64, 65) / 12) / 12, "same")
    boxes = segment(tmp_path, make_waveform(60, []) + hum + insect + 0.01 * water)
    assert len(boxes) == 0
