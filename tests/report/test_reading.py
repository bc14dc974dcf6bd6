"""A finished run, read back."""

import json

import numpy as np
import pytest

from darksound.errors import InputError, RunError
from darksound.rois.review import read_review
from darksound.run.reading import read_result
from darksound.settings import Settings, to_toml


def test_a_run_is_read_back_row_by_row(small_run):
    run = small_run()
    result = read_result(run)
    assert (len(result), result.name, result.version) == (5, "run", "9.9.9")
    assert result.table["cluster"].tolist() == [0, 1, 1, 0, -1]
    assert result.table["roi_id"].tolist() == result.rois["roi_id"].tolist()
    assert result.labels.tolist() == ["wren", "owl", None, "wren", None]
    assert result.embeddings.shape == (5, 4)
    assert result.iterations["kept"].tolist() == [True]
    one = result.rois.iloc[1]
    wave, rate = result.reader.read(one["root"], one["recording"], 0.25, 1.0, None)
    assert (len(wave), rate) == (36_000, 48_000)
    assert result.reader.info(one["root"], one["recording"]).duration_s == 3


def test_the_settings_hash_is_of_what_changes_results(small_run):
    run = small_run()
    first = read_result(run).settings_hash
    for changed, same in (({"compute": {"batch_size": 17}}, True), ({"seed": 17}, False)):
        (run / "settings.toml").write_text(to_toml(Settings().replace(**changed)))
        assert (read_result(run).settings_hash == first) is same


def test_recordings_may_lie_elsewhere_now_but_not_the_synthetic(small_run, tmp_path):
    run = small_run()
    assert read_result(run, tmp_path).rois["root"].unique().tolist() == [str(tmp_path)]


@pytest.mark.parametrize(
    "name",
    ["run.json", "settings.toml", "rois.parquet", "clusters.parquet", "iterations.csv",
     "embeddings.npy"],
)  # fmt: skip
def test_a_file_that_is_missing_or_damaged_is_named(small_run, name):
    run = small_run()
    (run / name).unlink()
    with pytest.raises(RunError, match=rf"{name} is missing"):
        read_result(run)
    if name != "settings.toml":
        (run / name).write_bytes(b"no such thing")
        with pytest.raises(RunError, match=r"run\.json is not|is damaged"):
            read_result(run)


def test_runs_that_are_not_finished_or_of_other_commands_are_refused(small_run):
    run = small_run()
    (run / "clusters.parquet").unlink()
    (run / "run.json").write_text(json.dumps({"command": "mec", "status": "interrupted"}))
    with pytest.raises(RunError, match=r"go on with: darksound mec --resume --out"):
        read_result(run)
    (run / "run.json").write_text(json.dumps({"command": "train"}))
    with pytest.raises(RunError, match="holds a train run, which has no clusters"):
        read_result(run)


def test_files_of_two_runs_are_not_mixed(small_run):
    run = small_run()
    np.save(run / "embeddings.npy", np.zeros((4, 2), dtype=np.float32))
    with pytest.raises(RunError, match=r"not of the same ROIs \(5 in rois.parquet"):
        read_result(run)


def test_a_reviewed_run_has_its_groups_as_clusters(small_run, tmp_path):
    result = read_result(small_run())
    ids = result.rois["roi_id"]
    path = tmp_path / "review.csv"
    path.write_text(
        "roi_id,cluster,group,name,rejected\n"
        f"{ids[0]},0,1,wren,false\n{ids[1]},1,1,wren,false\n{ids[3]},0,1,wren,true\n"
    )
    reviewed = result.reviewed(read_review(path))
    assert reviewed.clusters["cluster"].tolist() == [1, 1, 1, -1]
    assert reviewed.table["roi_id"].tolist() == [ids[0], ids[1], ids[2], ids[4]]
    np.testing.assert_array_equal(reviewed.embeddings, result.embeddings[[0, 1, 2, 4]])
    path.write_text("roi_id,cluster,group,name,rejected\nother,0,0,,false\n")
    with pytest.raises(InputError, match="of another run"):
        result.reviewed(read_review(path))
