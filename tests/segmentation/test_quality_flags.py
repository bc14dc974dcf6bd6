"""Quality flags: clipping, insects, rain and wind have their own, and birds have none."""

import numpy as np
import pytest
import scipy.signal
import soundfile as sf

from darksound.segmentation.recordings import segment_recording
from darksound.settings import SegmentationSettings

RATE = 48_000
TIME = np.arange(10 * RATE) / RATE


def _noise(seed=0):
    return 1e-3 * np.random.default_rng(seed).normal(size=len(TIME))


def birds():
    song = np.sin(2 * np.pi * (3000 * TIME + 80 * np.sin(2 * np.pi * 4 * TIME)))
    return _noise() + 0.1 * song * (np.sin(2 * np.pi * 0.7 * TIME) > 0.3)


def rain():
    rng = np.random.default_rng(1)
    wave = _noise()
    for start in rng.integers(0, len(wave) - 200, 150):
        wave[start : start + 96] += 0.1 * rng.normal(size=96) * np.exp(-np.arange(96) / 30)
    return wave


def wind():
    low = scipy.signal.sosfilt(
        scipy.signal.butter(4, (60, 250), "bandpass", fs=RATE, output="sos"),
        np.random.default_rng(2).normal(size=len(TIME)),
    )
    return _noise() + 0.5 * low * (0.03 + np.sin(2 * np.pi * 0.3 * TIME) ** 8)


def insects():
    band = scipy.signal.butter(4, (6000, 6600), "bandpass", fs=RATE, output="sos")
    return _noise() + 0.05 * scipy.signal.sosfilt(
        band, np.random.default_rng(3).normal(size=len(TIME))
    )


def clipping():
    return np.clip(20 * birds(), -0.6, 0.6)


@pytest.mark.parametrize(
    ("make", "flags"),
    [(birds, ()), (rain, ("rain",)), (wind, ("wind",)), (insects, ("insects",)),
     (clipping, ("clipping",))],
)  # fmt: skip
def test_each_problem_has_its_flag_and_no_other(make, flags, tmp_path):
    sf.write(tmp_path / "a.wav", make(), RATE, subtype="PCM_16")
    segmentation = segment_recording(tmp_path / "a.wav", 3.0, SegmentationSettings())
    assert [chunk.quality_flags for chunk in segmentation.chunks] == [flags]


def test_only_the_affected_chunk_is_flagged_and_its_rois_are_kept(tmp_path):
    sf.write(tmp_path / "a.wav", np.concatenate([birds(), clipping(), birds()]), RATE)
    segmentation = segment_recording(tmp_path / "a.wav", 3.0, SegmentationSettings())
    assert [chunk.quality_flags for chunk in segmentation.chunks] == [(), ("clipping",), ()]
    assert np.any((segmentation.boxes["start_s"] > 11) & (segmentation.boxes["end_s"] < 20))
    assert segmentation.chunks[1].level_db == pytest.approx(
        10 * np.log10(np.mean(clipping() ** 2)), abs=0.1
    )


def test_loud_and_full_scale_tones_are_not_clipped(tmp_path):
    for hz in (60, 440, 3000):
        sf.write(tmp_path / "a.wav", 0.9999 * np.sin(2 * np.pi * hz * TIME), RATE)
        segmentation = segment_recording(tmp_path / "a.wav", 3.0, SegmentationSettings())
        assert "clipping" not in segmentation.chunks[0].quality_flags, hz


@pytest.mark.parametrize("rate", [500, 1000, 2000, 4000])
def test_a_rate_without_the_frequencies_of_a_flag_gives_no_such_flag(tmp_path, rate):
    t = np.arange(10 * rate) / rate
    wave = 1e-3 * np.random.default_rng(0).normal(size=len(t))
    wave += 0.1 * (t % 2 > 1.5) * np.sin(2 * np.pi * 0.35 * rate * t)
    sf.write(tmp_path / "a.wav", wave, rate)
    whole = segment_recording(tmp_path / "a.wav", 3.0, SegmentationSettings(low_hz=50))
    assert len(whole.boxes) == 5
    assert all(chunk.quality_flags == () for chunk in whole.chunks)
