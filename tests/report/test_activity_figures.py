"""Figures of activity where the time of some recordings is not known."""

import numpy as np
import pandas as pd

from darksound.report.activity import Recorded, recorded_times
from darksound.report.activity_figures import hour_curves
from darksound.rois.effort import as_effort_table


def recorded_of(starts: list[str | None]) -> Recorded:
    """Return recordings with one ROI each."""
    names = [f"{number}.wav" for number in range(len(starts))]
    effort = {"root": "/r", "recording": names, "site": "A", "recorded_at": starts, "used_s": 60.0}
    rois = {"root": "/r", "recording": names, "start_s": 1.0, "end_s": 2.0}
    return recorded_times(pd.DataFrame(rois), as_effort_table(pd.DataFrame(effort)))


def titles(recorded: Recorded, groups: list[int]) -> list[str]:
    figure = hour_curves(recorded, np.array(groups), {0: "owl", 1: "wren"})
    return [axes.get_title() for axes in figure.axes]


def test_groups_that_are_in_recordings_of_unknown_time_only_have_no_panel() -> None:
    recorded = recorded_of(["2025-06-01T05:00:00", None])
    assert titles(recorded, [0, 1]) == ["owl"]
    assert titles(recorded, [0, 0]) == ["owl"]
    # No group has a time: the panels are those of all ROIs.
    assert titles(recorded, [-1, 1]) == ["all sites", "A"]
