"""Display of progress."""

import io
import logging

import pytest
from rich.console import Console

from darksound.cli.progress import BarProgress, LineProgress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_lines_at_intervals_show_rate_remaining_time_and_figures(clock, caplog):
    caplog.set_level(logging.INFO, "darksound")
    progress = LineProgress(interval=10, clock=clock)
    for done in range(61):
        progress("images", done, 60, {"loss": 0.51234, "accuracy": 0.5})
        clock.now += 0.5
    assert caplog.messages == [
        "images: 20/60 2/s, 20 s left (loss 0.512, accuracy 0.5)",
        "images: 40/60 2/s, 10 s left (loss 0.512, accuracy 0.5)",
        "images: 60/60 in 30 s (loss 0.512, accuracy 0.5)",
    ]


def test_short_stages_log_nothing(clock, caplog):
    caplog.set_level(logging.INFO, "darksound")
    progress = LineProgress(interval=10, clock=clock)
    for _ in range(50):
        progress("map", 0, 1)
        clock.now += 1
        progress("map", 1, 1)
    assert caplog.messages == []


def test_units_of_an_earlier_process_do_not_count_in_the_rate(clock, caplog):
    caplog.set_level(logging.INFO, "darksound")
    progress = LineProgress(interval=10, clock=clock)
    progress("iteration", 4, 8)
    clock.now += 20
    progress("iteration", 6, 8)
    assert caplog.messages == ["iteration: 6/8 0.1/s, 20 s left"]


def test_empty_and_restarted_stages(clock, caplog):
    caplog.set_level(logging.INFO, "darksound")
    progress = LineProgress(interval=10, clock=clock)
    progress("images", 0, 0)
    progress("images", 5, 9)
    clock.now += 11
    progress("images", 1, 9)
    clock.now += 11
    progress("images", 2, 9)
    assert caplog.messages == ["images: 2/9 0.0909/s, 77 s left"]


def test_bars_show_nested_stages_and_long_ones_leave_a_line(clock):
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    with BarProgress(console, interval=10, clock=clock) as progress:
        progress("iteration", 0, 2)
        for _ in range(2):
            progress("tuning [x]", 0, 4)
            progress("tuning [x]", 3, 4, {"loss": 0.5})
            clock.now += 12
            progress("tuning [x]", 4, 4)
        progress("map", 0, 1)
        progress("map", 1, 1)
        assert len(progress._tasks) == 1
        progress("iteration", 2, 2)
    text = output.getvalue()
    assert text.count("tuning [x]: 4/4 in 12 s (loss 0.5)") == 2
    assert "iteration: 2/2 in 24 s" in text
    assert "map: " not in text
