"""What every exporter must do; a new one needs an entry in `COUNT_ROIS`."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.report.conftest import with_effort, write_run, write_sound

from darksound.errors import InputError, RunError
from darksound.report.exports import EXPORTERS
from darksound.report.exports.base import Exporter
from darksound.report.exports.export import export
from darksound.report.result import read_run
from darksound.rois.spreadsheets import unescape
from darksound.settings import resolve_object
from darksound.sources import load_rois
from darksound.sources.annotations.loading import read_annotations


def count_detections(path: Path) -> int:
    return int(pd.read_csv(path / "detections.csv")["count"].sum())


def count_calls(path: Path) -> int:
    table = pd.read_csv(path / "activity.csv")
    return int(table.query("of == 'all' and by == 'total'")["calls"].sum())


def count_audacity_labels(path: Path) -> int:
    return sum(len(read_annotations(file).marks) for file in path.rglob("*.txt"))


#: Number of ROIs in an export, by an independent reader.
COUNT_ROIS = {
    "raven": lambda path: len(read_annotations(path / "all.Table.1.selections.txt").marks),
    "audacity": count_audacity_labels,
    "csv": lambda path: len(load_rois(path)),
    "parquet": lambda path: len(load_rois(path)),
    "clips": lambda path: len(load_rois(path / "clips.csv")),
    "dataset": lambda path: len(load_rois(path / "clips.csv")),
    "activity": count_calls,
    "occupancy": count_detections,
    "darwin-core": lambda path: len(pd.read_csv(path / "occurrence.csv")),
    "data-package": lambda path: len(pd.read_csv(path / "rois.csv")),
    "aoef": lambda path: len(json.loads(path.read_text())["data"]["sound_events"]),
}
#: Formats that have clustered ROIs only.
WITHOUT_NOISE = {"dataset", "occupancy", "darwin-core"}
#: Formats that do not have the membership probability of ROIs.
WITHOUT_PROBABILITY = {"audacity", "activity", "occupancy"}

each_format = pytest.mark.parametrize("format", EXPORTERS)


@pytest.fixture
def small_run(small_run):
    """Return a function that writes the small run with its effort."""
    return lambda: with_effort(small_run())


def content(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_exporter_has_a_reader_here():
    assert COUNT_ROIS.keys() == EXPORTERS.keys()


def test_the_names_of_formats_are_known_without_slow_imports():
    code = (
        "import sys; from darksound.report.exports import EXPORTERS;"
        "assert not {'pandas', 'torch', 'numpy', 'soundfile'} & set(sys.modules); print(*EXPORTERS)"
    )
    known = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert known.stdout.split() == list(EXPORTERS)


@each_format
def test_it_has_the_interface_of_an_exporter(format):
    exporter: Exporter = resolve_object(EXPORTERS[format])()
    assert exporter.suffix is None or exporter.suffix.startswith(".")
    assert exporter.hint.endswith(".")


@each_format
def test_it_writes_all_rois_and_is_read_back(small_run, format):
    run = small_run()
    table = read_run(run).table
    done = export(run, format)
    expected = (table["cluster"] >= 0).sum() if format in WITHOUT_NOISE else len(table)
    assert done.rois == expected == COUNT_ROIS[format](done.path)
    assert done.path.is_relative_to(run / "exports")
    n_files = len(content(done.path)) if done.path.is_dir() else 1
    assert done.files == n_files - done.path.is_dir()  # export.json is not counted
    assert done.problems == ()


@each_format
def test_a_result_and_its_directory_give_the_same_export(small_run, tmp_path, format):
    run = small_run()
    for name, source in (("a", run), ("b", read_run(run))):
        (tmp_path / name).mkdir()
        export(source, format, out=tmp_path / name / "out")
    assert content(tmp_path / "a") == content(tmp_path / "b")


@each_format
def test_an_existing_target_is_replaced_with_overwrite_only(small_run, format):
    run = small_run()
    path = export(run, format).path
    before = content(run / "exports")
    with pytest.raises(RunError, match="exists already"):
        export(run, format)
    assert content(run / "exports") == before
    table = read_run(run).clusters.assign(probability=1.0)
    table.to_parquet(run / "clusters.parquet")
    assert export(run, format, overwrite=True).path == path
    after = content(run / "exports")
    assert after.keys() == before.keys()
    assert (after != before) is (format not in WITHOUT_PROBABILITY)


@each_format
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_midway_leaves_nothing_new(small_run, format, error):
    run = small_run()
    out = run.parent / "out"
    out.mkdir()

    def fail(stage, done, total, *values):
        if done:
            raise error

    for overwrite in (False, True):
        before = content(out)
        with pytest.raises((RunError, KeyboardInterrupt)):
            export(run, format, out=out / "here", overwrite=overwrite, progress=fail)
        assert content(out) == before
        if not overwrite:
            assert list(out.glob("here/*")) == []
            export(run, format, out=out / "here")


KILL = """
import os, signal, sys
from pathlib import Path
from darksound.report.exports import EXPORTERS
from darksound.report.exports.export import export

def kill(stage, done, total, *values):
    if done:
        os.kill(os.getpid(), signal.SIGKILL)

for format in EXPORTERS:
    child = os.fork()
    if not child:
        export(sys.argv[1], format, out=Path(sys.argv[2]) / format, progress=kill)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_export_leaves_no_target_and_the_next_one_cleans_up(small_run, tmp_path):
    run, out = small_run(), tmp_path / "out"
    killed = subprocess.run(
        [sys.executable, "-c", KILL, str(run), str(out)], capture_output=True, text=True, check=True
    )
    assert killed.stdout.split() == [str(-signal.SIGKILL)] * len(EXPORTERS)
    for format in EXPORTERS:
        assert not [name for name in content(out) if name.startswith(f"{format}/clusters")]
        done = export(run, format, out=out / format)
        assert done.rois == COUNT_ROIS[format](done.path)
    assert not list(out.rglob(".*"))


@each_format
def test_hostile_names_stay_in_their_folder_and_do_not_collide(tmp_path, format):
    long = "x" * 120
    names = (f"d/{long}1.wav", f"d/{long}2.wav", "d/..\\..\\up.wav", "d/con.wav", "d/CON.wav",
             "d/tab\there\n.wav", "d/-rf.wav", "d/Grünspecht 歌.wav")  # fmt: skip
    root = tmp_path / "sounds"
    for name in names:
        write_sound(root / name)
    n = len(names)
    rois = {
        "root": [str(root)] * n,
        "recording": list(names),
        "start_s": [0.5] * n,
        "end_s": [1.0] * n,
    }
    run = with_effort(write_run(tmp_path / "run", rois, [0, 0, 1, 1, 2, 2, 3, -1]))
    titles = {0: "../../etc", 1: "NUL", 2: "Clips.csv", 3: "a\tb\nc"}
    table = read_run(run).table
    review = table.assign(group=table["cluster"], rejected="false")
    review["name"] = review["group"].map(lambda group: titles.get(group, ""))
    review.to_csv(tmp_path / "review.csv", index=False)
    done = export(run, format, review=tmp_path / "review.csv", out=tmp_path / "out" / format)
    assert done.problems == ()
    assert done.rois == (n - 1 if format in WITHOUT_NOISE else n) == COUNT_ROIS[format](done.path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "review.csv", "run", "sounds"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == [format]
    check = HOSTILE_CHECKS.get(format)
    if check is not None:
        check(done.path, n)


def check_raven(path: Path, n: int) -> None:
    table = (path / "all.Table.1.selections.txt").read_text()
    rows = [line.split("\t") for line in table.splitlines()]
    assert {len(row) for row in rows} == {17}
    assert len(rows) == n + 1


def check_clips(path: Path, n: int) -> None:
    clips = load_rois(path / "clips.csv")
    assert len({name.casefold() for name in clips.table["recording"]}) == n
    assert {Path(name).parts[0] for name in clips.table["recording"]} == {
        "_._.._etc", "NUL_", "Clips.csv-2", "a_b_c", "noise",
    }  # fmt: skip


def check_audacity(path: Path, n: int) -> None:
    listed = pd.read_csv(path / "names.csv", keep_default_na=False)
    assert set(content(path)) == {*listed["file"], "names.csv", "export.json"}
    assert len(listed) == n


HOSTILE_CHECKS = {"raven": check_raven, "clips": check_clips, "audacity": check_audacity}


@each_format
def test_a_run_of_noise_only_is_exported_or_refused(tmp_path, small_run, format):
    run = small_run()
    clusters = read_run(run).clusters.assign(cluster=-1, probability=0.0)
    clusters.to_parquet(run / "clusters.parquet")
    if format in WITHOUT_NOISE:
        with pytest.raises(InputError, match="no ROI in a cluster"):
            export(run, format)
        assert content(run / "exports") == {}
    else:
        assert COUNT_ROIS[format](export(run, format).path) == 5


@each_format
def test_a_run_without_rois_is_exported_or_refused(tmp_path, format):
    empty: dict[str, list[str]] = {name: [] for name in ("root", "recording", "start_s", "end_s")}
    run = write_run(tmp_path / "run", empty, [])
    if format not in ("csv", "parquet"):
        with pytest.raises(InputError, match="There is no ROI"):
            export(run, format)
        assert content(run / "exports") == {}
    else:
        path = export(run, format).path
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        assert len(table) == 0
        assert {"roi_id", "cluster", "group", "name"} <= set(table.columns)


HOSTILE = ("=cmd|'/C calc'!A0", "+1", "-2+3", "@SUM(1)", "'=quoted", "wren")


def hostile_run(tmp_path: Path) -> Path:
    """Write a run whose labels and file names are formulas."""
    names = [f"{text.replace('/', '_')}.wav" for text in HOSTILE]
    root = tmp_path / "sounds"
    for name in names:
        write_sound(root / name)
    n = len(names)
    rois = {
        "root": [str(root)] * n,
        "recording": names,
        "start_s": [0.5] * n,
        "end_s": [1.5] * n,
        "low_hz": [500.0] * n,
        "label": list(HOSTILE),
    }
    return with_effort(write_run(tmp_path / "run", rois, [0, 0, 1, 1, 0, 1]))


def csv_cells(path: Path) -> list[str]:
    files = sorted(path.rglob("*.csv")) if path.is_dir() else [path] * (path.suffix == ".csv")
    return [
        cell
        for file in files
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline=""))
        for cell in row
    ]


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@each_format
def test_no_cell_of_a_csv_file_is_a_formula(tmp_path, format):
    path = export(hostile_run(tmp_path), format).path
    found = [cell for cell in csv_cells(path) if cell[:1] in set("=+-@\t\r")]
    # Coordinates of the map are negative numbers.
    assert all(is_number(cell) and cell != "+1" for cell in found)
    raw = export(tmp_path / "run", format, out=tmp_path / f"raw{path.suffix}", raw_csv=True).path
    if format == "csv":
        assert "'+1" in csv_cells(path)
        assert set(HOSTILE) <= set(csv_cells(raw))
    assert [unescape(cell) for cell in csv_cells(path)] == csv_cells(raw)


@pytest.mark.parametrize("format", ["csv", "clips", "dataset"])
def test_our_readers_read_the_original_text(tmp_path, format):
    run = hostile_run(tmp_path)
    path = export(run, format).path
    table = load_rois(path if path.is_file() else path / "clips.csv").table
    if format == "csv":
        assert sorted(table["label"]) == sorted(HOSTILE)
        expected = read_run(run).table["recording"]
        assert sorted(table["recording"]) == sorted(expected)
    for root, recording in table[["root", "recording"]].itertuples(index=False):
        assert Path(root, recording).is_file()


def test_skipped_clips_are_listed_without_formulas(tmp_path):
    run = hostile_run(tmp_path)
    (tmp_path / "sounds" / "+1.wav").unlink()
    done = export(run, "clips")
    assert [problem.recording for problem in done.problems] == ["+1.wav"]
    assert csv_cells(done.path / "errors.csv")[2] == "'+1.wav"
