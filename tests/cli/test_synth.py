"""`darksound synth --soundscapes`."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import one_line
from typer.testing import Result


def test_soundscapes_are_data_for_segment(darksound: Callable[..., Result]) -> None:
    ended = darksound(
        *("synth", "--soundscapes", 1, "--scene", "dawn", "--minutes", 0.4, "--species", 2),
        *("--out", "dawn", "--workers", 1, "--seed", 4),
    )
    assert ended.exit_code == 0, ended.output
    assert "other events are in dawn/events.csv" in one_line(ended.output)
    events = pd.read_csv("dawn/events.csv")
    assert events["recording"].unique().tolist() == ["dawn-0001_20250601_050000.wav"]
    segmented = darksound("segment", "dawn", "--out", "rois.csv", "--workers", 1)
    assert segmented.exit_code == 0, segmented.output
    assert Path("rois.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scene", "night"), "--scene needs --soundscapes N."),
        (("--minutes", 2), "--minutes needs --soundscapes N."),
        (("--soundscapes", 1, "--birds", 2), "--birds cannot be combined with --soundscapes N."),
        (("--soundscapes", 1, "--songs", 2), "--songs cannot be combined with --soundscapes N."),
        (("--soundscapes", 1, "--scene", "noon"), "'noon' is not one of"),
        (("--soundscapes", 0), "'--soundscapes': Input should be greater than or equal to 1"),
        (
            ("--soundscapes", 1, "--minutes", 0),
            "'--minutes': Input should be greater than or equal to 0.1",
        ),
    ],
)
def test_options_without_effect_or_meaning_are_errors(
    darksound: Callable[..., Result], options: tuple[object, ...], message: str
) -> None:
    ended = darksound("synth", "--out", "w", *options)
    assert ended.exit_code == 2
    assert message in one_line(ended.stderr)
    assert not Path("w").exists()


def test_a_season_is_named_with_its_truth(darksound: Callable[..., Result]) -> None:
    ended = darksound(
        *("synth", "--sites", 2, "--days", 1, "--recorder", "audiomoth", "--minutes", 0.1),
        *("--species", 8, "--out", "season", "--workers", 1),
    )
    assert ended.exit_code == 0, ended.output
    assert "8 species in 12 recordings of 2 sites are in season" in one_line(ended.output)
    assert len(pd.read_csv("season/detections.csv")) == 8 * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--days", 2), "--days needs --sites N."),
        (("--recorder", "audiomoth"), "--recorder needs --sites N."),
        (("--sites", 2, "--songs", 2), "--songs cannot be combined with --sites N."),
        (("--sites", 2, "--soundscapes", 2), "--soundscapes cannot be combined with --sites N."),
        (("--sites", 2, "--species", 9), "--species may be at most 8 with --sites N."),
        (("--sites", 2, "--recorder", "tape"), "'tape' is not"),
    ],
)
def test_options_of_seasons_without_effect_or_meaning_are_errors(
    darksound: Callable[..., Result], options: tuple[object, ...], message: str
) -> None:
    ended = darksound("synth", "--out", "w", *options)
    assert ended.exit_code == 2
    assert message in one_line(ended.stderr)
    assert not Path("w").exists()
