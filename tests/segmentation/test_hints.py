"""A recording with no ROI, or far fewer than it has sounds, has a hint on the likely cause."""

import logging

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from darksound.settings import Settings
from darksound.sources import load_rois

RATE = 24_000


def noise(seconds, rate=RATE, level=1e-3, seed=0):
    return level * np.random.default_rng(seed).normal(size=round(seconds * rate))


def tones(seconds, hz, rate=RATE, level=0.1):
    """Return a tone of 0.3 s every two seconds, faded over 10 ms."""
    t = np.arange(round(seconds * rate)) / rate
    return (
        level * np.clip(np.minimum(t % 2 - 0.5, 0.8 - t % 2) / 0.01, 0, 1) * np.sin(6.2832 * hz * t)
    )


@pytest.fixture
def hint_of(tmp_path):
    """Return a function that segments one recording; it returns the number of ROIs and the hint."""

    def segment(wave, rate=RATE, **segmentation):
        path = tmp_path / "in" / "a.wav"
        path.parent.mkdir(exist_ok=True)
        sf.write(path, wave, rate, subtype="FLOAT")
        settings = Settings().replace(
            compute={"cache_dir": tmp_path / "cache", "workers": 1}, segmentation=segmentation
        )
        parts: list[pd.DataFrame] = []
        rois = load_rois(path, settings=settings, rois="segment", on_chunks=parts.append)
        assert rois.problems == ()
        (hint,) = parts[0]["hint"].unique()
        return len(rois), hint

    return segment


def test_a_recording_with_rois_has_no_hint(hint_of):
    assert hint_of(noise(10) + tones(10, 3000)) == (5, "")


def test_sounds_above_the_band_are_named_with_their_share_and_the_setting(hint_of):
    rate = 192_000
    count, hint = hint_of(noise(10, rate, 1e-4) + tones(10, 45_000, rate), rate)
    assert count == 0
    assert hint.startswith("No ROI: sounds stand out above 115")
    assert "100 % of the energy, in 1 of 1 chunks (raise segmentation.high_hz (--high-hz)" in hint
    count, hint = hint_of(
        noise(10, rate, 1e-4) + tones(10, 45_000, rate), rate, low_hz=15_000, high_hz=90_000
    )
    assert (count, hint) == (5, "")


def test_sounds_below_the_band_are_named(hint_of):
    count, hint = hint_of(noise(10) + tones(10, 150), low_hz=500)
    assert count == 0
    assert "sounds stand out below 4" in hint
    assert "lower segmentation.low_hz (--low-hz)" in hint


def test_few_rois_beside_many_sounds_above_the_band_have_a_hint(hint_of):
    rate = 48_000
    wave = noise(70, rate, 1e-4) + tones(70, 20_000, rate)
    wave[: 2 * rate] += tones(2, 3000, rate)
    count, hint = hint_of(wave, rate)
    assert count == 1
    assert "Hz in 7 of 7 chunks, ROIs between 150 and 11500 Hz in 1;" in hint


def test_an_offset_is_no_sound(hint_of):
    count, hint = hint_of(np.full(5 * RATE, 0.3))
    assert count == 0
    assert hint == "No ROI: it holds no sound, only a constant offset; check the recorder."


def test_a_very_short_recording_has_no_background(hint_of):
    for length in (1, 5, 300, 5000):
        count, hint = hint_of(noise(1)[:length])
        assert count == 0
        assert "too short to have a background; use it as one ROI with --rois whole" in hint


def test_noise_and_weak_sounds_are_compared_with_the_threshold(hint_of):
    count, hint = hint_of(noise(10))
    assert count == 0
    assert hint.endswith("dB above the background, and segmentation.high_db asks for 20.")
    count, hint = hint_of(noise(10) + tones(10, 3000), high_db=95)
    assert count == 0
    assert "segmentation.high_db asks for 95" in hint


def test_almost_silent_and_clipped_recordings_are_named(hint_of):
    _, hint = hint_of(noise(10, level=1e-5))
    assert "almost silent (100 dB below full scale at its loudest" in hint
    _, hint = hint_of(np.clip(noise(10, level=20), -1, 1))
    assert "100 % of the chunks are flagged clipping" in hint


def test_regions_that_are_too_short_are_named(hint_of):
    count, hint = hint_of(noise(10) + tones(10, 3000), min_s=2)
    assert count == 0
    assert "5 regions between 150 and 11500 Hz were dropped by segmentation.min_s (2 s)" in hint


def test_channels_that_cancel_give_the_rois_of_the_strongest_and_a_hint(hint_of):
    song = tones(10, 3000)
    one_channel, _ = hint_of(song + noise(10))
    opposite = np.stack([song + noise(10), -song + noise(10, seed=1)], axis=1)
    count, hint = hint_of(opposite)
    assert count == one_channel == 5
    assert "channels cancel in their mean (opposite phase) in 1 of 1 chunks" in hint
    dead = np.stack([song + noise(10), 0 * song], axis=1)
    assert hint_of(dead) == (5, "")
    four = np.stack([song + noise(10), *(noise(10, seed=i) for i in (1, 2, 3))], axis=1)
    assert hint_of(four) == (5, "")


def test_five_hints_are_logged_and_the_others_counted(tmp_path, caplog):
    for number in range(7):
        sf.write(tmp_path / f"{number}.wav", noise(10, seed=number), RATE)
    settings = Settings().replace(compute={"cache_dir": tmp_path / "cache", "workers": 1})
    with caplog.at_level(logging.WARNING):
        load_rois(tmp_path, settings=settings, rois="segment")
    assert [record.message.split(":")[0] for record in caplog.records] == [
        *(f"{number}.wav" for number in range(5)), "2 more recordings have such hints."
    ]  # fmt: skip
