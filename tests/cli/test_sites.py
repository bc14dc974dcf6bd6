"""Folders, sites and effort from the command line."""

import pandas as pd
import pytest
import soundfile
from tests.cli.conftest import one_line


@pytest.fixture
def season(world, tmp_path):
    """Return a folder of three sites with recordings as a recorder writes them."""
    sounds = sorted((world / "sounds").rglob("*.wav"))
    for number, path in enumerate(sounds):
        wave, rate = soundfile.read(path)
        name = f"site{'ABC'[number % 3]}/202405{1 + number:02d}_050000.WAV"
        (tmp_path / "season" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "season" / name, wave, rate)
    return tmp_path / "season"


def test_three_folders_of_a_season_are_sites_everywhere(darksound, world, season, tmp_path):
    """They were once species: in a table of agreement, in exports, and unknown as sites."""
    sites = tmp_path / "sites.csv"
    sites.write_text(
        "folder,site,latitude,longitude,habitat\n"
        "siteA,Üfer,47.8,13.0,moor\nsiteB,Wald,47.9,13.0,forest\nsiteC,Grat,47.7,13.1,rock\n"
    )
    words = ["mec", "--config", world / "tiny.toml", "--data", season, "--no-report"]
    words += ["--set", "mec.iterations=0", "--out"]
    ended = darksound(*words, "run")
    assert ended.exit_code == 0, ended.stderr
    assert "Agreement with labels" not in ended.stdout
    assert "folders were taken for sites" in one_line(ended.stderr)
    confounders = pd.read_csv("run/confounders.csv").set_index("what")
    assert confounders.loc["site", "groups"] == 3

    ended = darksound(*words, "named", "--sites", sites)
    assert ended.exit_code == 0, ended.stderr
    assert pd.read_parquet("named/sites.parquet")["habitat"].tolist() == ["moor", "forest", "rock"]
    effort = pd.read_parquet("named/effort.parquet")
    assert effort["site"].value_counts().to_dict() == {"Üfer": 11, "Wald": 11, "Grat": 10}
    assert effort["n_rois"].sum() == len(pd.read_parquet("named/rois.parquet")) == 32
    assert darksound("export", "named", "--format", "csv", "--out", "c.csv").exit_code == 0
    table = pd.read_csv("c.csv")
    assert set(table["site"]) == {"Üfer", "Wald", "Grat"}
    assert table["label"].isna().all()
    assert table.loc[0, ["date", "time"]].tolist() == ["2024-05-01", "05:00:00"]
    assert darksound("export", "named", "--format", "raven", "--out", "r").exit_code == 0
    raven = pd.read_csv("r/all.Table.1.selections.txt", sep="\t")
    assert set(raven["Site"]) == {"Üfer", "Wald", "Grat"}


def test_wrong_tables_of_sites_end_with_one_sentence(darksound, season, tmp_path):
    ended = darksound("segment", season, "--sites", "none.csv")
    assert ended.exit_code == 2
    assert "none.csv: there is no such file" in one_line(ended.stderr)
    sites = tmp_path / "sites.csv"
    sites.write_text("site,latitude,longitude\nsiteA,47.8,13.0\nsiteB,478,13.0\n")
    ended = darksound("segment", season, "--sites", sites)
    assert ended.exit_code == 2
    assert "sites.csv, row 3: latitude '478' is no number from -90 to 90" in one_line(ended.stderr)
    assert "Traceback" not in ended.stderr
    sites.write_text("site,folder\nA,siteA\nB,siteA\n")
    ended = darksound("segment", season, "--sites", sites)
    assert ended.exit_code == 2
    assert "row 3: siteA/" in one_line(ended.stderr)
    assert "segmented" not in ended.stderr
