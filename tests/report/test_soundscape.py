"""Spectrograms, plots and tables of segmented recordings."""

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from matplotlib.patches import Rectangle

from darksound.report.figures import png
from darksound.report.soundscape import (
    busiest_interval,
    hourly,
    hourly_plot,
    segmentation_tables,
    soundscape,
)
from darksound.sources.calls import LeftOut


def rois(*rows):
    columns = ["recording", "start_s", "end_s", "low_hz", "high_hz", "recorded_at"]
    return pd.DataFrame(rows, columns=columns).assign(root="/r")


def chunks(*rows):
    columns = ["recording", "start_s", "end_s", "quality_flags", "recorded_at"]
    return pd.DataFrame(rows, columns=columns).assign(root="/r")


def left_out(chorus=(), low_score=()):
    return LeftOut(np.array(chorus, bool), np.array(low_score, bool), 0.25)


EVENING = "2022-01-01T22:30:00+02:00"


def test_hours_are_by_the_clock_of_the_recorder_also_after_midnight():
    table_of_rois = rois(*[("a", 5400.0 + i, 5401.0 + i, 1, 2, EVENING) for i in range(10)],
                         ("a", 60.0, 61.0, 1, 2, EVENING), ("b", 1.0, 2.0, 1, 2, None))  # fmt: skip
    sound = chunks(
        ("a", 0.0, 1800.0, "", EVENING), ("a", 1800.0, 5400.0, "", EVENING),
        ("a", 5400.0, 6000.0, "rain", EVENING), ("b", 0.0, 60.0, "", None),
    )  # fmt: skip
    kind, table = hourly(table_of_rois, sound)
    assert kind == "hour of the day"
    assert table.to_numpy().tolist() == [[0, 10, 10, 60], [22, 30, 1, 2], [23, 60, 0, 0]]
    kind, table = hourly(table_of_rois.assign(recorded_at=None), sound.assign(recorded_at=None))
    assert kind == "hour of the recording"
    assert table["rois"].tolist() == [2, 10]


def test_tables_have_totals_and_flagged_shares():
    sound = chunks(
        ("a", 0.0, 1800.0, "rain wind", None), ("b", 0.0, 1800.0, "wind", None),
        ("b", 1800.0, 3600.0, "", None), ("b", 3600.0, 7200.0, "", None),
    )  # fmt: skip
    table = rois(("a", 0.0, 1.0, 1, 2, None))
    totals, hours = segmentation_tables(table, left_out([False], [False]), sound)
    assert {row[0]: row[1] for row in totals.rows} == {
        "recordings": "2", "hours of sound": "2.50", "ROIs": "1", "ROIs an hour": "0",
        "flagged rain": "20 % of the sound", "flagged wind": "40 % of the sound",
    }  # fmt: skip
    assert hours.title == "By the hour of the recording"
    assert hours.rows == (("0", "90.0", "1", "1"), ("1", "60.0", "0", "0"))


def test_tables_count_rois_that_are_left_out_and_why():
    sound = chunks(("a", 0.0, 1800.0, "", None))
    table = rois(*[("a", float(i), i + 0.5, 1, 2, None) for i in range(6)])
    out = left_out([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0])
    totals, hours = segmentation_tables(table, out, sound)
    assert totals.rows[2:] == (
        ("ROIs", "6"), ("of choruses", "3"), ("with a call score below 0.25", "1"),
        ("used by other commands", "2"), ("ROIs an hour", "4"),
    )  # fmt: skip
    assert hours.rows == (("0", "30.0", "2", "4"),)


def test_tables_without_rois_and_sound():
    totals, hours = segmentation_tables(rois(), left_out(), chunks())
    assert ("ROIs", "0") in totals.rows
    assert hours.rows == ()


@pytest.mark.parametrize(
    ("starts", "duration", "interval"),
    [([5, 70, 80, 130], 200, (60, 120)), ([], 200, (0, 60)), ([3], 20, (0, 20)),
     ([190], 200, (180, 200))],
)  # fmt: skip
def test_the_busiest_interval_has_most_starts_of_rois(starts, duration, interval):
    table = pd.DataFrame({"start_s": np.array(starts, float)})
    assert busiest_interval(table, duration, 60) == interval


def test_a_spectrogram_has_a_box_for_each_roi_and_marks_flagged_chunks(tmp_path):
    rate = 16_000
    path = tmp_path / "a.wav"
    sf.write(path, np.random.default_rng(0).normal(size=20 * rate) * 0.01, rate)
    table = rois(("a", 1.0, 2.0, 1000, 2000, None), ("a", 9.5, 11.0, 3000, 4000, None),
                 ("a", 15.0, 16.0, 1000, 2000, None))  # fmt: skip
    sound = chunks(("a", 0.0, 10.0, "insects rain", None), ("a", 10.0, 20.0, "", None))
    figure = soundscape(path, 0.0, 10.0, table.assign(left_out=[False, True, False]), sound)
    (axes,) = figure.axes
    boxes = [p for p in axes.patches if isinstance(p, Rectangle) and not p.get_fill()]
    # The box of a ROI that is left out is thin, and below the others.
    assert [(b.get_x(), b.get_y(), b.get_width(), b.get_height()) for b in boxes] == [
        (9.5, 3.0, 1.5, 1.0), (1.0, 1.0, 1.0, 1.0)
    ]  # fmt: skip
    assert boxes[0].get_linewidth() < boxes[1].get_linewidth()
    assert [text.get_text() for text in axes.texts] == ["insects rain"]
    assert axes.get_xlim() == (0, 10)
    assert axes.get_ylim() == (0, 8)
    assert np.shape(np.asarray(axes.images[0].get_array())) == pytest.approx((171, 936), abs=2)
    assert png(figure)[:4] == b"\x89PNG"
    low = soundscape(path, 0.0, 9.0, table.assign(left_out=False).iloc[:1], sound, top_hz=4200.0)
    assert low.axes[0].get_ylim() == (0, 4.2)


def test_bars_have_the_height_of_rois_per_hour():
    hours = pd.DataFrame({"hour": [5, 6], "minutes": [60, 30], "rois": [3, 3]})
    figure = hourly_plot("hour of the day", hours.assign(rois_per_hour=[3.0, 6.0]))
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)] == [3, 6]
    assert axes.get_xlabel() == "hour of the day (grey: not recorded)"
    grey = [path.get_extents().intervalx.tolist() for path in axes.collections[0].get_paths()]
    assert grey == [[-0.5, 4.5], [6.5, 23.5]]
