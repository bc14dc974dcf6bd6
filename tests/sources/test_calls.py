"""Which ROIs of segmented recordings are used."""

import logging

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from darksound.errors import InputError
from darksound.settings import Settings, load_settings
from darksound.sources import load_rois
from darksound.sources.calls import find_left_out

HEADER = "recording,start_s,end_s,chorus,call_score,units\n"
ROWS = (
    "night.wav,1,2,False,0.9,1.00-1.20 1.50-2.00\n"
    "night.wav,2,3,True,0.9,\n"
    "night.wav,3,4,False,0.3,\n"
    "night.wav,4,5,True,0.1,\n"
    "night.wav,5,6,,,\n"
    "night.wav,6,7,False,0.7,\n"
)


def settings(**segmentation) -> Settings:
    return Settings().replace(segmentation={"min_call_score": 0.7, **segmentation})


@pytest.fixture
def table(tmp_path):
    noise = np.random.default_rng(1).normal(size=8 * 8000) * 0.1
    sf.write(tmp_path / "night.wav", noise, 8000)
    path = tmp_path / "rois.csv"
    path.write_text(HEADER + ROWS)
    return path


def starts(path, **segmentation) -> list[float]:
    return load_rois(path, settings=settings(**segmentation)).table["start_s"].tolist()


def test_choruses_and_low_scores_are_left_out_unless_they_are_kept(table):
    # A ROI without values was not found by segmentation, and a score equal to the limit counts.
    assert starts(table) == [1, 5, 6]
    assert starts(table, min_call_score=0.0) == [1, 3, 5, 6]
    # A chorus that is wanted is used whatever its call score is.
    assert starts(table, keep_chorus=True) == [1, 2, 4, 5, 6]
    assert starts(table, keep_chorus=True, min_call_score=0.0) == [1, 2, 3, 4, 5, 6]


def test_one_line_counts_what_is_left_out_and_how_to_keep_it(table, caplog):
    caplog.set_level(logging.INFO)
    load_rois(table, settings=settings())
    (line,) = [message for message in caplog.messages if "Left out" in message]
    assert line == (
        "Left out 3 of 6 ROIs: 2 of choruses (--keep-chorus keeps them) and 1 with a call score "
        "below 0.7 (--min-call-score 0 keeps them)."
    )
    caplog.clear()
    load_rois(table, settings=settings(keep_chorus=True, min_call_score=0.0))
    assert not [message for message in caplog.messages if "Left out" in message]


def test_nothing_but_choruses_is_an_error_that_names_the_options(table):
    table.write_text(HEADER + "night.wav,2,3,True,0.9,\n")
    with pytest.raises(InputError, match=r"All 1 ROIs are left out: 1 of choruses \(--keep-chor"):
        load_rois(table, settings=settings())


def test_the_published_presets_use_every_roi(table):
    for preset in ("thesis-2023", "paper-2024"):
        options = load_settings(preset).segmentation
        assert (options.low_hz, options.chorus, options.group) == (250.0, "ignore", "unit")
        assert len(load_rois(table, settings=load_settings(preset))) == 6


def test_units_and_flags_survive_csv_and_parquet(table, tmp_path):
    every = load_rois(table, settings=settings(keep_chorus=True, min_call_score=0.0)).table
    assert every["chorus"].tolist() == [False, True, False, True, pd.NA, False]
    assert every["units"].isna().tolist() == [False, *5 * [True]]
    assert every["units"][0] == "1.00-1.20 1.50-2.00"
    every.to_parquet(tmp_path / "rois.parquet")
    options = settings(keep_chorus=True, min_call_score=0.0)
    again = load_rois(tmp_path / "rois.parquet", settings=options).table
    pd.testing.assert_frame_equal(again, every)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("TRUE FALSE", [True, False]), ("1 0", [True, False]), ("wahr falsch", [True, False]),
        ("VRAI NA", [True, pd.NA]), ("yes no", [True, False]),
    ],
)  # fmt: skip
def test_truth_values_are_read_as_spreadsheets_write_them(table, cells, values):
    rows = [f"night.wav,{i},{i + 1},{cell}\n" for i, cell in enumerate(cells.split())]
    table.write_text("recording,start_s,end_s,chorus\n" + "".join(rows))
    assert load_rois(table, settings=settings(keep_chorus=True)).table["chorus"].tolist() == values


def test_a_cell_that_is_no_truth_value_is_a_problem_of_its_row(table):
    table.write_text(HEADER + "night.wav,1,2,maybe,0.9,\nnight.wav,2,3,false,0.9,\n")
    rois = load_rois(table, settings=settings())
    assert rois.table["start_s"].tolist() == [2]
    (problem,) = rois.problems
    assert "row 2: chorus must be true or false, but is 'maybe'; left out" in problem.cause


def test_chorus_is_counted_before_the_score():
    columns = {"chorus": [True, False, None], "call_score": [0.1, 0.1, np.nan]}
    table = pd.DataFrame(columns).astype({"chorus": "boolean", "call_score": "float32"})
    left_out = find_left_out(table, settings().segmentation)
    assert left_out.chorus.tolist() == [True, False, False]
    assert left_out.low_score.tolist() == [False, True, False]


def test_the_searched_band_is_logged_with_the_energy_outside_it(tmp_path, caplog):
    rate = 16_000
    t = np.arange(10 * rate) / rate
    # Half of the energy at 250 Hz, a quarter each at 1 and at 5 kHz.
    wave = 0.1 * (np.sqrt(2) * np.sin(500 * np.pi * t))
    wave += 0.1 * (np.sin(2000 * np.pi * t) + np.sin(10_000 * np.pi * t))
    sf.write(tmp_path / "tones.wav", wave, rate)
    options = Settings().replace(
        segmentation={"low_hz": 500.0, "high_hz": 3500.0, "keep_chorus": True},
        compute={"cache_dir": str(tmp_path / "cache")},
    )
    caplog.set_level(logging.INFO)
    load_rois(tmp_path / "tones.wav", settings=options, rois="segment")
    (line,) = [message for message in caplog.messages if message.startswith("Searched")]
    assert line == (
        "Searched 500 to 3,500 Hz, where 25 % of the energy is; 50 % is below and 25 % above "
        "(--low-hz, --high-hz)."
    )
