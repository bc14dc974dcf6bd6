import logging

import pytest

from darksound.audio.length import choose_roi_length, resolve_roi_length
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
        ([30.0, 40.0], 3.0),
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
    given = Settings()
    assert resolve_roi_length(given, [0.1]) is given


def test_no_rois_have_no_length():
    with pytest.raises(InputError, match="no ROIs"):
        choose_roi_length([])
