import logging

import pytest

from darksound.audio.roi_length import choose_roi_length, resolve_roi_length
from darksound.errors import InputError
from darksound.settings import Settings


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


def test_auto_is_resolved_and_said_and_a_number_stays(caplog):
    caplog.set_level(logging.INFO, "darksound")
    auto = Settings().replace(audio={"roi_s": "auto"}, seed=3)
    resolved = resolve_roi_length(auto, [0.3, 0.4])
    assert resolved.audio.roi_s == 0.5
    assert resolved.seed == 3
    assert "ROI length 0.5 s" in caplog.text
    given = Settings().replace(audio={"roi_s": 3.0})
    assert resolve_roi_length(given, [0.1]) is given


def test_a_length_far_from_the_rois_own_is_hinted_at_where_it_is_free(caplog):
    caplog.set_level(logging.INFO, "darksound")
    given = Settings().replace(audio={"roi_s": 3.0})
    resolve_roi_length(given, [2.5, 3.5])
    resolve_roi_length(given, [])
    resolve_roi_length(given.replace(front_end={"hop": 512}), [0.1])
    assert not caplog.records
    resolve_roi_length(given, [0.1])
    assert "nine of these ROIs in ten ask for 0.25 s, which --roi-length auto" in caplog.text
    resolve_roi_length(given, [6.0])
    assert "ask for 6 s" in caplog.text


def test_no_rois_have_no_length():
    with pytest.raises(InputError, match="no ROIs"):
        choose_roi_length([])
