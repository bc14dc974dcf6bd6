"""Exports: golden files, read back by other readers and by ours; reviews; existing targets."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
from tests.report.conftest import with_effort

from darksound.errors import InputError, RunError
from darksound.report.exports import EXPORTERS
from darksound.report.exports.export import export
from darksound.report.result import read_run
from darksound.rois.effort import as_effort_table
from darksound.rois.roi_set import write_roi_table
from darksound.run.files import write_parquet
from darksound.sources import load_rois
from darksound.sources.annotations.loading import read_annotations

RAVEN = """\
Selection	View	Channel	Begin Time (s)	End Time (s)	Low Freq (Hz)	High Freq (Hz)	Begin File	Begin Path	File Offset (s)	Annotation	Cluster	Supercluster	Probability	Label	Site	ROI
1	Spectrogram 1	1	0.250000	1.000000	0.000	24000.000	b.wav	{root}/b.wav	0.250000	cluster 1	1	1	0.7500	owl		{1}
2	Spectrogram 1	1	2.000000	2.500000	900.000	24000.000	b.wav	{root}/b.wav	2.000000	noise	-1	-1	0.0000			{4}
3	Spectrogram 1	1	3.000000	4.000000	0.000	4000.000	a.flac	{root}/night/a.flac	0.000000	cluster 1	1	1	0.7500			{2}
4	Spectrogram 1	1	6.500000	7.250000	1500.500	2500.000	a.wav	{root}/night/a.wav	0.500000	cluster 0	0	0	0.7500	wren		{3}
5	Spectrogram 1	1	7.500000	8.000000	1000.000	3000.000	a.wav	{root}/night/a.wav	1.500000	cluster 0	0	0	0.7500	wren		{0}
"""  # noqa: E501

AUDACITY = {
    "b.txt": "0.250000\t1.000000\tcluster 1\n"
    "2.000000\t2.500000\tnoise\n\\\t900.000000\t-1.000000\n",
    "night/a.flac.txt": "0.000000\t1.000000\tcluster 1\n\\\t-1.000000\t4000.000000\n",
    "night/a.wav.txt": "0.500000\t1.250000\tcluster 0\n\\\t1500.500000\t2500.000000\n"
    "1.500000\t2.000000\tcluster 0\n\\\t1000.000000\t3000.000000\n",
}


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def write_review(path: Path, run: Path, names: dict, groups: dict, rejected: tuple = ()) -> Path:
    table = read_run(run).table
    group = table["cluster"].map(lambda c: groups.get(c, c))
    rows = table.assign(group=group, name=group.map(lambda g: names.get(g, "")))
    rows["rejected"] = [str(i in rejected).lower() for i in range(len(rows))]
    rows.to_csv(path, index=False)
    return path


def test_raven_tables_are_golden_and_count_time_over_recordings_as_raven_does(small_run):
    run = small_run()
    done = export(run, "raven")
    assert (done.path, done.files, done.rois) == (run / "exports" / "raven", 4, 5)
    ids = read_run(run).rois.table["roi_id"].tolist()
    golden = RAVEN.format(*ids, root=run.parent / "sounds")
    assert (done.path / "all.Table.1.selections.txt").read_text() == golden
    assert files(done.path / "recordings") == [
        "b.Table.1.selections.txt",
        "night/a.flac.Table.1.selections.txt",
        "night/a.wav.Table.1.selections.txt",
    ]
    of_one = (done.path / "recordings" / "night" / "a.wav.Table.1.selections.txt").read_text()
    assert of_one.splitlines()[1].split("\t")[:5] == [
        "1",
        "Spectrogram 1",
        "1",
        "0.500000",
        "1.250000",
    ]


def test_audacity_labels_are_golden(small_run):
    done = export(small_run(), "audacity")
    found = {name: (done.path / name).read_text() for name in files(done.path)}
    assert found.pop("export.json")
    assert found == AUDACITY


@pytest.mark.parametrize("form", ["raven", "audacity"])
def test_our_readers_return_the_same_rois_of_the_same_recordings(small_run, form):
    run = small_run()
    place = export(run, form).path / ("recordings" if form == "raven" else "")
    back = load_rois(place, rois="annotations", root=run.parent / "sounds")
    assert back.problems == ()
    table = read_run(run).table.sort_values(["recording", "start_s"])
    assert back.table["recording"].tolist() == table["recording"].tolist()
    np.testing.assert_allclose(back.table["start_s"], table["start_s"])
    names = ["noise" if c < 0 else f"cluster {c}" for c in table["cluster"]]
    assert back.table["label"].tolist() == names
    if form == "raven":
        back = load_rois(place.parent / "all.Table.1.selections.txt")
        np.testing.assert_allclose(back.table["end_s"], table["end_s"])
        assert back.table["label"].tolist() == names


def test_crowsetta_reads_them(small_run):
    crowsetta = pytest.importorskip("crowsetta")
    run = small_run()
    everything = export(run, "raven").path / "all.Table.1.selections.txt"
    boxes = crowsetta.formats.bbox.Raven.from_file(everything, annot_col="Annotation").to_bbox()
    assert [box.label for box in boxes] == [
        "cluster 1", "noise", "cluster 1", "cluster 0", "cluster 0",
    ]  # fmt: skip
    assert [box.high_freq for box in boxes] == [24000, 24000, 4000, 2500, 3000]
    labels = export(run, "audacity").path / "night" / "a.wav.txt"
    boxes = crowsetta.formats.bbox.AudBBox.from_file(labels).to_bbox()
    assert [(b.onset, b.offset, b.low_freq, b.high_freq, b.label) for b in boxes] == [
        (m.start_s, m.end_s, m.low_hz, m.high_hz, m.label) for m in read_annotations(labels).marks
    ]


def test_without_the_recordings_raven_still_gets_bounds_and_a_warning(small_run, caplog):
    with caplog.at_level(logging.WARNING):
        done = export(small_run(sound=False), "raven")
    table = pd.read_csv(done.path / "all.Table.1.selections.txt", sep="\t")
    assert table["High Freq (Hz)"].tolist() == [24000, 24000, 4000, 2500, 3000]
    assert table["File Offset (s)"].tolist() == [0.25, 2.0, 0.0, 0.5, 1.5]
    assert "3 recordings are missing" in caplog.text


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_contain_their_source_and_are_valid_data(small_run, form):
    run = small_run()
    result = read_run(run)
    path = export(run, form).path
    assert path == run / "exports" / f"clusters.{form}"
    if form == "csv":
        assert path.read_bytes().startswith(b"\xef\xbb\xbfroi_id,")
        table = pd.read_csv(path)
        source = table[["run", "settings_hash", "darksound_version"]].drop_duplicates()
        assert source.to_numpy().tolist() == [["run", result.settings_hash, "9.9.9"]]
    else:
        table = pd.read_parquet(path)
        metadata = pq.read_schema(path).metadata
        assert metadata[b"darksound.run"] == b"run"
        assert metadata[b"darksound.settings_hash"].decode() == result.settings_hash
        assert metadata[b"darksound.version"] == b"9.9.9"
    assert table["group"].tolist() == [1, -1, 1, 0, 0]
    assert table["assigned_cluster"].notna().tolist() == [False, True, False, False, False]
    back = load_rois(path)
    assert back.table["roi_id"].tolist() == table["roi_id"].tolist()
    assert set(back.table["roi_id"]) == set(result.rois.table["roi_id"])


def test_the_table_opens_in_a_spreadsheet_with_dates_sites_and_effort(small_run):
    run = small_run()
    rois = read_run(run).rois.table
    night = rois["recording"].str.startswith("night")
    rois["site"] = rois["site"].mask(night, "Süd")
    rois["recorded_at"] = rois["recorded_at"].mask(night, "2024-05-31T23:59:59")
    write_roi_table(rois, run / "rois.parquet")
    effort = as_effort_table(
        {"root": rois["root"].iloc[0], "recording": ["night/a.wav", "none.wav"], "duration_s": 3.0}
        | {"used_s": [2.5, 3.0], "lost_s": [0.5, 0.0], "rain_share": [0.25, 0.0]}
    )
    write_parquet(run / "effort.parquet", effort)
    content = export(run, "csv").path.read_bytes()
    assert content.decode("utf-8-sig").count("Süd") == 3
    assert export(run, "csv", out=run / "raw.csv", raw_csv=True).path.read_bytes()[0] != 0xEF
    table = pd.read_csv(run / "raw.csv").set_index("recording")
    # A ROI after midnight has the date of the next day.
    assert table.loc["night/a.wav", ["date", "time"]].to_numpy().tolist() == [
        ["2024-05-31", "23:59:59"], ["2024-06-01", "00:00:00"],
    ]  # fmt: skip
    columns = ["site", "recording_s", "used_s", "lost_s", "rain_share"]
    assert table.loc["night/a.wav", columns].iloc[0].tolist() == ["Süd", 3.0, 2.5, 0.5, 0.25]
    assert table.loc[["b.wav"], columns].isna().all(axis=None)


def test_large_tables_are_written_in_parts(small_run, monkeypatch):
    monkeypatch.setattr("darksound.report.exports.base._CHUNK", 2)
    run = small_run()
    table = pd.read_csv(export(run, "csv").path)
    assert len(table) == 5
    assert table["roi_id"].is_unique
    assert pq.ParquetFile(export(run, "parquet").path).num_row_groups == 3


@pytest.mark.parametrize("audio", ["wav", "flac"])
def test_clips_are_in_folders_and_equal_the_sound_of_their_rois(small_run, audio):
    run = small_run()
    done = export(run, "clips", audio=audio)
    assert sorted(p.name for p in done.path.iterdir() if p.is_dir()) == [
        "cluster-0", "cluster-1", "noise",
    ]  # fmt: skip
    table = pd.read_csv(done.path / "clips.csv")
    assert files(done.path) == sorted([*table["recording"], "clips.csv", "export.json"])
    result = read_run(run)
    root = str(result.rois.table["root"].iloc[0])
    for row in table.to_dict("records"):
        wave, rate = soundfile.read(done.path / row["recording"])
        assert row["recording"].endswith(f"_{row['roi_id']}.{audio}")
        times = row["source_start_s"], row["source_end_s"]
        expected, expected_rate = result.rois.reader.read(
            root, row["source_recording"], *times, None
        )
        assert rate == expected_rate
        np.testing.assert_allclose(wave, expected, atol=2**-15)


def test_a_dataset_is_valid_data_with_its_labels(small_run):
    run = small_run()
    done = export(run, "dataset", out=run.parent / "set")
    for source in (done.path, done.path / "clips.csv"):
        back = load_rois(source)
        assert back.problems == ()
        assert back.table["label"].value_counts().to_dict() == {"cluster-0": 2, "cluster-1": 2}
    ids = set(read_run(run).rois.table["roi_id"][:4])
    assert set(load_rois(done.path / "clips.csv").table["roi_id"]) == ids


def test_a_review_is_applied_in_every_format(small_run, tmp_path):
    run = with_effort(small_run())
    review = write_review(tmp_path / "review.csv", run, {0: "Wren/song"}, {1: 0}, rejected=(3,))
    for form in EXPORTERS:
        done = export(run, form, review=review, out=tmp_path / "out" / form)
        assert done.rois == (3 if form in ("dataset", "occupancy", "darwin-core") else 4)
        if done.path.suffix == ".csv":
            assert pd.read_csv(done.path)["name"].tolist().count("Wren/song") == 3
    assert sorted(p.name for p in (tmp_path / "out" / "clips").iterdir() if p.is_dir()) == [
        "Wren_song", "noise",
    ]  # fmt: skip
    back = load_rois(tmp_path / "out" / "dataset" / "clips.csv")
    assert back.table["label"].tolist() == ["Wren/song"] * 3
    assert load_rois(tmp_path / "out" / "dataset").table["label"].tolist() == ["Wren_song"] * 3
    marks = read_annotations(tmp_path / "out" / "raven" / "all.Table.1.selections.txt").marks
    assert [mark.label for mark in marks] == ["Wren/song", "noise", "Wren/song", "Wren/song"]


def test_clips_that_cannot_be_read_are_skipped_and_listed(small_run):
    run = small_run()
    (run.parent / "sounds" / "b.wav").unlink()
    done = export(run, "clips")
    assert (done.rois, len(done.problems)) == (3, 2)
    errors = pd.read_csv(done.path / "errors.csv")
    assert errors["recording"].tolist() == ["b.wav", "b.wav"]
    assert "no such file" in errors["cause"][0]
    assert len(pd.read_csv(done.path / "clips.csv")) == 3
    assert not (done.path / "noise").exists()


def test_recordings_that_were_moved_are_found_with_root(small_run, tmp_path):
    run = small_run()
    (tmp_path / "sounds").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"None of the 5 ROIs can be read.*--root"):
        export(run, "clips")
    assert not (run / "exports" / "clips").exists()
    assert export(run, "clips", root=tmp_path / "moved").rois == 5


def test_sound_above_full_scale_is_scaled_not_clipped(small_run):
    run = small_run()
    path = run.parent / "sounds" / "b.wav"
    wave = 1.5 * np.sin(np.arange(3 * 48_000) * 0.3)
    soundfile.write(path, wave, 48_000, subtype="FLOAT")
    done = export(run, "clips")
    (clip,) = (done.path / "cluster-1").glob("b_*")
    exported, _ = soundfile.read(clip)
    np.testing.assert_allclose(exported, wave[12_000:48_000] / 1.5, atol=1e-3)


def test_an_existing_target_is_replaced_only_if_it_is_an_export_and_with_overwrite(
    small_run, tmp_path
):
    run = small_run()
    out = tmp_path / "taken"
    out.mkdir()
    export(run, "raven", out=out)  # an empty folder is accepted
    before = files(out)
    with pytest.raises(RunError, match="exists already; give another --out, or --overwrite"):
        export(run, "clips", out=out)
    assert files(out) == before
    export(run, "audacity", out=out, overwrite=True)
    assert "b.txt" in files(out)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.docx").write_text("years of work")
    with pytest.raises(RunError, match="not an export of darksound, so it is not replaced"):
        export(run, "raven", out=other, overwrite=True)
    assert files(other) == ["thesis.docx"]
    table = export(run, "csv", out=tmp_path / "t.csv").path
    with pytest.raises(RunError, match="exists already"):
        export(run, "csv", out=table)
    export(run, "csv", out=table, overwrite=True)
    with pytest.raises(RunError, match="is a file, and this format is a folder"):
        export(run, "raven", out=table)


def test_a_failed_export_leaves_the_earlier_one(small_run, monkeypatch):
    run = small_run()
    out = export(run, "clips").path
    before = files(out)

    def full(*_, **__):
        raise OSError(28, "No space left on device", "clip")

    monkeypatch.setattr("darksound.report.exports.clips.sf.write", full)
    with pytest.raises(RunError, match=r"the disk of .* is full"):
        export(run, "clips", overwrite=True)
    assert files(out) == before
    assert [p.name for p in out.parent.iterdir()] == ["clips"]


def test_unknown_formats_and_runs_are_refused(small_run, tmp_path):
    with pytest.raises(InputError, match=r"no format 'excel'; choose one of raven, audacity"):
        export(small_run(), "excel")
    with pytest.raises(RunError, match=r"run\.json is missing"):
        export(tmp_path, "csv")
