"""Changes of a catalogue: what they keep, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from tests.catalogue.made import SETTINGS, cloud, result_of, review_file, rois_of

from darksound.catalogue import changes
from darksound.catalogue.assigning import assign_embeddings
from darksound.catalogue.content import core_order, new_type_id
from darksound.errors import InputError
from darksound.report.result import MecResult

MONTH = np.repeat([0, 1, 2], 12)


def assigned(content, types, month, seed=5):
    rois = rois_of(types, month)
    outcome = assign_embeddings(content, rois, cloud(types, seed=seed), SETTINGS)
    return MecResult.from_outcome(outcome)


def ids_by_label(content):
    """Return the letter of the label of most core ROIs of each type, by id."""
    return dict(zip(content.active["type_id"], content.active["name"], strict=True))


def test_each_cluster_of_a_run_is_a_type_with_its_core(tmp_path):
    result = result_of(np.append(MONTH, [-1, -1]))
    review = review_file(tmp_path / "r.csv", result, {0: "owl", 2: "wren"}, rejected=[0])
    content = changes.create(result, review)
    assert content.active["name"].tolist() == ["owl", "", "wren"]
    assert content.active["rois"].tolist() == [11, 12, 12]
    assert result.rois.table["roi_id"][0] not in set(content.core["roi_id"])
    assert content.active["threshold"].between(-1, 1).all()
    by_id = pd.Series(list(result.embeddings), index=result.rois.table["roi_id"])
    for roi_id, vector in zip(content.core["roi_id"], content.embeddings, strict=True):
        np.testing.assert_array_equal(by_id[roi_id], vector)


def test_only_named_groups_are_types_if_wanted(tmp_path):
    result = result_of(MONTH)
    review = review_file(tmp_path / "r.csv", result, {1: "owl"})
    content = changes.create(result, review, named_only=True)
    assert content.active["name"].tolist() == ["owl"]
    with pytest.raises(InputError, match="no cluster with a name"):
        changes.create(result, named_only=True)


def test_merged_clusters_of_a_review_are_one_type(tmp_path):
    result = result_of(MONTH)
    review = review_file(tmp_path / "r.csv", result, {0: "owl"}, groups={1: 0})
    content = changes.create(result, review)
    assert content.active["rois"].tolist() == [24, 12]


def test_ids_do_not_depend_on_the_order_of_rois():
    result = result_of(MONTH)
    order = np.random.default_rng(0).permutation(len(result))
    other = MecResult(
        rois=result.rois.take(order),
        clusters=result.clusters.iloc[order].reset_index(drop=True),
        iterations=result.iterations,
        embeddings=result.embeddings[order],
        settings=SETTINGS,
        manifest=result.manifest,
        _learner=result.learner,
    )
    one, two = changes.create(result), changes.create(other)
    pd.testing.assert_frame_equal(one.types, two.types)
    pd.testing.assert_frame_equal(one.core, two.core)
    np.testing.assert_array_equal(one.embeddings, two.embeddings)


def test_ids_of_equal_rois_differ():
    first = new_type_id(["a", "b"], [])
    assert new_type_id(["b", "a"], []) == first
    assert new_type_id(["a", "b"], [first]) != first
    assert new_type_id(["a"], []) != first


def test_the_core_has_as_many_recordings_as_possible_and_not_only_typical_calls():
    core = pd.DataFrame(
        {"recording": ["a", "a", "a", "b", "c"], "roi_id": ["2", "1", "3", "5", "4"]}
    )
    assert core_order(core).tolist() == [1, 4, 3, 0, 2]


def test_exemplars_are_the_most_probable_rois_of_different_recordings():
    result = result_of([0] * 16 + [1] * 4)
    probability = np.linspace(0.5, 1, len(result))
    result.clusters["probability"] = probability
    content = changes.create(result)
    first = content.core[content.core["type_id"] == content.active["type_id"][0]]
    shown = first[first["exemplar"].notna()]
    # Two ROIs of each recording, the second more probable: rows 15, 13, 11, ...
    wanted = result.rois.table["roi_id"][[15, 13, 11, 9, 7, 5]]
    assert set(shown["roi_id"]) == set(wanted)


def test_three_deployments_keep_all_ids_and_find_the_new_types(tmp_path):
    content = changes.create(
        first := result_of(MONTH),
        review_file(tmp_path / "1.csv", first, {0: "a", 1: "b", 2: "c"}),
    )
    before = ids_by_label(content)
    second = assigned(content, np.repeat([1, 2, 3, 4], 12), "april")
    types = second.call_types
    assert types["status"].value_counts().to_dict() == {"known": 2, "new": 2}
    labels = second.table.groupby("cluster")["label"].agg(lambda x: x.mode()[0]).to_dict()
    new = {c: labels[c] for c in types["cluster"][types["status"] == "new"]}
    assert sorted(new.values()) == ["d", "e"]
    content = changes.update(content, second, review_file(tmp_path / "2.csv", second, labels))
    assert ids_by_label(content).items() >= before.items()
    assert sorted(ids_by_label(content).values()) == list("abcde")
    run_ids = types.set_index("cluster")["type_id"]
    assert {run_ids[c]: name for c, name in new.items()}.items() <= ids_by_label(content).items()

    before = ids_by_label(content)
    third_types = np.repeat([4, 0, 5, 3], 12)
    third = assigned(content, third_types, "may", seed=9)
    assert third.call_types is not None
    third_ids = third.call_types.set_index("cluster")["type_id"]
    by_cluster = third.table["cluster"].map(third_ids)
    known = third.table["label"].isin(list("abcde")) & (third.table["cluster"] >= 0)
    named = by_cluster[known].map(before)
    assert (named == third.table["label"][known]).mean() > 0.9
    content = changes.update(content, third)
    assert ids_by_label(content).items() >= before.items()
    assert [event.action for event in content.history if event.run] == ["create"] + 2 * ["update"]


def test_assignment_does_not_depend_on_the_order_of_files():
    content = changes.create(result_of(MONTH))
    types = np.repeat([1, 2, 3, 4], 12)
    rois, vectors = rois_of(types, "april"), cloud(types, seed=5)
    order = np.random.default_rng(1).permutation(len(rois))
    one = assign_embeddings(content, rois, vectors, SETTINGS)
    two = assign_embeddings(content, rois.take(order), vectors[order], SETTINGS)
    ids = []
    for outcome in (one, two):
        assert outcome.call_types is not None
        of_cluster = outcome.call_types.set_index("cluster")["type_id"]
        types_found = outcome.clusters["cluster"].map(of_cluster)
        ids.append(dict(zip(outcome.clusters["roi_id"], types_found, strict=True)))
    assert ids[0] == ids[1]


def test_new_clusters_named_like_a_known_type_join_it(tmp_path):
    content = changes.create(
        first := result_of(MONTH), review_file(tmp_path / "1.csv", first, {0: "owl"})
    )
    second = assigned(content, np.repeat([1, 4], 12), "april")
    types = second.call_types.set_index("status")["cluster"]
    review = review_file(tmp_path / "2.csv", second, {int(types["new"]): "owl"})
    updated = changes.update(content, second, review)
    assert len(updated) == 3
    owl = updated.find("owl")
    assert owl == content.find("owl")
    assert updated.types.set_index("type_id").loc[owl, "rois"] == 24


def test_known_types_that_a_review_merges_are_merged(tmp_path):
    content = changes.create(result_of(MONTH))
    second = assigned(content, np.repeat([0, 1], 12), "april")
    a, b = second.call_types["cluster"]
    updated = changes.update(
        content, second, review_file(tmp_path / "r.csv", second, groups={b: a})
    )
    assert len(updated) == 2
    ids = second.call_types.set_index("cluster")["type_id"]
    assert updated.find(ids[b]) == updated.find(ids[a]) == ids[a]


def test_a_run_is_added_once_and_to_its_catalogue_only():
    content = changes.create(result_of(MONTH))
    second = assigned(content, np.repeat([0, 1], 12), "april")
    updated = changes.update(content, second)
    with pytest.raises(InputError, match="part of the catalogue already"):
        changes.update(updated, second)
    with pytest.raises(InputError, match="no run of darksound assign with this catalogue"):
        changes.update(changes.create(result_of(MONTH)), second)
    with pytest.raises(InputError, match="no run of darksound assign"):
        changes.update(content, result_of(MONTH, "april"))
    with pytest.raises(InputError, match="use darksound catalogue update"):
        changes.create(second)


def test_merge_keeps_the_first_id_and_the_others_lead_to_it(tmp_path):
    result = result_of(MONTH)
    content = changes.create(result, review_file(tmp_path / "r.csv", result, {1: "owl", 2: "wren"}))
    first, second, third = content.active["type_id"]
    merged = changes.merge(content, [first, "owl"])
    assert merged.active["type_id"].tolist() == [first, third]
    assert merged.find(second) == first
    assert merged.active["name"].tolist() == ["owl", "wren"]
    assert merged.active["rois"].tolist() == [24, 12]
    again = changes.merge(merged, [third, second])
    assert again.find(second) == again.find(first) == third
    with pytest.raises(InputError, match="at least two different"):
        changes.merge(merged, [first, second])
    with pytest.raises(InputError, match="no call type 'crow'"):
        changes.merge(merged, [first, "crow"])


def test_split_gives_the_largest_part_the_id_and_the_others_new_ones():
    # Two clouds in one cluster, of 16 and 8 ROIs.
    inner = np.array([0] * 16 + [1] * 8 + [2] * 12)
    result = result_of(np.where(inner == 1, 0, inner))
    object.__setattr__(result, "embeddings", cloud(inner))
    content = changes.create(result)
    old = set(content.active["type_id"])
    big = content.active["type_id"][0]
    split = changes.split(content, big)
    (new,) = set(split.active["type_id"]) - old
    counts = split.core["type_id"].value_counts()
    assert (counts[big], counts[new]) == (16, 8)
    assert set(split.active["type_id"]) == old | {new}
    one = content.core["roi_id"][content.core["type_id"] == big].iloc[:3].tolist()
    by_rois = changes.split(content, big, roi_ids=one)
    (new,) = set(by_rois.active["type_id"]) - old
    assert set(by_rois.core["roi_id"][by_rois.core["type_id"] == new]) == set(one)
    with pytest.raises(InputError, match="no core ROI"):
        changes.split(content, big, roi_ids=["xyz"])
    with pytest.raises(InputError, match="cannot be 99 parts"):
        changes.split(content, big, 99)


def test_names_are_unique_and_change_no_id(tmp_path):
    result = result_of(MONTH)
    content = changes.create(result, review_file(tmp_path / "r.csv", result, {0: "owl"}))
    ids = content.active["type_id"].tolist()
    renamed = changes.rename(content, ids[1], new_name="  wren ", notes="two notes, rising")
    assert renamed.active["type_id"].tolist() == ids
    assert renamed.find("wren") == ids[1]
    assert renamed.active["notes"].tolist() == ["", "two notes, rising", ""]
    with pytest.raises(InputError, match="has the name 'owl' already"):
        changes.rename(renamed, "wren", new_name="owl")
    assert changes.rename(renamed, "wren", new_name="").active["name"].tolist() == ["owl", "", ""]
