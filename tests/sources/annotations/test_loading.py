"""Raven and Audacity annotations: their content, and the recordings they belong to."""

import logging
from pathlib import Path

import numpy as np
import pytest

from darksound.errors import InputError
from darksound.settings import Settings
from darksound.sources import load_rois
from darksound.sources.annotations.loading import read_annotations

RAVEN = """Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies
1\tWaveform 1\t1\t0.500000\t0.900000\t0.0\t8000.0\tWren
1\tSpectrogram 1\t1\t0.500000\t0.900000\t1000.5\t3000.0\tWren
2\tSpectrogram 1\t1\t0.500000\t0.900000\t4000.0\t6000.0\tOwl
3\tSpectrogram 1\t1\t2.250000\t3.000000\t4000.0\t6000.0\t
"""  # noqa: E501

AUDACITY = "0.5\t0.9\tWren\n\\\t1000.5\t3000.0\n2.25\t3.0\t\n2.5\t3.25\tOwl\n\\\t-1.0\t3000.0\n"

COMBINED = """Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\tFile Offset (s)\tCall Type
1\tSpectrogram 1\t1\t0.5\t0.9\t1000\t3000\ta.wav\t0.5\tsong
2\tSpectrogram 1\t1\t6.0\t6.5\t1000\t3000\tB.WAV\t1.0\tcall
3\tSpectrogram 1\t1\t9.0\t9.5\t1000\t3000\tgone.wav\t1.0\tcall
"""  # noqa: E501


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize(
    "name",
    ["a.Table.1.selections.txt", "a.selections.txt", "a.txt", "A.TXT", "a.wav.txt",
     "a.BirdNET.selection.table.txt", "a.BirdNET.results.txt"],
)  # fmt: skip
def test_raven_table_belongs_to_the_recording_in_its_file_name(tmp_path, tone, name):
    tone(tmp_path / "a.wav", seconds=5)
    tone(tmp_path / "b.wav", seconds=5)
    rois = load_rois(write(tmp_path / name, RAVEN))
    assert rois.problems == ()
    rows = rois.table[["recording", "start_s", "end_s", "low_hz", "high_hz", "label"]]
    assert rows.astype(object).where(rows.notna(), None).to_numpy().tolist() == [
        ["a.wav", 0.5, 0.9, 0.0, 8000.0, "Wren"],
        ["a.wav", 0.5, 0.9, 4000.0, 6000.0, "Owl"],
        ["a.wav", 2.25, 3.0, 4000.0, 6000.0, None],
    ]
    assert rois.table["roi_id"].is_unique


def test_audacity_frequency_lines_are_read(tmp_path, tone):
    tone(tmp_path / "a.flac", seconds=5, format="FLAC")
    table = load_rois(write(tmp_path / "a.txt", AUDACITY)).table
    assert table["label"].fillna("").tolist() == ["Wren", "", "Owl"]
    np.testing.assert_allclose(table["start_s"], [0.5, 2.25, 2.5])
    np.testing.assert_allclose(table["low_hz"], [1000.5, np.nan, np.nan])
    np.testing.assert_allclose(table["high_hz"], [3000, np.nan, 3000])


def test_combined_table_names_recordings_and_offsets(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    tone(tmp_path / "sub" / "B.WAV", seconds=5, format="WAV")
    rois = load_rois(write(tmp_path / "all.txt", COMBINED))
    assert rois.table[["recording", "start_s", "end_s", "label"]].to_numpy().tolist() == [
        ["a.wav", 0.5, 0.9, "song"],
        ["sub/B.WAV", 1.0, 1.5, "call"],
    ]
    (problem,) = rois.problems
    assert problem.recording == "gone.wav"
    assert "no recording gone.wav" in problem.cause
    rows = COMBINED.splitlines()
    cut = "\n".join("\t".join(row.split("\t")[:8]) for row in rows)
    with pytest.raises(InputError, match=r"File Offset \(s\)"):
        load_rois(write(tmp_path / "cut.txt", cut))


def test_begin_path_may_be_of_another_operating_system(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    text = (
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\n"
        "1\t7.0\t7.5\tD:\\field\\2022\\a.wav\t1.0\n"
    )
    table = load_rois(write(tmp_path / "x.txt", text)).table
    assert table[["recording", "start_s", "end_s"]].to_numpy().tolist() == [["a.wav", 1.0, 1.5]]


def test_selections_whose_numbers_restart_are_all_kept(tmp_path, tone):
    """Tables of three recordings put under each other, each with two views."""
    header = (
        "Selection\tView\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tAnnotation\n"
    )
    text = ""
    for number, name in enumerate("abc"):
        tone(tmp_path / f"{name}.wav", seconds=5)
        text += header
        for selection, start in ((1, 0.5), (2, 2.5)):
            for view in ("Waveform 1", "Spectrogram 1"):
                text += (
                    f"{selection}\t{view}\t{start + 5 * number}\t{start + 5 * number + 1}\t"
                    f"{name}.wav\t{start}\tbird\n"
                )
    rois = load_rois(write(tmp_path / "all.txt", text))
    assert rois.problems == ()
    expected = [[f"{name}.wav", start] for name in "abc" for start in (0.5, 2.5)]
    assert rois.table[["recording", "start_s"]].to_numpy().tolist() == expected


def test_selections_without_recordings_differ_by_their_times(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    rows = RAVEN.splitlines()
    late = [row.replace("0.500000\t0.900000", "3.5\t4.5") for row in rows[1:3]]
    table = load_rois(write(tmp_path / "a.txt", "\n".join([*rows, *late, *rows[1:3]]))).table
    assert table["start_s"].tolist() == [0.5, 0.5, 2.25, 3.5]


def test_a_selection_in_two_tables_of_a_recording_is_one_roi(tmp_path, tone, caplog):
    tone(tmp_path / "a.wav", seconds=5)
    further = RAVEN.splitlines()[0] + "\n9\tSpectrogram 1\t1\t4.0\t4.5\t4000.0\t6000.0\tRail\n"
    write(tmp_path / "a.Table.1.selections.txt", RAVEN)
    write(tmp_path / "a.Table.2.selections.txt", RAVEN + further.splitlines()[1])
    rois = load_rois(tmp_path, rois="annotations")
    assert rois.problems == ()
    assert rois.table["start_s"].tolist() == [0.5, 0.5, 2.25, 4.0]
    assert "3 of 7 rows repeat" in caplog.text
    # The label of the first table is kept, and that of the second one is not lost silently.
    write(tmp_path / "a.Table.2.selections.txt", RAVEN.replace("Owl", "Nightjar"))
    rois = load_rois(tmp_path, rois="annotations")
    assert rois.table["label"].fillna("").tolist() == ["Wren", "Owl", ""]
    (problem,) = rois.problems
    assert "Table.2.selections.txt, row 4: repeats" in problem.cause
    assert "Table.1.selections.txt, row 4 with another label, 'Nightjar'" in problem.cause


def test_a_label_that_only_the_second_table_has_is_kept(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    write(tmp_path / "a.Table.1.selections.txt", RAVEN)
    write(tmp_path / "a.Table.2.selections.txt", RAVEN.rstrip("\n") + "Rail\n")
    rois = load_rois(tmp_path, rois="annotations")
    assert rois.table["label"].tolist() == ["Wren", "Owl", "Rail"]


@pytest.mark.parametrize(
    "begin_path",
    ["D:\\field\\north\\a.wav", "/Volumes/x/NORTH/A.wav", "north/a.wav", "..\\north\\a.wav"],
)
def test_begin_path_prefers_the_recording_with_the_same_folders(tmp_path, tone, begin_path):
    for site in ("north", "south"):
        tone(tmp_path / site / "a.wav", seconds=5)
    text = (
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\n"
        f"1\t7.0\t7.5\t{begin_path}\t1.0\n"
    )
    table = load_rois(write(tmp_path / "x.txt", text)).table
    assert table["recording"].tolist() == ["north/a.wav"]


def test_brackets_in_names_are_not_patterns(tmp_path, tone):
    name = "20160916_X [-37.5397 141.3252].wav"
    tone(tmp_path / "day [1-3]" / name, seconds=5)
    tone(tmp_path / "day 1" / "20160916_X 3.wav", seconds=5)
    text = COMBINED.splitlines()[0] + f"\n1\tS\t1\t0.5\t0.9\t1000\t3000\t{name}\t0.5\tsong\n"
    table = load_rois(write(tmp_path / "all.txt", text)).table
    assert table["recording"].tolist() == [f"day [1-3]/{name}"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "mac_roman"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_of_spreadsheets_are_read(tmp_path, tone, encoding, end):
    tone(tmp_path / "Grünspecht.wav", seconds=5)
    path = tmp_path / "Grünspecht.Table.1.selections.txt"
    path.write_bytes(RAVEN.replace("Owl", "Zaunkönig").replace("\n", end).encode(encoding))
    table = load_rois(path).table
    assert table["label"].fillna("").tolist() == ["Wren", "Zaunkönig", ""]
    assert table["start_s"].tolist() == [0.5, 0.5, 2.25]


def test_decimal_commas_are_read_in_both_formats(tmp_path, tone):
    for name in "ab":
        tone(tmp_path / f"{name}.wav", seconds=5)
    raven = load_rois(write(tmp_path / "a.txt", RAVEN.replace(".", ","))).table
    audacity = load_rois(write(tmp_path / "b.txt", AUDACITY.replace(".", ","), "utf-16")).table
    assert raven["end_s"].tolist() == [0.9, 0.9, 3.0]
    assert raven["high_hz"].tolist() == [8000, 6000, 6000]
    assert audacity["end_s"].tolist() == [0.9, 3.0, 3.25]
    np.testing.assert_allclose(audacity["low_hz"], [1000.5, np.nan, np.nan])


def test_quotes_and_semicolons_of_spreadsheets_are_read(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    rows = [row.split("\t") for row in RAVEN.replace("Owl", 'Owl; the "small" one').splitlines()]
    quoted = "\n".join(
        ";".join('"' + cell.replace('"', '""') + '"' if cell else "" for cell in row)
        for row in rows
    )
    labels = load_rois(write(tmp_path / "a.txt", f"sep=;\n{quoted}\n")).table["label"]
    assert labels.fillna("").tolist() == ["Wren", 'Owl; the "small" one', ""]
    # Raven itself knows no quotes.
    single = RAVEN.replace("\tWren", '\t"Wren').replace("\tOwl", '\t5" call')
    labels = load_rois(write(tmp_path / "a.txt", single)).table["label"]
    assert labels.fillna("").tolist() == ['"Wren', '5" call', ""]


def test_recordings_may_be_in_another_folder(tmp_path, tone):
    tone(tmp_path / "sound" / "a.wav", seconds=5)
    path = write(tmp_path / "notes" / "a.txt", AUDACITY)
    rois = load_rois(path, root=tmp_path / "sound")
    assert rois.table["root"].unique().tolist() == [str(tmp_path / "sound")]
    with pytest.raises(InputError, match="no recording called a in"):
        load_rois(path)


def test_label_column_is_a_setting(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    path = write(tmp_path / "a.txt", RAVEN)
    settings = Settings().replace(rois={"label_column": "View"})
    labels = load_rois(path, settings=settings).table["label"]
    assert labels.tolist() == ["Waveform 1", "Spectrogram 1", "Spectrogram 1"]
    with pytest.raises(InputError, match=r"no column 'Bird'; there are selection, view"):
        load_rois(path, settings=Settings().replace(rois={"label_column": "Bird"}))


def test_folder_gives_all_annotations_below_it(tmp_path, tone, caplog):
    for name in ("a.wav", "more/b.wav", "more/c.wav"):
        tone(tmp_path / name, seconds=5)
    write(tmp_path / "a.Table.1.selections.txt", RAVEN)
    write(tmp_path / "more" / "b.txt", AUDACITY, "utf-8-sig")
    write(tmp_path / "more" / "readme.txt", "These are my recordings.\n")
    with caplog.at_level(logging.WARNING):
        rois = load_rois(tmp_path, rois="annotations")
    assert rois.table["recording"].tolist() == ["a.wav"] * 3 + ["more/b.wav"] * 3
    assert rois.table["root"].unique().tolist() == [str(tmp_path)]
    assert rois.problems == ()
    assert "1 of 3 recordings" in caplog.text


def test_unusable_lines_become_problems(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    text = "0.5\t0.9\tWren\n1.0\t1.0\tpoint\n9.0\t9.5\tlate\n0.5\t0.9\tOwl\n-1\t0.5\tearly\n"
    rois = load_rois(write(tmp_path / "a.txt", f"{text}broken line\n\n1;2\t3\tx\n"))
    assert rois.table["label"].tolist() == ["Wren"]
    causes = [problem.cause for problem in rois.problems]
    for line, words in ((2, "does not end after"), (3, "beyond the recording's end"),
                        (4, "row 1 with another label, 'Owl'"), (5, "starts before"),
                        (6, "is not a label"), (8, "start must be a number")):  # fmt: skip
        assert any(f"row {line}: " in cause and words in cause for cause in causes), line
    assert len(causes) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.5\tsoon\tWren\n", "neither a folder"),
        ("0.5\t90\tWren\nbroken line\n", "row 2: is not a label"),
        ("\\\t100\t200\n", "neither a folder"),
        (RAVEN.splitlines()[0], "has no annotations"),
    ],
)
def test_files_without_a_usable_line_are_errors(tmp_path, tone, text, words):
    tone(tmp_path / "a.wav", seconds=5)
    with pytest.raises(InputError, match=words):
        load_rois(write(tmp_path / "a.txt", text))


def test_characters_that_are_not_text_refuse_their_lines(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    text = "0.5\t0.9\tWren\n1.0\t2.0\t\ud800\n\\\t5\t6\n2.0\t3.0\tOwl\n"
    (tmp_path / "a.txt").write_bytes(text.encode("utf-16-le", "surrogatepass"))
    rois = load_rois(tmp_path / "a.txt")
    assert rois.table["label"].tolist() == ["Wren", "Owl"]
    assert [problem.cause.partition(", ")[2][:5] for problem in rois.problems] == ["row 2"]


def test_broken_cells_of_a_raven_table_refuse_their_rows_only(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    text = RAVEN.replace("2.250000", "", 1).replace("4000.0", "4 kHz", 1)
    rois = load_rois(write(tmp_path / "a.txt", text))
    assert rois.table["label"].tolist() == ["Wren"]
    assert sorted(problem.cause.partition(", ")[2] for problem in rois.problems) == [
        "row 4: low freq (hz) must be a number, but is '4 kHz'; left out.",
        "row 5: has no begin time (s); left out.",
    ]


def test_folder_without_annotations_and_ambiguous_recordings_are_errors(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    with pytest.raises(InputError, match="no annotations there"):
        load_rois(tmp_path, rois="annotations")
    tone(tmp_path / "a.flac", seconds=5, format="FLAC")
    with pytest.raises(InputError, match=r"may belong to any of a\.flac, a\.wav"):
        load_rois(write(tmp_path / "a.txt", AUDACITY))


def test_windows_encodings_are_read(tmp_path, tone):
    tone(tmp_path / "a.wav", seconds=5)
    path = write(tmp_path / "a.txt", "0.5\t0.9\tZaunkönig\n", "cp1252")
    assert load_rois(path).table["label"].tolist() == ["Zaunkönig"]


def test_annotations_are_equal_to_those_of_crowsetta(tmp_path):
    crowsetta = pytest.importorskip("crowsetta")
    rows = RAVEN.replace("3\tSpectrogram 1\t1\t2.25", "4\tSpectrogram 1\t1\t2.25")
    once = "\n".join(row for row in rows.splitlines() if "Waveform" not in row) + "\n"
    once = once.rstrip("\n").rstrip("\t") + "\tRobin\n"
    raven = write(tmp_path / "a.txt", once)
    boxes = crowsetta.formats.bbox.Raven.from_file(raven, annot_col="Species").to_bbox()
    assert [
        (m.start_s, m.end_s, m.low_hz, m.high_hz, m.label) for m in read_annotations(raven).marks
    ] == [(b.onset, b.offset, b.low_freq, b.high_freq, b.label) for b in boxes]
    labels = write(
        tmp_path / "b.txt", "0.5\t0.9\tWren\n\\\t1000.5\t3000.0\n2.25\t3.0\tOwl\n\\\t5\t6\n"
    )
    boxes = crowsetta.formats.bbox.AudBBox.from_file(labels).to_bbox()
    assert [
        (m.start_s, m.end_s, m.low_hz, m.high_hz, m.label) for m in read_annotations(labels).marks
    ] == [(b.onset, b.offset, b.low_freq, b.high_freq, b.label) for b in boxes]


@pytest.mark.audio
def test_spinetail_annotations_are_equal_to_those_of_crowsetta(audio_root):
    crowsetta = pytest.importorskip("crowsetta")
    path = audio_root / "maad" / "spinetail.txt"
    boxes = crowsetta.formats.bbox.AudBBox.from_file(path).to_bbox()
    table = load_rois(path).table
    assert table["label"].tolist() == [box.label for box in boxes]
    for column, name in (("start_s", "onset"), ("high_hz", "high_freq")):
        np.testing.assert_allclose(table[column], [getattr(b, name) for b in boxes], rtol=1e-6)
