"""The ROI length that is chosen from durations."""

import logging

import pytest

from darksound.audio.geometry import choose_roi_length, resolve_roi_length, with_roi_length
from darksound.errors import InputError
from darksound.settings import Settings


def _resolve(durations: list[float], settings: Settings) -> float:
    return resolve_roi_length(durations, settings.audio, settings.front_end)


@pytest.mark.parametrize(
    ("durations", "length"),
    [
        ([0.1] * 20, 0.25),
        ([0.1] * 19 + [9.0], 0.25),
        ([0.1] * 10 + [0.9] * 10, 1.0),
        ([0.5 + 1e-9] * 5, 0.5),
        ([2.5], 3.0),
        ([3.5, 4.4], 3.0),
        ([4.5], 6.0),
        ([30.0, 40.0], 6.0),
    ],
)
def test_the_length_holds_nine_rois_in_ten(durations, length):
    assert choose_roi_length(durations) == length


def test_auto_is_resolved_and_logged_and_a_number_is_kept(caplog):
    caplog.set_level(logging.INFO, "darksound")
    auto = Settings().replace(audio={"roi_s": "auto"})
    assert _resolve([0.3, 0.4], auto) == 0.5
    assert "ROI length 0.5 s" in caplog.text
    given = Settings().replace(audio={"roi_s": 3.0})
    assert _resolve([0.1], given) == 3.0


def test_a_length_far_from_the_durations_is_logged_unless_the_hop_is_fixed(caplog):
    caplog.set_level(logging.INFO, "darksound")
    given = Settings().replace(audio={"roi_s": 3.0})
    _resolve([2.5, 3.5], given)
    _resolve([], given)
    _resolve([0.1], given)
    _resolve([0.1, 0.1], given.replace(front_end={"hop": 512}))
    assert not caplog.records
    _resolve([0.1, 0.1], given)
    assert "--roi-length auto would choose 0.25 s." in caplog.text
    _resolve([6.0, 6.0], given)
    assert "would choose 6 s" in caplog.text


def test_the_chosen_length_is_kept_for_further_rois():
    auto = Settings().replace(audio={"roi_s": "auto"})
    assert with_roi_length(auto, [0.3, 0.4]).audio.roi_s == 0.5
    given = Settings().replace(audio={"roi_s": 3.0})
    assert with_roi_length(given, [0.1]) is given


def test_a_length_without_rois_is_an_error():
    with pytest.raises(InputError, match="no ROIs"):
        choose_roi_length([])
