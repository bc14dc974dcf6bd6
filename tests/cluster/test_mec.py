"""The loop: resumed at any iteration, the choice of the iteration to keep, and its notes."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load, save

from darksound.cluster import loop
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.iteration import CRITERIA, Iteration, describe, is_better, iteration_table
from darksound.cluster.loop import MecLoop
from darksound.cluster.mec import mec, mec_on_images
from darksound.cluster.result import CLUSTER_SCHEMA
from darksound.cluster.state import MecState, copy_weights
from darksound.cluster.validity import cluster_validity
from darksound.errors import CheckpointError, InputError, RunError, SettingsError
from darksound.rois.roi_set import RoiSet

NAN = float("nan")


STAGES = ["fine_tune_s", "embed_s", "reduce_s", "cluster_s", "validity_s"]


def on_disk(state: MecState) -> MecState:
    """The state after conversion to JSON, bytes and safetensors, and back."""
    meta, arrays, tensors = state.to_parts()
    copies = {
        name: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for name, a in arrays.items()
    }
    return MecState.from_parts(json.loads(json.dumps(meta)), copies, load(save(tensors)))


def without_times(iteration: Iteration) -> dict[str, float]:
    """Its row without the values that differ between runs."""
    row = iteration.as_row()
    return {k: v for k, v in row.items() if k != "seconds" and k not in STAGES}


def assert_same(first: MecState, second: MecState) -> None:
    assert first.kept == second.kept
    for one, other in zip(first.iterations, second.iterations, strict=True):
        assert without_times(one) == pytest.approx(without_times(other), nan_ok=True, abs=0)
    for a, b in ((first.last, second.last), (first.best, second.best)):
        assert (a.embeddings == b.embeddings).all()
        assert (a.clustering.labels == b.clustering.labels).all()
        assert all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)


@pytest.fixture(scope="module")
def images(make_images):
    return make_images([12, 14, 16, 18], noise=0.25, stray=6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mec": {"restart": False}},
        {"reduction": {"n_components": (2, 4, 6)}, "clustering": {"method": "dbscan"}},
    ],
    ids=["restart", "weights carried over", "several dimensions"],
)
def test_a_loop_resumed_after_any_iteration_equals_an_uninterrupted_one(
    changes, images, tiny_learner, tiny_settings
):
    settings = tiny_settings.replace(**changes)
    states: list[MecState] = []
    before = copy_weights(tiny_learner)
    final = MecLoop(images, tiny_learner, settings).run(
        on_iteration=lambda _, state: states.append(state)
    )
    assert len(final.iterations) == len(states) == 4
    assert all(torch.equal(before[k], v) for k, v in tiny_learner.state_dict().items())
    assert any((final.last.weights[k] != before[k]).any() for k in before)
    for state in states:
        resumed = MecLoop(images, tiny_learner, settings).run(resume=on_disk(state))
        assert_same(resumed, final)


def test_restart_fine_tunes_the_initial_weights(images, tiny_learner, tiny_settings, monkeypatch):
    starts = []

    def record(images, labels, network, *_, **__):
        starts.append(copy_weights(network))
        _change(network)

    monkeypatch.setattr(loop, "fine_tune", record)
    for restart in (True, False):
        mec_settings = {"restart": restart, "iterations": 2}
        MecLoop(images, tiny_learner, tiny_settings.replace(mec=mec_settings)).run()
    name = next(iter(starts[0]))
    first = tiny_learner.state_dict()[name]
    assert [torch.equal(weights[name], first) for weights in starts] == [
        True,
        True,
        True,
        False,
    ]


def _change(network):
    """Change the embeddings so much that the clusters change too."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=rng))


def test_agreement_with_the_previous_iteration_ends_the_loop(
    images, tiny_learner, tiny_settings, monkeypatch
):
    monkeypatch.setattr(loop, "fine_tune", lambda *_, **__: None)
    state = MecLoop(images, tiny_learner, tiny_settings).run()
    assert len(state.iterations) == 2
    assert state.iterations[1].ami_previous == 1.0
    assert state.kept == 0  # a tie goes to the earlier one
    assert "converged" in state.notes[-1]
    resumed = MecLoop(images, tiny_learner, tiny_settings).run(resume=on_disk(state))
    assert_same(resumed, state)


def test_weights_that_are_not_finite_end_the_loop_with_the_best_so_far(
    images, tiny_learner, tiny_settings, monkeypatch
):
    def break_weights(images, labels, network, *_, **__):
        next(network.parameters()).data.fill_(NAN)

    monkeypatch.setattr(loop, "fine_tune", break_weights)
    result = mec_on_images(images, tiny_learner, tiny_settings)
    assert len(result.iterations) == 1
    assert "Lower mec.learning_rate" in result.notes[-1]
    assert np.isfinite(result.embeddings).all()


def test_initial_weights_that_are_not_finite_are_an_error(images, tiny_learner, tiny_settings):
    from copy import deepcopy

    broken = deepcopy(tiny_learner)
    next(broken.parameters()).data.fill_(NAN)
    with pytest.raises(CheckpointError, match="not finite"):
        MecLoop(images, broken, tiny_settings).run()


def test_a_state_of_another_run_is_an_error(images, make_images, tiny_learner, tiny_settings):
    state = MecLoop(images, tiny_learner, tiny_settings.replace(mec={"iterations": 0})).run()
    with pytest.raises(RunError, match="66 ROIs, and the data now have 20"):
        MecLoop(make_images([10, 10]), tiny_learner, tiny_settings).run(resume=state)
    meta, arrays, tensors = state.to_parts()
    with pytest.raises(RunError, match="format 99"):
        MecState.from_parts({**meta, "format": 99}, arrays, tensors)
    del arrays["last.labels"]
    with pytest.raises(RunError, match="incomplete"):
        MecState.from_parts(meta, arrays, tensors)
    with pytest.raises(RunError, match="incomplete"):
        MecState.from_parts(meta, arrays, {})


def test_the_outcome_has_a_row_for_every_roi(images, tiny_learner, tiny_settings):
    stages = set()
    outcome = mec_on_images(
        images,
        tiny_learner,
        tiny_settings,
        progress=lambda stage, done, total, values=None: stages.add(stage),
    )
    table = outcome.clusters
    assert list(table.columns) == CLUSTER_SCHEMA.names
    assert table["roi_id"].tolist() == outcome.rois.table["roi_id"].tolist()
    noise = table["cluster"] == -1
    assert noise.any()
    assert table.loc[~noise, "assigned_cluster"].isna().all()
    assert table.loc[noise, "assigned_cluster"].notna().all()
    threshold = tiny_settings.mec.min_assigned_probability
    is_probable = table.loc[noise, "assigned_probability"] >= threshold
    assert ((table.loc[noise, "assigned_cluster"] >= 0) == is_probable).all()
    assert np.isfinite(table[["x", "y"]]).all(axis=None)
    assert stages >= {"iteration", "embedding", "reducing", "clustering", "fine-tuning", "map"}

    iterations = outcome.iterations
    assert list(iterations.columns) == [
        "iteration",
        "n_clusters",
        "n_types",
        "n_types_low",
        "n_types_high",
        "n_stable",
        "n_superclusters",
        "coverage",
        "dbcv",
        "weighted_entropy",
        "ami_previous",
        "persistence",
        "acc",
        "nmi",
        "ami",
        "ari",
        "acc_all",
        "nmi_all",
        "ami_all",
        "ari_all",
        *STAGES,
        "seconds",
        "kept",
    ]
    assert iterations["kept"].sum() == 1
    assert iterations.loc[iterations["kept"], "iteration"].item() == outcome.kept


def test_the_seconds_of_stages_lie_within_those_of_their_iteration(
    images, tiny_learner, tiny_settings
):
    iterations = mec_on_images(images, tiny_learner, tiny_settings).iterations
    assert (iterations[STAGES].sum(axis=1) <= iterations["seconds"]).all()
    assert iterations["fine_tune_s"].iloc[0] == 0
    assert (iterations["fine_tune_s"].iloc[1:] > 0).all()
    assert (iterations[STAGES[1:]] > 0).all(axis=None)


def test_validity_of_many_rois_is_computed_from_a_stratified_sample(tiny_settings, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), [900, 600, 400, 200])
    x = (rng.normal(size=(4, 8))[labels] + 0.2 * rng.normal(size=(2100, 8))).astype(np.float32)
    labels[:40] = -1
    clustering = Clustering(labels, np.ones(2100), np.zeros(2100), np.ones(4))
    samples: list[np.ndarray] = []

    def record(embeddings, clusters):
        samples.append(clusters)
        return cluster_validity(embeddings, clusters)

    monkeypatch.setattr("darksound.cluster.iteration.cluster_validity", record)
    of_all, of_sample = (
        describe(x, clustering, tiny_settings.replace(mec={"max_validity_samples": m}))
        for m in (2100, 1050)
    )
    assert np.bincount(samples[0] + 1).tolist() == [40, 860, 600, 400, 200]
    assert np.bincount(samples[1] + 1).tolist() == [20, 430, 300, 200, 100]
    assert of_sample.dbcv == pytest.approx(of_all.dbcv, abs=0.1)
    assert of_sample.coverage == of_all.coverage


def test_a_state_from_before_stages_were_timed_is_read(images, tiny_learner, tiny_settings):
    settings = tiny_settings.replace(mec={"iterations": 0})
    (before,) = MecLoop(images, tiny_learner, settings).run().iterations
    values = before.as_json()
    assert Iteration.from_json(json.loads(json.dumps(values))).stages == before.stages
    del values["stages"]
    after = Iteration.from_json(values)
    assert without_times(after) == pytest.approx(without_times(before), nan_ok=True, abs=0)
    assert np.isnan(after.as_row()["embed_s"])


def test_the_same_seed_gives_the_same_table_and_an_unchanged_learner(
    images, tiny_learner, tiny_settings
):
    one, two = (mec_on_images(images, tiny_learner, tiny_settings) for _ in range(2))
    pd.testing.assert_frame_equal(one.clusters, two.clusters)
    assert one.learner is not tiny_learner
    kept = MecLoop(images, tiny_learner, tiny_settings).run().best.weights
    assert all(torch.equal(kept[k], v) for k, v in one.learner.state_dict().items())


def test_without_labels_no_label_metrics(make_images, tiny_learner, tiny_settings):
    result = mec_on_images(
        make_images([10, 10, 10], labelled=False),
        tiny_learner,
        tiny_settings.replace(mec={"iterations": 0}),
    )
    assert list(result.iterations.columns) == [
        "iteration",
        "n_clusters",
        "n_types",
        "n_types_low",
        "n_types_high",
        "n_stable",
        "n_superclusters",
        "coverage",
        "dbcv",
        "weighted_entropy",
        "ami_previous",
        "persistence",
        *STAGES,
        "seconds",
        "kept",
    ]


@pytest.mark.parametrize(
    ("sizes", "noise", "clustering", "sentence"),
    [
        ([1], 0.1, {}, "1 ROIs are too few"),
        ([3], 0.1, {}, "3 ROIs are too few"),
        ([20], 0.0, {}, "have the same embedding"),
        ([4, 4], 0.3, {"min_cluster_size": 8}, "No cluster was found"),
        ([20], 0.3, {"allow_single_cluster": True, "min_cluster_size": 11}, "Only one cluster"),
    ],
)
def test_without_structure_it_ends_with_a_note(
    sizes, noise, clustering, sentence, make_images, tiny_learner, tiny_settings
):
    settings = tiny_settings.replace(clustering=clustering)
    result = mec_on_images(make_images(sizes, noise), tiny_learner, settings)
    assert len(result.iterations) == 1
    assert len(result.clusters) == sum(sizes)
    assert any(sentence in note for note in result.notes)
    assert any("fine-tuning needs two" in note for note in result.notes)
    assert result.clusters["assigned_cluster"].isna().all()


def test_fewer_clusters_than_n_way_are_enough(make_images, tiny_learner, tiny_settings):
    settings = tiny_settings.replace(episodes={"n_way": 20})
    result = mec_on_images(make_images([12, 12]), tiny_learner, settings)
    assert result.iterations["n_clusters"].tolist()[0] == 2
    assert len(result.iterations) > 1


def test_no_rois_are_an_error(make_images, tiny_learner, tiny_settings):
    rois = make_images([2]).rois
    with pytest.raises(InputError, match="no ROIs to cluster"):
        mec(RoiSet(rois.table.iloc[:0], rois.reader), tiny_learner, tiny_settings)


def test_a_learner_of_another_front_end_is_an_error(make_images, tiny_learner, tiny_settings):
    settings = tiny_settings.replace(front_end={"n_bands": 32})
    with pytest.raises(SettingsError, match="n_bands"):
        mec(make_images([2]).rois, tiny_learner, settings)


def iteration(number: int, **values) -> Iteration:
    metrics = {
        "n_clusters": 5,
        "coverage": 0.5,
        "dbcv": 0.1,
        "weighted_entropy": 1.0,
        "persistence": 0.2,
    } | values
    return Iteration(number, ami_previous=NAN, scores=None, seconds=0.0, **metrics)


@pytest.mark.parametrize(
    ("criterion", "history", "kept"),
    [
        ("dbcv", [{"dbcv": 0.1}, {"dbcv": 0.3}, {"dbcv": 0.2}], 1),
        ("dbcv", [{"dbcv": 0.3}, {"dbcv": 0.3}], 0),
        ("dbcv", [{"dbcv": NAN, "n_clusters": 1}, {"dbcv": -0.5}, {"dbcv": NAN}], 1),
        ("weighted_entropy", [{"dbcv": 0.1}, {"dbcv": 0.9, "weighted_entropy": 0.8}], 0),
        ("coverage", [{"coverage": 0.6}, {"coverage": 1.0, "n_clusters": 1}], 0),
        ("coverage", [{"coverage": 0.6}, {"coverage": 0.7}], 1),
        ("dbcv", [{"n_clusters": 12, "dbcv": -0.2}, {"n_clusters": 5, "dbcv": 0.4}], 0),
        ("dbcv", [{"n_clusters": 12, "dbcv": -0.2}, {"n_clusters": 6, "dbcv": 0.1}], 1),
        ("coverage", [{"n_clusters": 12}, {"n_clusters": 2, "coverage": 1.0}, {}], 0),
        ("dbcv", [{"n_clusters": 13, "dbcv": -0.2}, {"n_clusters": 28, "dbcv": 0.4}], 0),
        ("dbcv", [{"n_clusters": 13, "dbcv": -0.2}, {"n_clusters": 26, "dbcv": 0.4}], 1),
        ("dbcv", [{"n_clusters": 2, "dbcv": -0.2}, {"n_clusters": 10, "dbcv": 0.4}], 1),
        ("persistence", [{"persistence": NAN, "n_clusters": 0}, {}, {"persistence": 0.1}], 1),
        ("last", [{}, {}, {}], 2),
        ("last", [{}, {"n_clusters": 0}], 1),
    ],
)
def test_the_iteration_to_keep(criterion, history, kept):
    first, *rest = (iteration(i, **values) for i, values in enumerate(history))
    best = first
    for candidate in rest:
        best = candidate if is_better(candidate, best, first, criterion) else best
    assert best.iteration == kept


@pytest.mark.parametrize(
    ("criterion", "values", "kept"),
    [
        ("weighted_entropy", [2.0, 2.09, 2.11, 2.105], 2),
        ("weighted_entropy", [2.0, 2.09, 2.0, 2.05], 0),
        ("weighted_entropy", [2.0, 2.2, 2.21], 2),  # of later ones, any increase counts
        ("dbcv", [-0.2, -0.195, -0.18], 2),
        ("last", [0.0, 0.0], 1),
    ],
)
def test_a_small_gain_does_not_replace_the_first_iteration(criterion, values, kept):
    name = "dbcv" if criterion == "last" else criterion
    first, *rest = (iteration(i, **{name: value}) for i, value in enumerate(values))
    best = first
    for candidate in rest:
        best = candidate if is_better(candidate, best, first, criterion, 0.05) else best
    assert best.iteration == kept


def test_every_criterion_of_the_settings_is_registered(tiny_settings):
    allowed = type(tiny_settings.mec).model_fields["selection_criterion"].annotation.__args__
    assert set(allowed) <= set(CRITERIA)


def test_metrics_are_converted_to_json_and_back_and_to_a_table():
    first = iteration(0)
    assert Iteration.from_json(json.loads(json.dumps(first.as_json()))).as_row() == pytest.approx(
        first.as_row(), nan_ok=True
    )
    table = iteration_table([first, iteration(1)], kept=1)
    assert table["kept"].tolist() == [False, True]


def test_the_map_of_iteration_0_is_returned_if_another_iteration_is_kept(
    images, tiny_learner, tiny_settings
):
    settings = tiny_settings.replace(mec={"selection_criterion": "last"})
    outcome = mec_on_images(images, tiny_learner, settings)
    assert outcome.kept > 0
    assert outcome.map_before is not None
    assert outcome.map_before.shape == (len(images), 2)
    first = mec_on_images(images, tiny_learner, settings.replace(mec={"iterations": 0}))
    assert first.map_before is None
    initial_map = first.clusters[["x", "y"]].to_numpy()
    np.testing.assert_array_equal(outcome.map_before, initial_map)
