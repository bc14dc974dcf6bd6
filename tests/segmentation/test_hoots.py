"""Hoots in the region of another sound: which are separate ROIs, and which are parts of it."""

import numpy as np
import pytest
import soundfile as sf
from tests.segmentation.conftest import RATE, make_waveform

from darksound.segmentation.recordings import segment_recording
from darksound.settings import SegmentationSettings

LONG_CALL = (3.0, 5.0, 800.0, 0.1)


@pytest.fixture
def rois_of(write_recording):
    """Return a function that returns the boxes of the ROIs of tones."""

    def segment(*tones, seconds=10, **settings):
        path = write_recording(seconds, tones)
        return segment_recording(path, 2.9, SegmentationSettings(**settings)).boxes

    return segment


def test_a_hoot_below_a_longer_call_is_a_roi_of_its_own(rois_of):
    boxes = rois_of(LONG_CALL, (3.8, 4.1, 450.0, 0.05))
    call, hoot = boxes[np.argsort(boxes["start_s"])]
    assert (hoot["start_s"], hoot["end_s"]) == pytest.approx((3.8, 4.1), abs=0.06)
    assert hoot["low_hz"] < 450 < hoot["high_hz"] < 650
    # The call ends where it ends, and not below the hoot.
    assert (call["start_s"], call["end_s"]) == pytest.approx((3.0, 5.0), abs=0.06)
    assert call["low_hz"] > 550


def test_without_a_search_for_choruses_both_are_one_roi_as_published(rois_of):
    assert len(rois_of(LONG_CALL, (3.8, 4.1, 450.0, 0.05), chorus="ignore")) == 1


def test_a_hoot_far_below_the_level_of_a_call_is_found(rois_of):
    # 40 dB: more than `range_db` below the maximum of the region.
    loud = (3.0, 5.0, 800.0, 0.5)
    boxes = rois_of(loud, (3.8, 4.1, 450.0, 0.005))
    hoots = boxes[boxes["high_hz"] < 650]
    assert len(hoots) == 1
    assert (hoots["start_s"][0], hoots["end_s"][0]) == pytest.approx((3.8, 4.1), abs=0.08)


def test_a_hoot_between_knocks_is_a_roi_of_its_own(tmp_path):
    wave = make_waveform(12, [(5.0, 5.4, 450.0, 0.05)])
    rng = np.random.default_rng(3)
    for start in (4.5, 4.65, 4.8, 4.93, 5.47, 5.6, 5.75, 5.9):
        first = round(start * RATE)
        knock = rng.normal(size=round(0.04 * RATE)) * np.hanning(round(0.04 * RATE))
        wave[first : first + len(knock)] += 0.2 * knock
    sf.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    boxes = segment_recording(tmp_path / "a.wav", 2.9, SegmentationSettings()).boxes
    hoots = boxes[boxes["high_hz"] < 700]
    assert len(hoots) == 1
    assert (hoots["start_s"][0], hoots["end_s"][0]) == pytest.approx((5.0, 5.4), abs=0.08)


def test_overtones_and_fundamental_stay_one_roi(rois_of):
    note = [(start, start + 0.3, hz, 0.05) for start in (3.0, 3.4) for hz in (400.0, 800.0, 1200.0)]
    boxes = rois_of(*note)
    assert all(low < 400 and high > 1200 for low, high in boxes[["low_hz", "high_hz"]].tolist())


@pytest.mark.parametrize("starts", [(3.0, 3.25, 3.5), (3.0, 5.0, 7.0)])
def test_hoots_alone_are_the_rois_that_they_are_without_this_step(rois_of, starts):
    hoots = [(start, start + 0.2, 450.0, 0.05) for start in starts]
    bounds = ["start_s", "end_s", "low_hz", "high_hz"]
    found, without = rois_of(*hoots), rois_of(*hoots, chorus="ignore")
    assert found[bounds].tolist() == without[bounds].tolist()


def test_a_sweep_is_not_cut_into_hoots(tmp_path):
    hertz = np.concatenate([np.linspace(400, 1400, RATE // 2), np.linspace(1400, 400, RATE // 2)])
    wave = make_waveform(10, [])
    sweep = 0.1 * np.sin(2 * np.pi * np.cumsum(np.tile(hertz, 2)) / RATE)
    wave[3 * RATE : 5 * RATE] += sweep.astype(np.float32)
    sf.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    boxes = segment_recording(tmp_path / "a.wav", 2.9, SegmentationSettings()).boxes
    assert len(boxes) == 1
