"""The result of MEC: read from a run, saved from memory, reviewed and shown."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.report.conftest import manifest

from darksound.cluster.result import MecOutcome
from darksound.errors import CheckpointError, InputError, RunError
from darksound.meta.learners.build import build_learner
from darksound.report.result import MecResult, read_run
from darksound.rois.review import read_review
from darksound.rois.roi_set import Problem, RoiSet
from darksound.run.manifest import fingerprint, write_manifest
from darksound.settings import Settings, adopt_checkpoint, to_toml


def test_a_run_is_read_row_by_row(small_run):
    run = small_run()
    result = read_run(run)
    assert (len(result), result.name, result.version) == (5, "run", "9.9.9")
    assert result.table["cluster"].tolist() == [0, 1, 1, 0, -1]
    assert result.table["roi_id"].tolist() == result.rois.table["roi_id"].tolist()
    assert result.labels is not None
    assert result.labels.tolist() == ["wren", "owl", None, "wren", None]
    assert result.embeddings.shape == (5, 4)
    assert result.iterations["kept"].tolist() == [True]
    roi = result.rois.table.iloc[1]
    reader = result.rois.reader
    wave, rate = reader.read(roi["root"], roi["recording"], 0.25, 1.0, None)
    assert (len(wave), rate) == (36_000, 48_000)
    assert reader.info(roi["root"], roi["recording"]).duration_s == 3


def test_the_settings_hash_depends_on_settings_that_change_results(small_run):
    run = small_run()
    first = read_run(run).settings_hash
    for changed, same in (({"compute": {"batch_size": 17}}, True), ({"seed": 17}, False)):
        settings = Settings().replace(**changed)
        (run / "settings.toml").write_text(to_toml(settings))
        write_manifest(run, manifest(settings=settings.model_dump(mode="json")))
        assert (read_run(run).settings_hash == first) is same


def test_recordings_may_have_moved(small_run, tmp_path):
    run = small_run()
    assert read_run(run, tmp_path).rois.table["root"].unique().tolist() == [str(tmp_path)]


@pytest.mark.parametrize(
    "name",
    ["run.json", "settings.toml", "rois.parquet", "clusters.parquet", "iterations.csv",
     "embeddings.npy"],
)  # fmt: skip
def test_a_missing_or_damaged_file_is_named(small_run, name):
    run = small_run()
    (run / name).unlink()
    with pytest.raises(RunError, match=rf"{name} is missing"):
        read_run(run)
    if name != "settings.toml":
        (run / name).write_bytes(b"no such thing")
        with pytest.raises(RunError, match=r"run\.json is not|is damaged"):
            read_run(run)


def test_unfinished_runs_and_runs_of_other_commands_are_refused(small_run):
    run = small_run()
    (run / "clusters.parquet").unlink()
    write_manifest(run, manifest(status="interrupted"))
    with pytest.raises(RunError, match=r"resume it with: darksound mec --resume --out"):
        read_run(run)
    write_manifest(run, manifest(command="train"))
    with pytest.raises(RunError, match="holds a train run, which has no clusters"):
        read_run(run)


def test_files_of_two_runs_are_refused(small_run):
    run = small_run()
    np.save(run / "embeddings.npy", np.zeros((4, 2), dtype=np.float32))
    with pytest.raises(RunError, match=r"not of the same ROIs \(5 in rois.parquet"):
        read_run(run)


def test_a_reviewed_run_has_its_groups_as_clusters(small_run, tmp_path):
    result = read_run(small_run())
    ids = result.rois.table["roi_id"]
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


def test_merged_clusters_are_in_the_supercluster_of_the_cluster_whose_number_they_have(
    small_run, tmp_path
):
    result = read_run(small_run())
    assert (result.n_clusters, result.n_superclusters) == (2, 2)
    ids = result.rois.table["roi_id"]
    path = tmp_path / "review.csv"
    path.write_text(f"roi_id,cluster,group,name,rejected\n{ids[0]},0,1,wren,false\n")
    reviewed = replace(result, tree=np.array([[0, 1, 0.5, 2]])).reviewed(path)
    assert reviewed.clusters["cluster"].tolist() == [1, 1, 1, 1, -1]
    assert reviewed.clusters["supercluster"].tolist() == [1, 1, 1, 1, -1]
    assert reviewed.tree is None


@pytest.fixture(scope="module")
def learner():
    settings = Settings().replace(backbone={"weights": "none"}, audio={"roi_s": 1.0})
    return build_learner(settings)


@pytest.fixture
def unsaved(small_run, learner) -> MecResult:
    """A result in memory, as `darksound.mec` returns it."""
    result = read_run(small_run())
    iterations = pd.DataFrame(
        {
            "iteration": [0, 1],
            "n_clusters": [1, 2],
            "coverage": [0.1 + 0.2, 0.8],
            "dbcv": [1 / 3, float("nan")],
            "weighted_entropy": [0.5, 1.25],
            "ami_previous": [float("nan")] * 2,
            "seconds": [1.0, 2.5],
            "ami_all": [0.1, 0.7],
            "kept": [False, True],
        }
    )
    outcome = MecOutcome(
        rois=RoiSet(result.rois.table, result.rois.reader, (Problem("x.wav", "x.wav: silent."),)),
        clusters=result.clusters,
        iterations=iterations,
        embeddings=np.array(result.embeddings),
        kept=1,
        learner=learner,
        settings=adopt_checkpoint(Settings().replace(seed=5), learner.settings),
        notes=("A note.",),
        map_before=np.arange(10, dtype=np.float32).reshape(5, 2),
        map_method="umap",
        tree=np.array([[0, 1, 1 / 3, 2]]),
    )
    return MecResult.from_outcome(outcome)


@pytest.mark.parametrize("found", ["", ', "map": null', ', "map": "isomap"', ', "map": [1]'])
def test_the_method_of_the_map_is_not_known_in_runs_of_other_versions(found, unsaved, tmp_path):
    unsaved.save(tmp_path / "saved")
    journal = tmp_path / "saved" / "journal.jsonl"
    journal.write_text(journal.read_text().replace(', "map": "umap"', found))
    loaded = MecResult.load(tmp_path / "saved")
    assert (loaded.map_method, loaded.map_title) == (None, None)
    assert loaded.notes == unsaved.notes


def test_a_saved_result_is_loaded_as_it_was(unsaved, tmp_path):
    unsaved.save(tmp_path / "saved")
    loaded = MecResult.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.rois.table, unsaved.rois.table)
    pd.testing.assert_frame_equal(loaded.clusters, unsaved.clusters)
    pd.testing.assert_frame_equal(loaded.iterations, unsaved.iterations, check_exact=True)
    pd.testing.assert_frame_equal(loaded.table, unsaved.table)
    np.testing.assert_array_equal(loaded.embeddings, unsaved.embeddings)
    assert loaded.embeddings.dtype == unsaved.embeddings.dtype
    np.testing.assert_array_equal(loaded.map_before, unsaved.map_before)
    np.testing.assert_array_equal(loaded.tree, unsaved.tree)
    assert loaded.rois.problems == unsaved.rois.problems
    for name in ("settings", "notes", "kept", "n_clusters", "coverage", "ami", "settings_hash"):
        assert getattr(loaded, name) == getattr(unsaved, name), name
    assert (loaded.map_method, loaded.map_title) == ("umap", "UMAP")
    assert loaded.settings.seed == 5
    assert loaded.settings.audio.roi_s == 1.0  # the learner's own
    weights = loaded.learner.state_dict()
    for name, value in unsaved.learner.state_dict().items():
        assert torch.equal(weights[name], value), name
    assert (unsaved.path, unsaved.manifest, unsaved.name) == (None, None, "unsaved")
    assert (loaded.path, loaded.name) == (tmp_path / "saved", "saved")
    assert loaded.manifest is not None
    assert (loaded.manifest.status, loaded.manifest.rois) == ("done", 5)


def test_a_saved_result_can_be_saved_again_exported_and_reported(unsaved, tmp_path):
    unsaved.save(tmp_path / "first")
    first = read_run(tmp_path / "first")
    first.save(tmp_path / "second")
    second = read_run(tmp_path / "second")
    assert second.manifest == first.manifest
    assert second.export("csv").path == tmp_path / "second" / "exports" / "clusters.csv"
    assert second.report().with_sound == 5
    assert (tmp_path / "second" / "report.html").is_file()
    assert second.write_figures()[0].parent == tmp_path / "second" / "figures"


def test_an_unsaved_result_needs_a_target(unsaved, tmp_path):
    for write in (lambda: unsaved.export("csv"), unsaved.write_figures, unsaved.report):
        with pytest.raises(InputError, match="not saved; give a target path, or save it first"):
            write()
    assert unsaved.export("csv", tmp_path / "t.csv").rois == 5
    assert unsaved.report(tmp_path / "page.html").rois == 5
    assert unsaved.write_figures(tmp_path / "f")


def test_a_result_is_saved_into_a_new_or_empty_folder_only(unsaved, tmp_path):
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(RunError, match="is not empty"):
        unsaved.save(tmp_path)
    unsaved.save(tmp_path / "new")
    with pytest.raises(RunError, match="holds a finished mec run"):
        unsaved.save(tmp_path / "new")


def test_a_result_is_saved_without_its_recordings(unsaved, small_run, tmp_path):
    before = fingerprint(unsaved.rois)
    (tmp_path / "sounds").rename(tmp_path / "moved")
    unsaved.save(tmp_path / "saved")
    saved = read_run(tmp_path / "saved").manifest
    assert saved is not None
    assert saved.fingerprint not in (None, before)
    assert saved.recorded_s == 0


def test_a_missing_checkpoint_is_an_error_only_when_the_learner_is_used(small_run):
    result = read_run(small_run())
    assert result.n_clusters == 2
    with pytest.raises(CheckpointError):
        _ = result.learner


def test_a_result_is_shown_as_one_line_and_as_a_table(unsaved, tmp_path):
    assert repr(unsaved) == (
        "MecResult(5 ROIs, 2 clusters, coverage 0.80, iteration 1 kept, unsaved)"
    )
    folder = tmp_path / "<script>alert(1)<" / "<img src=x onerror=alert(1)>"
    unsaved.save(folder)
    html = read_run(folder)._repr_html_()
    for text in ("5</td>", "2</td>", "80 %", "1 of 1", "0.700", "&lt;img src=x"):
        assert text in html
    assert "<img" not in html
    assert (
        "AMI"
        not in replace(unsaved, iterations=unsaved.iterations.drop(columns="ami_all"))._repr_html_()
    )
