"""Two catalogues merged into one: ids, joined types, names, sound, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from tests.catalogue.made import SETTINGS, cloud, result_of, review_file, rois_of

from darksound.catalogue import changes
from darksound.catalogue.assigning import assign_embeddings
from darksound.catalogue.catalogue import Catalogue
from darksound.catalogue.folder import read_content, write_content
from darksound.catalogue.joining import merge_catalogue, same_named
from darksound.errors import InputError, RunError
from darksound.jobs.catalogue import merge_catalogue_job
from darksound.meta.learners.build import build_learner
from darksound.report.result import MecResult

MARCH, JUNE = np.repeat([0, 1, 2], 12), np.repeat([3, 4], 12)


def content_of(types, month, names=None, tmp_path=None):
    # Of other months, calls of other noise.
    result = result_of(types, month, seed=len(month))
    review = review_file(tmp_path / f"{month}.csv", result, names) if names else None
    return changes.create(result, review)


def updated(content, types, month, seed=5):
    outcome = assign_embeddings(content, rois_of(types, month), cloud(types, seed=seed), SETTINGS)
    return changes.update(content, MecResult.from_outcome(outcome))


def silent(content):
    return content.replaced(core=content.core.assign(exemplar=None))


def assert_same_content(one, two):
    """Compare types and cores in the order of ids, without versions and history."""
    a, b = (each.types.sort_values("type_id").reset_index(drop=True) for each in (one, two))
    pd.testing.assert_frame_equal(a.drop(columns="since_version"), b.drop(columns="since_version"))
    orders = [each.core.sort_values(["type_id", "roi_id"]).index.to_numpy() for each in (one, two)]
    a, b = (
        each.core.iloc[order].reset_index(drop=True)
        for each, order in zip((one, two), orders, strict=True)
    )
    pd.testing.assert_frame_equal(a, b)
    np.testing.assert_array_equal(one.embeddings[orders[0]], two.embeddings[orders[1]])


def test_ids_of_both_stay_and_neither_catalogue_is_changed():
    one, two = content_of(MARCH, "march"), content_of(JUNE, "june")
    ids = [*one.active["type_id"], *two.active["type_id"]]
    before = two.types.copy(), two.core.copy()
    joined = merge_catalogue(one, two)
    assert joined.active["type_id"].tolist() == ids
    assert joined.active["rois"].tolist() == [12] * 5
    assert len(joined.core) == len(joined.embeddings) == 60
    assert joined.active["threshold"].between(-1, 1).all()
    assert joined.catalogue_id == one.catalogue_id
    assert joined.history[-1].action == "merge catalogue"
    pd.testing.assert_frame_equal(two.types, before[0])
    pd.testing.assert_frame_equal(two.core, before[1])


def test_the_order_of_merging_changes_no_content():
    base = content_of(MARCH, "march")
    one, two = updated(base, np.repeat([0, 3], 12), "april"), updated(base, JUNE, "june")
    assert_same_content(merge_catalogue(one, two), merge_catalogue(two, one))
    assert_same_content(merge_catalogue(one, one), one)


def test_a_type_of_both_has_the_core_rois_of_both_once(tmp_path):
    base = content_of(MARCH, "march", {0: "owl"}, tmp_path)
    first = base.find("owl")
    one = updated(base, np.zeros(12, int), "april")
    two = changes.rename(updated(base, np.zeros(10, int), "june", 6), "owl", new_name="wren")
    joined = merge_catalogue(one, two)
    wanted = {
        roi_id
        for each in (one, two)
        for roi_id in each.core["roi_id"][each.core["type_id"] == first]
    }
    core = joined.core[joined.core["type_id"] == first]
    assert sorted(core["roi_id"]) == sorted(wanted)
    assert set(core["run"].str.split().str[0]) >= set(one.core["run"].str.split().str[0])
    row = joined.types.set_index("type_id").loc[first]
    assert (row["name"], row["notes"]) == ("owl", "Also named 'wren'.")
    assert row["rois"] >= len(wanted)
    again = merge_catalogue(joined, two)
    assert again.types.set_index("type_id").loc[first, "notes"] == "Also named 'wren'."


def test_types_of_one_name_are_listed_and_merged_if_wanted(tmp_path):
    one = content_of(MARCH, "march", {0: "owl"}, tmp_path)
    two = content_of(JUNE, "june", {0: "crow", 3: "owl"}, tmp_path)
    ids = [one.find("owl"), two.find("owl")]
    joined = merge_catalogue(one, two)
    assert same_named(one, joined) == {"owl": ids}
    with pytest.raises(InputError, match=f"{ids[0]} and {ids[1]} have the name 'owl'"):
        joined.find("owl")
    merged = merge_catalogue(one, two, same_names=True)
    assert merged.find("owl") == merged.find(ids[1]) == ids[0]
    assert len(merged) == 4


def test_merges_and_splits_of_the_other_catalogue_are_kept():
    base = content_of(MARCH, "march")
    first, second, third = base.active["type_id"]
    joined = merge_catalogue(base, changes.merge(base, [first, second]))
    assert joined.find(second) == first
    assert joined.active["rois"].tolist() == [24, 12]
    # Each merged one of two types into the other: that of the first catalogue counts.
    crossed = merge_catalogue(
        changes.merge(base, [first, second]), changes.merge(base, [second, first])
    )
    assert crossed.active["type_id"].tolist() == [first, third]
    rois = base.core["roi_id"][base.core["type_id"] == first].iloc[:3].tolist()
    divided = changes.split(base, first, roi_ids=rois)
    for joined in (merge_catalogue(base, divided), merge_catalogue(divided, base)):
        assert not joined.core["roi_id"].duplicated().any()
        assert set(joined.core["type_id"][joined.core["roi_id"].isin(rois)]).isdisjoint([first])


def test_other_models_and_settings_are_refused_by_name(tmp_path):
    one, two = content_of(MARCH, "march"), content_of(JUNE, "june")
    for change, key in (
        ({"front_end": {"low_hz": 500.0}}, "front_end.low_hz is 500.0 in .*b and 150.0 in .*a;"),
        ({"backbone": {"name": "birdnet"}}, "backbone.name is 'birdnet' in .*b and 'pair' in"),
    ):
        changed = two.replaced(settings=two.settings.replace(**change), folders=(tmp_path / "b",))
        with pytest.raises(InputError, match=key):
            merge_catalogue(one.replaced(folders=(tmp_path / "a",)), changed)
    learner = build_learner(SETTINGS)
    with torch.no_grad():
        next(learner.parameters()).add_(1)
    with pytest.raises(InputError, match="weights of the learner"):
        merge_catalogue(one, two.replaced(learner=learner))


def known_types(content, types, spread):
    """Return the id of the known type of each ROI, empty for others."""
    vectors = cloud(types, spread, seed=9)
    outcome = assign_embeddings(content, rois_of(types, "july"), vectors, SETTINGS)
    assert outcome.call_types is not None
    known = outcome.call_types[outcome.call_types["status"] == "known"]
    ids = known.set_index("cluster")["type_id"]
    return outcome.clusters["cluster"].map(ids).fillna("").to_numpy(dtype=str)


def test_rois_are_of_the_same_known_types_before_and_after():
    one, two = content_of(MARCH, "march"), content_of(JUNE, "june")
    types = np.repeat([0, 1, 2], 6)
    joined = merge_catalogue(one, two)
    right = one.active["type_id"].to_numpy()[types].tolist()
    assert known_types(one, types, 0.3).tolist() == right
    assert known_types(joined, types, 0.3).tolist() == right
    # Thresholds are fitted again, so that ROIs close to them may become unknown, but no other type.
    before, after = (known_types(each, types, 0.5) for each in (one, joined))
    both = (before != "") & (after != "")
    assert (before[both] == after[both]).all()
    assert both.sum() >= 12


def test_a_run_of_the_other_catalogue_is_not_added_again():
    base = content_of(MARCH, "march")
    outcome = assign_embeddings(base, rois_of(MARCH, "april"), cloud(MARCH, seed=5), SETTINGS)
    run = MecResult.from_outcome(outcome)
    joined = merge_catalogue(base, changes.update(base, run))
    with pytest.raises(InputError, match="part of the catalogue already"):
        changes.update(joined, run)


def test_folders_are_merged_with_their_sound_and_the_other_stays(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    write_content(silent(content_of(MARCH, "march")), one)
    other = write_content(silent(content_of(JUNE, "june")), two)
    sound = two / "exemplars" / "ct-1" / "r.flac"
    sound.parent.mkdir(parents=True)
    sound.write_bytes(b"sound")
    core = other.core.copy()
    core.loc[0, "exemplar"] = "exemplars/ct-1/r.flac"
    write_content(other.replaced(core=core), two)
    files = {path: path.read_bytes() for path in two.rglob("*") if path.is_file()}
    result = merge_catalogue_job(one, two, same_names=False)
    assert not result.problems
    assert "Version 2" in result.message
    assert "2 call types of" in result.message
    assert (one / "exemplars" / "ct-1" / "r.flac").read_bytes() == b"sound"
    joined = read_content(one)
    assert (len(joined), joined.history[-1].runs) == (5, tuple(sorted(other.runs)))
    assert {path: path.read_bytes() for path in two.rglob("*") if path.is_file()} == files
    with pytest.raises(InputError, match="same catalogue"):
        merge_catalogue_job(one, one, same_names=False)
    assert len(Catalogue.load(two).merge_with(one)) == 5


def test_paths_of_sound_outside_of_the_folder_are_an_error(tmp_path):
    content = silent(content_of(MARCH, "march"))
    write_content(content, tmp_path / "one")
    path = tmp_path / "one" / "versions" / "0001" / "core.parquet"
    pd.read_parquet(path).assign(exemplar="../../x.flac").to_parquet(path)
    with pytest.raises(RunError, match="not in the folder"):
        read_content(tmp_path / "one")
