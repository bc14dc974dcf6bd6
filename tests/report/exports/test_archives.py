"""Exports for archives, read by the tools that they are for."""

import json
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from frictionless import Package
from soundevent import data as soundevent_data
from soundevent import io as soundevent_io
from tests.report.conftest import write_run, write_sound

from darksound.errors import InputError
from darksound.report.detections import DetectionOptions
from darksound.report.exports.export import export
from darksound.report.exports.package_fields import RECORDING_FIELDS, ROI_FIELDS
from darksound.report.result import read_run
from darksound.rois.effort import EFFORT_SCHEMA, as_effort_table, as_site_table
from darksound.rois.roi_set import SCHEMA
from darksound.run.files import write_parquet

DWC = "{http://rs.tdwg.org/dwc/text/}"


@pytest.fixture
def run_of_sites(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run of two recorders, one of them without a ROI."""

    def make(roots: tuple[str, str] = ("sounds", "sounds")) -> Path:
        folders = [str(tmp_path / root) for root in roots]
        names = ["a/one.wav", "b/two.wav"]
        for folder, name in zip(folders, names, strict=True):
            write_sound(Path(folder) / name)
        starts = ["2025-06-01T21:59:59-05:00", "2025-06-01T23:59:59-05:00"]
        rois = {
            "root": [folders[0]] * 3,
            "recording": ["a/one.wav"] * 3,
            "start_s": [0.5, 1.5, 2.0],
            "end_s": [1.0, 2.0, 2.5],
            "low_hz": [1000.0, np.nan, np.nan],
            "high_hz": [3000.0, np.nan, 2500.0],
            "site": ["A"] * 3,
            "recorded_at": [starts[0]] * 3,
        }
        run = write_run(tmp_path / "run", rois, [0, 1, -1])
        effort = {
            "root": folders,
            "recording": names,
            "site": ["A", "B"],
            "recorder": ["AudioMoth 24F319055FD00000", None],
            "recorded_at": starts,
            "duration_s": 3.0,
            "used_s": [3.0, 2.5],
            "lost_s": [0.0, 0.5],
            "quality_flags": ["rain", None],
            "rain_share": [1.0, 0.0],
            "n_rois": [3, 0],
        }
        write_parquet(run / "effort.parquet", as_effort_table(pd.DataFrame(effort)), EFFORT_SCHEMA)
        sites = {"site": ["A", "B"], "latitude": [-0.5, np.nan], "longitude": [-77.9, np.nan]}
        sites |= {"habitat": ["forest", "edge"], "trees": [5, 7]}
        write_parquet(run / "sites.parquet", as_site_table(pd.DataFrame(sites)))
        return run

    return make


def write_review(path: Path, run: Path, names: dict[int, str], verdicts: list[str]) -> Path:
    table = read_run(run).table
    rows = table[["roi_id", "cluster"]].assign(group=table["cluster"], rejected="false")
    rows["name"] = rows["cluster"].map(lambda cluster: names.get(cluster, ""))
    rows["verdict"] = verdicts
    rows.to_csv(path, index=False)
    return path


def test_frictionless_validates_the_package(run_of_sites: Callable[..., Path]) -> None:
    done = export(run_of_sites(), "data-package")
    report = Package(str(done.path / "datapackage.json")).validate()
    assert report.valid, report.flatten(["title", "fieldName", "message"])
    assert [task.name for task in report.tasks] == ["rois", "recordings", "iterations", "sites"]
    assert [task.stats["rows"] for task in report.tasks] == [3, 2, 1, 2]
    package = json.loads((done.path / "datapackage.json").read_text())
    site = {each["name"]: each["type"] for each in package["resources"][3]["schema"]["fields"]}
    assert site["habitat"] == "string"
    assert site["trees"] == "integer"
    # Nothing of this machine is in an archive.
    text = "".join(path.read_text() for path in done.path.iterdir() if path.suffix == ".csv")
    assert str(done.path.parents[2]) not in text


def test_frictionless_finds_a_changed_cell(run_of_sites: Callable[..., Path]) -> None:
    done = export(run_of_sites(), "data-package")
    for old, new in (("a/one.wav", "a/other.wav"), (",0.75,", ",1.75,")):
        path = done.path / "rois.csv"
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new, 1))
        assert not Package(str(done.path / "datapackage.json")).validate().valid
        path.write_text(before)


def test_every_column_of_rois_and_recordings_is_described() -> None:
    described = {field.name for field in ROI_FIELDS if field.description}
    assert set(SCHEMA.names) - described == {"root"}
    described = {field.name for field in RECORDING_FIELDS if field.description}
    assert set(EFFORT_SCHEMA.names) - described == {"root"}


def test_events_are_all_recordings_and_occurrences_are_rois_of_clusters(
    run_of_sites: Callable[..., Path], tmp_path: Path
) -> None:
    run = run_of_sites()
    review = write_review(tmp_path / "review.csv", run, {0: "Turdus merula"}, ["yes", "", ""])
    done = export(run, "darwin-core", review=review)
    events = pd.read_csv(done.path / "event.csv", dtype=str, keep_default_na=False)
    assert events.to_dict("records") == [
        {
            "eventID": "a/one.wav",
            "eventDate": "2025-06-01T21:59:59-05:00/2025-06-01T22:00:02-05:00",
            "samplingProtocol": "passive acoustic monitoring",
            "sampleSizeValue": "3.0",
            "sampleSizeUnit": "second",
            "samplingEffort": "3 seconds of sound by one recorder",
            "locationID": "A",
            "decimalLatitude": "-0.5",
            "decimalLongitude": "-77.9",
            "geodeticDatum": "EPSG:4326",
            "eventRemarks": "quality flags: rain",
        },
        {
            "eventID": "b/two.wav",
            "eventDate": "2025-06-01T23:59:59-05:00/2025-06-02T00:00:02-05:00",
            "samplingProtocol": "passive acoustic monitoring",
            "sampleSizeValue": "2.5",
            "sampleSizeUnit": "second",
            "samplingEffort": "2 seconds of sound by one recorder",
            "locationID": "B",
            "decimalLatitude": "",
            "decimalLongitude": "",
            "geodeticDatum": "",
            "eventRemarks": "",
        },
    ]
    found = pd.read_csv(done.path / "occurrence.csv", dtype=str, keep_default_na=False)
    assert found.drop(columns="occurrenceID").to_dict("records") == [
        {
            "eventID": "a/one.wav",
            "basisOfRecord": "MachineObservation",
            "occurrenceStatus": "present",
            "scientificName": "Turdus merula",
            "verbatimIdentification": "Turdus merula",
            "eventDate": "2025-06-01T21:59:59-05:00",
            "identificationVerificationStatus": "verified by human",
            "identificationRemarks": "cluster 0, membership probability 0.750 "
            "(darksound 9.9.9, run run)",
            "occurrenceRemarks": "sound from 0.5 to 1.0 s of the recording",
        }
    ]


def test_unnamed_clusters_have_no_scientific_name(run_of_sites: Callable[..., Path]) -> None:
    done = export(run_of_sites(), "darwin-core")
    found = pd.read_csv(done.path / "occurrence.csv")
    assert found["scientificName"].tolist() == ["incertae sedis"] * 2
    assert found["verbatimIdentification"].tolist() == ["cluster 0", "cluster 1"]
    assert found["identificationVerificationStatus"].tolist() == ["unverified"] * 2
    assert found["eventDate"].tolist() == ["2025-06-01T21:59:59-05:00", "2025-06-01T22:00:00-05:00"]


def test_occurrences_are_above_the_thresholds(
    run_of_sites: Callable[..., Path], tmp_path: Path
) -> None:
    run = run_of_sites()
    review = write_review(tmp_path / "review.csv", run, {}, ["yes", "no", ""])
    for number, (options, expected) in enumerate(
        ((DetectionOptions(), 1), (DetectionOptions(verified=True), 1),
         (DetectionOptions(min_probability=0.8), 0))
    ):  # fmt: skip
        done = export(run, "darwin-core", review=review, out=tmp_path / str(number),
                      detections=options)  # fmt: skip
        assert done.rois == len(pd.read_csv(done.path / "occurrence.csv")) == expected
    with pytest.raises(InputError, match="verdict yes"):
        export(run, "darwin-core", out=tmp_path / "x", detections=DetectionOptions(verified=True))


def test_the_archive_describes_its_columns(run_of_sites: Callable[..., Path]) -> None:
    done = export(run_of_sites(), "darwin-core")
    archive = ET.fromstring((done.path / "meta.xml").read_text())
    assert archive.tag == f"{DWC}archive"
    for name, key in (("core", "id"), ("extension", "coreid")):
        part = archive.find(f"{DWC}{name}")
        assert part is not None
        assert part.get("fieldsTerminatedBy") == ","
        assert part.get("ignoreHeaderLines") == "1"
        location = part.findtext(f"{DWC}files/{DWC}location")
        columns = list(pd.read_csv(done.path / str(location)).columns)
        fields = part.findall(f"{DWC}field")
        assert [int(str(field.get("index"))) for field in fields] == list(range(len(columns)))
        terms = [f"http://rs.tdwg.org/dwc/terms/{column}" for column in columns]
        assert [field.get("term") for field in fields] == terms
        identifier = part.find(f"{DWC}{key}")
        assert identifier is not None
        assert columns[int(str(identifier.get("index")))] == "eventID"
    event, occurrence = (pd.read_csv(done.path / f"{x}.csv") for x in ("event", "occurrence"))
    assert event["eventID"].is_unique
    assert occurrence["occurrenceID"].is_unique
    assert occurrence["eventID"].isin(event["eventID"]).all()


def test_recordings_of_two_folders_have_the_folder_in_their_name(
    run_of_sites: Callable[..., Path],
) -> None:
    done = export(run_of_sites(("card1/sounds", "card2/sounds")), "darwin-core")
    events = pd.read_csv(done.path / "event.csv")["eventID"].tolist()
    assert events == ["sounds/a/one.wav", "sounds-2/b/two.wav"]
    assert set(pd.read_csv(done.path / "occurrence.csv")["eventID"]) == {"sounds/a/one.wav"}


def test_soundevent_reads_the_annotation_project(
    run_of_sites: Callable[..., Path], tmp_path: Path
) -> None:
    run = run_of_sites()
    review = write_review(tmp_path / "review.csv", run, {0: "Turdus merula"}, [""] * 3)
    done = export(run, "aoef", review=review)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        project = soundevent_io.load(done.path, audio_dir=tmp_path / "sounds")
    assert isinstance(project, soundevent_data.AnnotationProject)
    assert project.name == "run"
    assert len(project.tasks) == 2
    clips = {clip.clip.recording.path.name: clip for clip in project.clip_annotations}
    assert sorted(clips) == ["one.wav", "two.wav"]
    assert clips["two.wav"].sound_events == []
    recording = clips["one.wav"].clip.recording
    assert recording.path == tmp_path / "sounds" / "a" / "one.wav"
    assert recording.path.is_file()
    assert (recording.duration, recording.samplerate, recording.channels) == (3.0, 16_000, 1)
    assert (str(recording.date), str(recording.time)) == ("2025-06-01", "21:59:59")
    assert (recording.latitude, recording.longitude) == (-0.5, -77.9)
    assert {tag.value for tag in recording.tags} == {"A", "AudioMoth 24F319055FD00000"}
    events = clips["one.wav"].sound_events
    shapes = [event.sound_event.geometry for event in events]
    assert [(shape.type, shape.coordinates) for shape in shapes if shape is not None] == [
        ("BoundingBox", [0.5, 1000.0, 1.0, 3000.0]),
        ("TimeInterval", [1.5, 2.0]),
        ("BoundingBox", [2.0, 0.0, 2.5, 2500.0]),
    ]
    assert [[tag.value for tag in event.tags] for event in events] == [
        ["Turdus merula", "0"],
        ["1"],
        ["noise"],
    ]
    assert events[0].sound_event.features[0].value == 0.75


def test_recordings_that_cannot_be_read_are_left_out_of_the_project(
    run_of_sites: Callable[..., Path], tmp_path: Path
) -> None:
    run = run_of_sites()
    (tmp_path / "sounds" / "b" / "two.wav").unlink()
    done = export(run, "aoef")
    assert [problem.recording for problem in done.problems] == ["b/two.wav"]
    assert done.rois == 3
    (tmp_path / "sounds" / "a" / "one.wav").unlink()
    with pytest.raises(InputError, match="--root"):
        export(run, "aoef", overwrite=True)


@pytest.mark.parametrize("format", ["darwin-core", "data-package", "aoef"])
def test_runs_without_effort_are_exported_with_the_recordings_of_their_rois(
    run_of_sites: Callable[..., Path], format: str
) -> None:
    run = run_of_sites()
    (run / "effort.parquet").unlink()
    (run / "sites.parquet").unlink()
    done = export(run, format)
    if format == "darwin-core":
        events = pd.read_csv(done.path / "event.csv")
        assert events["eventID"].tolist() == ["a/one.wav"]
        assert events["sampleSizeValue"].isna().all()
    if format == "data-package":
        assert Package(str(done.path / "datapackage.json")).validate().valid
