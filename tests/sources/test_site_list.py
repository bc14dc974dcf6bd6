"""Tables of sites: what they hold, and which recordings are of which site."""

import logging

import numpy as np
import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.rois.effort import SITE_SCHEMA
from darksound.sources.site_list import read_sites
from darksound.sources.site_matching import find_sites


@pytest.fixture
def listed(tmp_path):
    """Return a function that reads a table of sites from its text."""

    def read(text, encoding="utf-8"):
        path = tmp_path / "sites.csv"
        path.write_text(text, encoding=encoding)
        return read_sites(path)

    return read


def found(sites, *recordings, root="/d", recorder=None, recorded_at=None, site=None):
    table = pd.DataFrame({"root": root, "recording": recordings})
    for name, values in (("recorder", recorder), ("recorded_at", recorded_at), ("site", site)):
        table[name] = pd.Series(values, table.index, dtype=object)
    result = find_sites(table, sites)
    return result.astype(object).where(result.notna(), None).tolist()


def test_columns_are_read_with_their_types(listed):
    sites = listed(
        "Folder;Station;Lat;Lon;Start;End;TZ;canopy;habitat\n"
        "n;Nord;47,8021;13,0432;2024-05-01;31.05.2024;Europe/Vienna;0,4;moor\n"
        "s;Süd;-0,5;-77,9;2024-05-01 06:00;2024-05-31T18:00:00;UTC-5;0,7;wald\n",
        "cp1252",
    ).sites
    assert sites.columns.tolist() == [*SITE_SCHEMA.names, "canopy", "habitat"]
    assert sites["site"].tolist() == ["Nord", "Süd"]
    assert sites["latitude"].tolist() == [47.8021, -0.5]
    assert sites["longitude"].tolist() == [13.0432, -77.9]
    assert sites["start"].tolist() == ["2024-05-01", "2024-05-01T06:00:00"]
    assert sites["end"].tolist() == ["2024-05-31", "2024-05-31T18:00:00"]
    assert sites["time_zone"].tolist() == ["Europe/Vienna", "UTC-5"]
    assert sites["canopy"].tolist() == [0.4, 0.7]
    assert sites["habitat"].tolist() == ["moor", "wald"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder,latitude\nn,1", "no column 'site'.*folder, latitude"),
        ("site\n", "has no rows|empty"),
        ("site,latitude,longitude\nA,1,1\nB,95,1", "row 3: latitude .95. is no number from -90 to"),
        ("site,latitude,longitude\nA,1,200", "row 2: longitude .200. is no number from -180"),
        ("site,latitude,longitude\nA,north,1", "row 2: latitude 'north' is no number"),
        ("site,latitude,longitude\nA,,13", "row 2: latitude is empty, but longitude is not"),
        ("site,folder\n,n", "row 2: site is empty"),
        ("site,start\nA,5/6/2024", "row 2: start '5/6/2024' is no date; write such as 2024-05-31"),
        ("site,start\nA,2024-02-30", "row 2: start '2024-02-30' is no date"),
        ("site,start,end\nA,2024-05-02,2024-05-01", "row 2: end '2024-05-01' is before the start"),
        ("site,time_zone\nA,Mars/Base", "row 2: time_zone 'Mars/Base' is no time zone"),
        ("site,lat,LAT\nA,1,2", "'lat' and 'LAT' are one"),
        (
            "site,folder,latitude,longitude\nA,a,1,1\nB,b,2,2\nA,c,3,1",
            r"row 4: latitude of the site 'A' is .*3.0.*, but .*1.0.* in row 2",
        ),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_named_by_row_and_column(listed, text, message):
    with pytest.raises(InputError, match=message) as error:
        listed(text)
    assert str(error.value).count("\n") == 0
    assert "sites.csv" in str(error.value)


def test_folders_recorders_and_patterns_find_recordings(listed):
    sites = listed(
        "site,folder,pattern,recorder\nA,2024/north,,\nB,,s_*.wav,\nC,,,24F319055FDF2902\n"
    )
    names = ["x/2024/north/day/1.wav", "north/1.wav", "p/s_1.WAV", "ss_1.wav"]
    assert found(sites, *names) == ["A", None, "B", None]
    assert found(sites, "y.wav", recorder="AudioMoth 24F319055FDF2902") == ["C"]
    assert found(sites, "y.wav", root="/data/2024/north/card") == ["A"]


def test_a_row_with_several_keys_needs_all_of_them(listed):
    sites = listed("site,folder,recorder\nA,north,S4A1\nB,north,S4A2\n")
    assert found(sites, "north/S4A2_20240501_000000.wav", "S4A1_20240501_000000.wav") == ["B", None]


def test_without_keys_the_name_of_the_site_finds_recordings(listed):
    sites = listed("site\nS1\nÜfer\n")
    names = ["S1/a.wav", "S10/a.wav", "S1_20240501.wav", "S12_20240501.wav", "U\u0308FER/b.wav"]
    assert found(sites, *names) == ["S1", None, "S1", None, "Üfer"]
    assert found(sites, "c.wav", site="s1") == ["S1"]


def test_a_recorder_that_moved_is_at_the_site_of_the_time(listed):
    sites = listed(
        "site,recorder,start,end,time_zone\n"
        "A,M1,2024-05-01,2024-05-10,Europe/Vienna\n"
        "B,M1,2024-05-10 12:00,2024-05-20,Europe/Vienna\n".replace(
            "2024-05-10,E", "2024-05-10 11:59,E"
        )
    )
    times = [
        "2024-05-01T00:00:00", "2024-05-10T12:00:00", "2024-05-20T23:59:59", "2024-05-21T00:00:00",
        # 12:30 by the clocks of the site.
        "2024-05-10T10:30:00+00:00",
    ]  # fmt: skip
    names = [f"{i}.wav" for i in range(5)]
    assert found(sites, *names, recorder="M1", recorded_at=times) == ["A", "B", "B", None, "B"]


def test_the_inner_of_two_folders_counts(listed):
    sites = listed("site,folder\nA,forest\nB,pond\n")
    assert found(sites, "forest/pond/a.wav", "forest/a.wav") == ["B", "A"]


def test_a_recording_of_two_sites_is_an_error_with_both_rows(listed):
    sites = listed("site,pattern\nA,*_1.wav\nB,x_*.wav\n")
    with pytest.raises(
        InputError, match=r"row 3: x_1.wav belongs to the site 'B', and by row 2 to 'A'"
    ):
        found(sites, "x_1.wav")


def test_several_deployments_are_one_site_over_their_whole_time(listed):
    sites = listed(
        "site,folder,start,end,latitude,longitude\n"
        "A,may,2024-05-01,2024-05-31,1,2\nA,july,2024-07-01,2024-07-31,,\n"
    )
    assert sites.sites[["site", "start", "end", "latitude"]].to_numpy().tolist() == [
        ["A", "2024-05-01", "2024-07-31", 1.0]
    ]
    assert found(sites, "july/a.wav", recorded_at="2024-07-05T00:00:00") == ["A"]


def test_what_belongs_to_nothing_is_logged(listed, caplog):
    sites = listed("site,folder,end\nA,a,2024-05-01\nB,b,\n")
    with caplog.at_level(logging.WARNING):
        found(sites, "a/1.wav", "x.wav", recorded_at=["2024-06-01T00:00:00", np.nan])
    assert "1 of 2 recordings belong to no row (x.wav)" in caplog.text
    assert "1 of 2 recordings were made before the start or after the end" in caplog.text
    assert "no recording belongs to rows 2, 3 (A, B)" in caplog.text
