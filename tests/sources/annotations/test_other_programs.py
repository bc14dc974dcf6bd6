"""Annotations of Kaleidoscope and BirdNET: their files as those programs write them."""

from pathlib import Path

import numpy as np
import pytest

from darksound.errors import InputError
from darksound.settings import Settings
from darksound.sources import load_rois
from darksound.sources.annotations.loading import read_annotations

# Kaleidoscope Pro 5, cluster.csv, with some of its columns.
KALEIDOSCOPE = """\
INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,Fmin,Fmean,Fmax,DATE,TIME,HOUR,TOP1MATCH,TOP1DIST,VOCALIZATIONS,MANUAL ID
D:\\Season,siteA,a.wav,0,0.500,0.400,1000.5,2000,3000,2025-06-01,05:00:00,5,cluster01,0.3,1,Wren
D:\\Season,siteA,a.wav,0,1.250,0.500,1500,2000,2500,2025-06-01,05:00:00,5,cluster02,0.5,1,
D:\\Season,siteB,a.wav,0,2.000,1.000,0,0,0,2025-06-01,05:00:00,5,,,1,
"""  # noqa: E501

# BirdNET-Analyzer 2: headers of analyze/utils.py, CSV_HEADER, RTABLE_HEADER, KALEIDOSCOPE_HEADER
# and RAVEN_TABLE_HEADER.
BIRDNET_CSV = """\
Start (s),End (s),Scientific name,Common name,Confidence,File
0.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,/data/siteA/a.wav
3.0,6.0,Erithacus rubecula,European Robin,0.4411,/data/siteB/a.wav
"""
BIRDNET_R = """\
filepath,start,end,scientific_name,common_name,confidence,lat,lon,week,overlap,sensitivity,min_conf,species_list,model
/data/siteA/a.wav,0.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,-1,-1,-1,0,1,0.25,,BirdNET
"""
BIRDNET_KALEIDOSCOPE = """\
INDIR,FOLDER,IN FILE,OFFSET,DURATION,scientific_name,common_name,confidence,lat,lon,week,overlap,sensitivity
/data,siteA,a.wav,3.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,-1,-1,-1,0,1
"""  # noqa: E501
BIRDNET_RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
    "Common Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n"
    "1\tSpectrogram 1\t1\t0\t3.0\t0\t15000\tEurasian Blackbird\teurbla\t0.8123\t"
    "/data/siteA/a.wav\t0\n"
    "2\tSpectrogram 1\t1\t12\t15\t0\t15000\tnocall\tnocall\t1.0\t/data/siteB/a.wav\t0\n"
)


@pytest.fixture
def recordings(tmp_path, tone) -> Path:
    """Return a folder with a recording of the same name at each of two sites."""
    for site in ("siteA", "siteB"):
        (tmp_path / site).mkdir()
        tone(tmp_path / site / "a.wav", seconds=8)
    return tmp_path


def rows_of(path: Path, **options) -> list[list[object]]:
    table = load_rois(path, **options).table
    rows = table[["recording", "start_s", "end_s", "low_hz", "high_hz", "label"]]
    return rows.astype(object).where(rows.notna(), None).to_numpy().tolist()


def test_kaleidoscope_names_folders_times_bounds_and_the_best_label(recordings: Path) -> None:
    (recordings / "cluster.csv").write_text(KALEIDOSCOPE)
    assert rows_of(recordings / "cluster.csv") == [
        ["siteA/a.wav", 0.5, 0.9, 1000.5, 3000.0, "Wren"],
        ["siteA/a.wav", 1.25, 1.75, 1500.0, 2500.0, "cluster02"],
        ["siteB/a.wav", 2.0, 3.0, None, None, None],
    ]


def test_a_column_of_labels_may_be_chosen(recordings: Path) -> None:
    (recordings / "cluster.csv").write_text(KALEIDOSCOPE)
    settings = Settings().replace(rois={"label_column": "top1match"})
    labels = [row[-1] for row in rows_of(recordings / "cluster.csv", settings=settings)]
    assert labels == ["cluster01", "cluster02", None]
    settings = Settings().replace(rois={"label_column": "Bird"})
    with pytest.raises(InputError, match="no column 'Bird'"):
        load_rois(recordings / "cluster.csv", settings=settings)


def test_automatic_identifications_of_bats_count_and_their_kilohertz_are_hertz(
    recordings: Path,
) -> None:
    (recordings / "id.csv").write_text(
        "INDIR,FOLDER,IN FILE,DURATION,OFFSET,Fc,Fmax,Fmin,AUTO ID*,MANUAL ID*\n"
        ",siteA,a.wav,0.5,1.0,41.2,6.5,5.25,NoID,\n"
        ",siteA,a.wav,0.5,2.0,41.2,6.5,5.25,MYOSEP,\n"
        ",siteA,a.wav,0.5,3.0,41.2,6.5,5.25,MYOSEP,MYOLUC\n"
    )
    assert rows_of(recordings / "id.csv") == [
        ["siteA/a.wav", 1.0, 1.5, 5250.0, 6500.0, None],
        ["siteA/a.wav", 2.0, 2.5, 5250.0, 6500.0, "MYOSEP"],
        ["siteA/a.wav", 3.0, 3.5, 5250.0, 6500.0, "MYOLUC"],
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "BirdNET_CombinedTable.csv",
            BIRDNET_CSV,
            [
                ["siteA/a.wav", 0.0, 3.0, None, None, "Eurasian Blackbird"],
                ["siteB/a.wav", 3.0, 6.0, None, None, "European Robin"],
            ],
        ),
        (
            "BirdNET_RTable.csv",
            BIRDNET_R,
            [["siteA/a.wav", 0.0, 3.0, None, None, "Eurasian Blackbird"]],
        ),
        (
            "BirdNET_Kaleidoscope.csv",
            BIRDNET_KALEIDOSCOPE,
            [["siteA/a.wav", 3.0, 6.0, None, None, "Eurasian Blackbird"]],
        ),
        (
            "BirdNET_SelectionTable.txt",
            BIRDNET_RAVEN,
            [["siteA/a.wav", 0.0, 3.0, 0.0, 15_000.0, "Eurasian Blackbird"]],
        ),
    ],
)
def test_each_form_of_birdnet_is_read(
    recordings: Path, name: str, text: str, expected: list[list[object]]
) -> None:
    (recordings / name).write_text(text)
    rois = load_rois(recordings / name)
    assert rois.problems == ()
    assert rows_of(recordings / name) == expected


@pytest.mark.parametrize("name", ["a.BirdNET.results.csv", "a.csv", "a.wav.csv"])
def test_a_file_without_recordings_belongs_to_the_one_of_its_name(
    recordings: Path, name: str
) -> None:
    path = recordings / "siteA" / name
    lines = BIRDNET_CSV.replace(",File", "").splitlines()
    path.write_text("\n".join([lines[0], *(line.rpartition(",")[0] for line in lines[1:])]) + "\n")
    settings = Settings().replace(rois={"label_column": "Scientific name"})
    assert rows_of(path, settings=settings) == [
        ["a.wav", 0.0, 3.0, None, None, "Turdus merula"],
        ["a.wav", 3.0, 6.0, None, None, "Erithacus rubecula"],
    ]


def test_all_files_of_a_folder_are_read_and_other_tables_are_not(recordings: Path) -> None:
    (recordings / "siteA" / "a.BirdNET.results.csv").write_text(
        "Start (s),End (s),Scientific name,Common name,Confidence\n0,3,Turdus merula,Robin,0.9\n"
    )
    (recordings / "siteB" / "a.txt").write_text("0.5\t0.9\tWren\n")
    (recordings / "sites.csv").write_text("site,latitude,longitude\nA,1,2\n")
    (recordings / "rois.csv").write_text("recording,start_s,end_s\nsiteA/a.wav,0,1\n")
    assert [row[-1] for row in rows_of(recordings, rois="annotations")] == ["Robin", "Wren"]
    # By name, a table of ROIs is still one.
    assert rows_of(recordings / "rois.csv")[0][:3] == ["siteA/a.wav", 0.0, 1.0]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_may_have_saved_the_files(recordings: Path, separator: str) -> None:
    text = KALEIDOSCOPE.replace(",", separator).replace(".500", ",500").replace(".400", ",400")
    text = text.replace("1.250", "1,250").replace("2.000", "2,000").replace("1.000", "1,000")
    text = text.replace("1000.5", "1000,5").replace("0.3", "0,3").replace("0.5", "0,5")
    (recordings / "cluster.csv").write_text(text, encoding="utf-16")
    starts = [row[1] for row in rows_of(recordings / "cluster.csv")]
    np.testing.assert_allclose(np.array(starts, dtype=float), [0.5, 1.25, 2.0])


def test_broken_rows_are_listed_alone(recordings: Path) -> None:
    path = recordings / "cluster.csv"
    path.write_text(
        "IN FILE,OFFSET,DURATION,MANUAL ID\nsiteA/a.wav,1,1,Wren\nsiteA/a.wav,,1,Owl\n"
        "siteA/a.wav,soon,1,Owl\n,1,1,Owl\nsiteA/a.wav,1,0,Owl\ngone.wav,1,1,Owl\n"
    )
    rois = load_rois(path)
    assert rois.table["label"].tolist() == ["Wren"]
    causes = " ".join(problem.cause for problem in rois.problems)
    for text in ("row 3: has no OFFSET", "row 4", "row 5: has no IN FILE", "row 6", "gone.wav"):
        assert text in causes
    assert len(rois.problems) == 5


def test_an_unknown_csv_file_is_no_annotation(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="Kaleidoscope or BirdNET"):
        read_annotations(tmp_path / "x.csv")
    with pytest.raises(InputError, match="no column 'recording'"):
        load_rois(tmp_path / "x.csv")
