"""`darksound catalogue` and `darksound assign`, as a user calls them over three deployments."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from tests.cli.conftest import one_line

from darksound.report.result import read_run

RATE = 16000
MONTHS = {"march": "ab", "april": "abc", "may": "acd"}
PITCHES = {"a": 1000, "b": 2200, "c": 4200, "d": 6400}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Return a folder a month with `SPECIES/*.wav`, tones of one species each."""
    root = tmp_path_factory.mktemp("months")
    rng = np.random.default_rng(0)
    time = np.arange(RATE // 2) / RATE
    for month, species in MONTHS.items():
        for name in species:
            for number in range(6):
                pitch = PITCHES[name] * rng.normal(1, 0.01)
                tone = np.sin(2 * np.pi * pitch * time) * np.hanning(len(time))
                path = root / month / name / f"{month}-{name}{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, 0.3 * tone + rng.normal(0, 0.003, len(time)), RATE)
    return root


def named_review(run, path):
    """Write a review that names clusters after most of their ROIs; equal names are merged."""
    table = read_run(run).table
    table = table[table["cluster"] >= 0]
    names = table["cluster"].map(
        table.groupby("cluster")["label"].agg(lambda labels: labels.mode()[0])
    )
    columns = ["roi_id", "recording", "start_s", "end_s", "cluster"]
    group = table.groupby(names)["cluster"].transform("min")
    table[columns].assign(group=group, name=names, rejected="false").to_csv(path, index=False)


def types_of(folder):
    version = json.loads(Path(folder, "catalogue.json").read_text())["version"]
    types = pd.read_parquet(Path(folder, "versions", f"{version:04d}", "types.parquet"))
    return types[types["merged_into"].isna()].set_index("name")["type_id"].to_dict()


def test_three_months_from_the_first_run_to_the_third_assignment(darksound, world, sounds):
    common = ("--config", world / "tiny.toml", "--iterations", 0, "-q")
    ended = darksound("mec", "--data", sounds / "march", "--out", "march", "--no-report", *common)
    assert ended.exit_code == 0, ended.output
    named_review("march", "march.csv")
    ended = darksound("catalogue", "create", "march", "--review", "march.csv", "--out", "birds")
    assert ended.exit_code == 0, ended.output
    assert "Version 1 of birds, with 2 call types" in one_line(ended.output)
    first = types_of("birds")
    assert sorted(first) == ["a", "b"]
    assert len(list(Path("birds/exemplars").rglob("*.flac"))) == 12

    assign = ("assign", "birds", "--data")
    ended = darksound(*assign, sounds / "april", "--out", "april")
    assert ended.exit_code == 0, ended.output
    table = pd.read_csv("april/assignments.csv", keep_default_na=False)
    species = table["recording"].str.extract("april-([a-d])")[0]
    known = table["status"] == "known"
    assert (table["name"][known] == species[known]).mean() > 0.8
    assert (table["status"][species == "c"] != "known").all()
    text = (Path("april") / "report.html").read_text(encoding="utf-8")
    assert '"status":"known"' in text.replace(" ", "")
    # Names of known types are in the review that the page starts with.
    assert set(pd.read_csv("april/review.csv")["name"]) <= {"a", "b"}

    named_review("april", "april.csv")
    ended = darksound("catalogue", "update", "birds", "april", "--review", "april.csv")
    assert ended.exit_code == 0, ended.output
    second = types_of("birds")
    assert second.items() >= first.items()
    assert set(second) == {"a", "b", "c"}

    ended = darksound(*assign, sounds / "may", "--out", "may", "--no-report")
    assert ended.exit_code == 0, ended.output
    assert not Path("may/report.html").exists()
    table = pd.read_csv("may/assignments.csv", keep_default_na=False)
    assert set(table["type_id"][table["status"] == "known"]) <= set(second.values())
    ended = darksound("catalogue", "update", "birds", "may")
    assert ended.exit_code == 0, ended.output
    assert set(types_of("birds").values()) >= set(second.values())

    ended = darksound("catalogue", "history", "birds")
    assert ended.exit_code == 0, ended.output
    assert one_line(ended.output).count("update") == 2
    ended = darksound("catalogue", "history", "birds", "--version", 1)
    assert "with 2 call types" in one_line(ended.output)
    # Exports of an assigned run have its names.
    review = ("--review", "april/review.csv")
    ended = darksound("export", "april", "--format", "csv", "--out", "april.out.csv", *review)
    assert ended.exit_code == 0, ended.output
    assert {"a", "b"} & set(pd.read_csv("april.out.csv")["name"])


@pytest.fixture
def birds(darksound, world, sounds):
    """Return a catalogue of two types without names."""
    common = ("--config", world / "tiny.toml", "--iterations", 0, "-q", "--no-report")
    darksound("mec", "--data", sounds / "march", "--out", "run", *common)
    named_review("run", "names.csv")
    ended = darksound("catalogue", "create", "run", "--review", "names.csv", "--out", "birds")
    assert ended.exit_code == 0, ended.output
    return Path("birds")


def test_types_are_renamed_merged_and_split(darksound, birds):
    before = types_of(birds)
    ended = darksound("catalogue", "rename", birds, "a", "owl", "--notes", "low")
    assert ended.exit_code == 0, ended.output
    assert types_of(birds) == {"owl": before["a"], "b": before["b"]}
    assert darksound("catalogue", "merge", birds, "owl", before["b"]).exit_code == 0
    assert types_of(birds) == {"owl": before["a"]}
    ended = darksound("catalogue", "split", birds, "owl")
    assert ended.exit_code == 0, ended.output
    assert types_of(birds)["owl"] == before["a"]
    assert len(types_of(birds)) == 2


def test_another_catalogue_is_merged_into_the_first(darksound, birds):
    before = types_of(birds)
    shutil.copytree(birds, "copy")
    assert darksound("catalogue", "rename", "copy", "a", "owl").exit_code == 0
    ended = darksound("catalogue", "merge", birds, "--with", "copy", "--same-names")
    assert ended.exit_code == 0, ended.output
    assert "0 call types of copy added, 2 of both joined" in one_line(ended.output)
    assert types_of(birds) == before
    assert types_of("copy") == {"owl": before["a"], "b": before["b"]}


def test_wrong_usage_is_one_sentence(darksound, birds, sounds):
    cases = {
        ("catalogue", "create", "run", "--out", birds): "is a catalogue already",
        ("catalogue", "create", "nothing", "--out", "x"): "is not a run",
        ("catalogue", "update", "run", "run"): "run is no catalogue",
        ("catalogue", "update", birds, "run"): "is no run of darksound assign",
        ("catalogue", "rename", birds, "a"): "Give a NAME, or --notes",
        ("catalogue", "rename", birds, "crow", "x"): "no call type 'crow'",
        ("catalogue", "merge", birds, "a"): "at least two different",
        ("catalogue", "merge", birds): "Give at least two TYPEs, or --with OTHER",
        ("catalogue", "merge", birds, "a", "--with", birds): "or --with OTHER",
        ("catalogue", "merge", birds, "a", "b", "--same-names"): "--same-names needs --with",
        ("catalogue", "merge", birds, "--with", birds): "is the same catalogue",
        ("catalogue", "merge", birds, "--with", "run"): "run is no catalogue",
        ("catalogue", "history", birds, "--version", "9"): "no version 9",
        ("assign", "run", "--data", sounds / "may"): "run is no catalogue",
        ("assign", "--data", sounds / "may"): "Name the folder of a catalogue",
        ("assign", birds, "--out", "y"): "no data to assign",
    }
    for words, message in cases.items():
        ended = darksound(*words)
        assert ended.exit_code == 2, (words, ended.output)
        assert message in one_line(ended.output), (words, ended.output)


def test_an_interrupted_assignment_is_resumed(darksound, birds, sounds):
    data = ("--data", sounds / "april", "--no-report")
    assert darksound("assign", birds, *data, "--out", "whole").exit_code == 0
    shutil.copytree("whole", "killed")
    manifest = json.loads(Path("killed/run.json").read_text())
    Path("killed/run.json").write_text(json.dumps({**manifest, "status": "running"}))
    for name in ("clusters.parquet", "types.csv", "assignments.csv"):
        Path("killed", name).unlink()
    ended = darksound("assign", "--resume", "--out", "killed")
    assert ended.exit_code == 0, ended.output
    for name in ("types.csv", "assignments.csv"):
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes()
