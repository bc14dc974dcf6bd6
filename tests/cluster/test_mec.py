"""The loop: resumable at any point, honest about what it keeps, and ended by a sentence."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load, save

from darksound.cluster import loop
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.iteration import CRITERIA, Iteration, better, describe, iteration_table
from darksound.cluster.loop import run_loop
from darksound.cluster.mec import mec, mec_on_images
from darksound.cluster.notes import Stopwatch
from darksound.cluster.result import CLUSTER_SCHEMA
from darksound.cluster.state import MecState, weights_of
from darksound.cluster.validity import judge
from darksound.errors import CheckpointError, InputError, RunError, SettingsError
from darksound.rois.roi_set import RoiSet, read_roi_table

NAN = float("nan")


TIMED = ["fine_tune_s", "embed_s", "reduce_s", "cluster_s", "validity_s"]


def on_disk(state: MecState) -> MecState:
    """The state after a trip through JSON, npz-like bytes and safetensors."""
    meta, arrays, tensors = state.to_parts()
    copies = {
        name: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for name, a in arrays.items()
    }
    return MecState.from_parts(json.loads(json.dumps(meta)), copies, load(save(tensors)))


def untimed(iteration: Iteration) -> dict[str, float]:
    """Its row without what differs from one run to the next."""
    row = iteration.as_row()
    return {k: v for k, v in row.items() if k != "seconds" and k not in TIMED}


def assert_same(one: MecState, other: MecState) -> None:
    assert one.kept == other.kept
    for a, b in zip(one.iterations, other.iterations, strict=True):
        assert untimed(a) == pytest.approx(untimed(b), nan_ok=True, abs=0)
    for a, b in ((one.last, other.last), (one.best, other.best)):
        assert (a.embeddings == b.embeddings).all()
        assert (a.clustering.labels == b.clustering.labels).all()
        assert all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)


@pytest.fixture(scope="module")
def images(make_images):
    return make_images([12, 14, 16, 18], noise=0.25, stray=6)


@pytest.mark.parametrize("restart", [True, False])
def test_resumed_after_any_iteration_equals_not_stopped(
    restart, images, tiny_learner, tiny_settings
):
    settings = tiny_settings.replace(mec={"restart": restart})
    states: list[MecState] = []
    before = weights_of(tiny_learner)
    whole = run_loop(
        images, tiny_learner, settings, on_iteration=lambda _, state: states.append(state)
    )
    assert len(whole.iterations) == len(states) == 4
    assert all(torch.equal(before[k], v) for k, v in tiny_learner.state_dict().items())
    assert any((whole.last.weights[k] != before[k]).any() for k in before)
    for state in states:
        resumed = run_loop(images, tiny_learner, settings, resume=on_disk(state))
        assert_same(resumed, whole)


def test_restarting_learns_from_the_first_weights(images, tiny_learner, tiny_settings, monkeypatch):
    starts = []
    monkeypatch.setattr(
        loop,
        "fine_tune",
        lambda network, *_, **__: starts.append(weights_of(network)) or _nudge(network),
    )
    for restart in (True, False):
        mec_settings = {"restart": restart, "iterations": 2}
        run_loop(images, tiny_learner, tiny_settings.replace(mec=mec_settings))
    name = next(iter(starts[0]))
    first = tiny_learner.state_dict()[name]
    assert [torch.equal(weights[name], first) for weights in starts] == [
        True,
        True,
        True,
        False,
    ]


def _nudge(network):
    """Change the embedding so much that the clusters change too."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=rng))


def test_agreement_ends_the_loop(images, tiny_learner, tiny_settings, monkeypatch):
    monkeypatch.setattr(loop, "fine_tune", lambda *_, **__: None)
    state = run_loop(images, tiny_learner, tiny_settings)
    assert len(state.iterations) == 2
    assert state.iterations[1].ami_previous == 1.0
    assert state.kept == 0  # a tie goes to the earlier one
    assert "converged" in state.notes[-1]
    assert_same(run_loop(images, tiny_learner, tiny_settings, resume=on_disk(state)), state)


def test_weights_that_break_end_the_loop_with_the_best_so_far(
    images, tiny_learner, tiny_settings, monkeypatch
):
    def breaking(network, *_, **__):
        next(network.parameters()).data.fill_(NAN)

    monkeypatch.setattr(loop, "fine_tune", breaking)
    result = mec_on_images(images, tiny_learner, tiny_settings)
    assert len(result.iterations) == 1
    assert "Lower mec.learning_rate" in result.notes[-1]
    assert np.isfinite(result.embeddings).all()


def test_broken_weights_from_the_start_are_refused(images, tiny_learner, tiny_settings):
    from copy import deepcopy

    broken = deepcopy(tiny_learner)
    next(broken.parameters()).data.fill_(NAN)
    with pytest.raises(CheckpointError, match="not finite"):
        run_loop(images, broken, tiny_settings)


def test_another_runs_state_is_refused(images, make_images, tiny_learner, tiny_settings):
    state = run_loop(images, tiny_learner, tiny_settings.replace(mec={"iterations": 0}))
    with pytest.raises(RunError, match="66 ROIs, and the data now hold 20"):
        run_loop(make_images([10, 10]), tiny_learner, tiny_settings, resume=state)
    meta, arrays, tensors = state.to_parts()
    with pytest.raises(RunError, match="format 99"):
        MecState.from_parts({**meta, "format": 99}, arrays, tensors)
    del arrays["last.labels"]
    with pytest.raises(RunError, match="incomplete"):
        MecState.from_parts(meta, arrays, tensors)
    with pytest.raises(RunError, match="incomplete"):
        MecState.from_parts(meta, arrays, {})


def test_result_has_a_row_for_every_roi(images, tiny_learner, tiny_settings, tmp_path):
    stages = set()
    result = mec_on_images(
        images,
        tiny_learner,
        tiny_settings,
        progress=lambda stage, done, total, values=None: stages.add(stage),
    )
    table = result.clusters
    assert list(table.columns) == CLUSTER_SCHEMA.names
    assert table["roi_id"].tolist() == result.rois.table["roi_id"].tolist()
    noise = table["cluster"] == -1
    assert noise.any()
    assert table.loc[~noise, "assigned_cluster"].isna().all()
    assert table.loc[noise, "assigned_cluster"].notna().all()
    sure = table.loc[noise, "assigned_probability"] >= tiny_settings.mec.min_assigned_probability
    assert ((table.loc[noise, "assigned_cluster"] >= 0) == sure).all()
    assert np.isfinite(table[["x", "y"]]).all(axis=None)
    assert stages >= {"iteration", "embedding", "reducing", "clustering", "fine-tuning", "map"}

    result.save(tmp_path / "new" / "folder")
    saved = tmp_path / "new" / "folder"
    assert pq.read_schema(saved / "clusters.parquet").equals(CLUSTER_SCHEMA)
    back = pd.read_parquet(saved / "clusters.parquet")
    assert back["cluster"].tolist() == table["cluster"].tolist()
    assert read_roi_table(saved / "rois.parquet").equals(result.rois.table)
    assert (np.load(saved / "embeddings.npy") == result.embeddings).all()
    iterations = pd.read_csv(saved / "iterations.csv")
    assert list(iterations.columns) == [
        "iteration",
        "n_clusters",
        "coverage",
        "dbcv",
        "information",
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
        *TIMED,
        "seconds",
        "kept",
    ]
    assert iterations["kept"].sum() == 1
    assert iterations.loc[iterations["kept"], "iteration"].item() == result.kept


def test_the_seconds_of_stages_lie_within_those_of_their_iteration(
    images, tiny_learner, tiny_settings
):
    iterations = mec_on_images(images, tiny_learner, tiny_settings).iterations
    assert (iterations[TIMED].sum(axis=1) <= iterations["seconds"]).all()
    assert iterations["fine_tune_s"].iloc[0] == 0
    assert (iterations["fine_tune_s"].iloc[1:] > 0).all()
    assert (iterations[TIMED[1:]] > 0).all(axis=None)


def test_many_rois_are_judged_by_a_sample_of_each_cluster(tiny_settings, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), [900, 600, 400, 200])
    x = (rng.normal(size=(4, 8))[labels] + 0.2 * rng.normal(size=(2100, 8))).astype(np.float32)
    labels[:40] = -1
    found = Clustering(labels, np.ones(2100), np.zeros(2100), np.ones(4))
    asked: list[np.ndarray] = []

    def judged(space, clusters):
        asked.append(clusters)
        return judge(space, clusters)

    monkeypatch.setattr("darksound.cluster.iteration.judge", judged)
    whole, part = (
        describe(
            0, x, found, None, None, tiny_settings.replace(mec={"max_validity_samples": m}), watch
        )
        for m, watch in ((2100, Stopwatch()), (1050, Stopwatch()))
    )
    assert np.bincount(asked[0] + 1).tolist() == [40, 860, 600, 400, 200]
    assert np.bincount(asked[1] + 1).tolist() == [20, 430, 300, 200, 100]
    assert part.dbcv == pytest.approx(whole.dbcv, abs=0.1)
    assert part.coverage == whole.coverage


def test_an_iteration_kept_before_stages_were_timed_is_read(images, tiny_learner, tiny_settings):
    settings = tiny_settings.replace(mec={"iterations": 0})
    (before,) = run_loop(images, tiny_learner, settings).iterations
    values = before.as_json()
    assert Iteration.from_json(json.loads(json.dumps(values))).stages == before.stages
    del values["stages"]
    after = Iteration.from_json(values)
    assert untimed(after) == pytest.approx(untimed(before), nan_ok=True, abs=0)
    assert np.isnan(after.as_row()["embed_s"])


def test_same_seed_same_table_and_learner_untouched(images, tiny_learner, tiny_settings):
    one, two = (mec_on_images(images, tiny_learner, tiny_settings) for _ in range(2))
    pd.testing.assert_frame_equal(one.clusters, two.clusters)
    assert one.learner is not tiny_learner
    kept = run_loop(images, tiny_learner, tiny_settings).best.weights
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
        "coverage",
        "dbcv",
        "information",
        "ami_previous",
        "persistence",
        *TIMED,
        "seconds",
        "kept",
    ]


@pytest.mark.parametrize(
    ("sizes", "noise", "clustering", "sentence"),
    [
        ([1], 0.1, {}, "1 ROIs are too few"),
        ([3], 0.1, {}, "3 ROIs are too few"),
        ([20], 0.0, {}, "look the same"),
        ([4, 4], 0.3, {"min_cluster_size": 8}, "No cluster was found"),
        ([20], 0.3, {"allow_single_cluster": True, "min_cluster_size": 11}, "Only one cluster"),
    ],
)
def test_without_structure_it_ends_in_a_sentence(
    sizes, noise, clustering, sentence, make_images, tiny_learner, tiny_settings
):
    settings = tiny_settings.replace(clustering=clustering)
    result = mec_on_images(make_images(sizes, noise), tiny_learner, settings)
    assert len(result.iterations) == 1
    assert len(result.clusters) == sum(sizes)
    assert any(sentence in note for note in result.notes)
    assert any("fine-tuning needs two" in note for note in result.notes)
    assert result.clusters["assigned_cluster"].isna().all()


def test_fewer_clusters_than_ways_are_enough(make_images, tiny_learner, tiny_settings):
    settings = tiny_settings.replace(episodes={"n_way": 20})
    result = mec_on_images(make_images([12, 12]), tiny_learner, settings)
    assert result.iterations["n_clusters"].tolist()[0] == 2
    assert len(result.iterations) > 1


def test_no_rois_are_an_error(make_images, tiny_learner, tiny_settings):
    rois = make_images([2]).rois
    with pytest.raises(InputError, match="no ROIs to cluster"):
        mec(RoiSet(rois.table.iloc[:0], rois.reader), tiny_learner, tiny_settings)


def test_a_learner_of_another_front_end_is_refused(make_images, tiny_learner, tiny_settings):
    settings = tiny_settings.replace(front_end={"n_bands": 32})
    with pytest.raises(SettingsError, match="n_bands"):
        mec(make_images([2]).rois, tiny_learner, settings)


def figures(number: int, **values) -> Iteration:
    given = {
        "n_clusters": 5,
        "coverage": 0.5,
        "dbcv": 0.1,
        "information": 1.0,
        "persistence": 0.2,
    } | values
    return Iteration(number, ami_previous=NAN, scores=None, seconds=0.0, **given)


@pytest.mark.parametrize(
    ("criterion", "history", "kept"),
    [
        ("dbcv", [{"dbcv": 0.1}, {"dbcv": 0.3}, {"dbcv": 0.2}], 1),
        ("dbcv", [{"dbcv": 0.3}, {"dbcv": 0.3}], 0),
        ("dbcv", [{"dbcv": NAN, "n_clusters": 1}, {"dbcv": -0.5}, {"dbcv": NAN}], 1),
        ("information", [{"dbcv": 0.1}, {"dbcv": 0.9, "information": 0.8}], 0),
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
        ("last", [{}, {"n_clusters": 0}], 0),
    ],
)
def test_what_is_kept(criterion, history, kept):
    first, *rest = (figures(i, **values) for i, values in enumerate(history))
    best = first
    for candidate in rest:
        best = candidate if better(candidate, best, first, criterion) else best
    assert best.iteration == kept


def test_every_criterion_of_the_settings_is_known(tiny_settings):
    allowed = type(tiny_settings.mec).model_fields["selection_criterion"].annotation.__args__
    assert set(allowed) <= set(CRITERIA)


def test_figures_survive_json_and_make_a_table():
    one = figures(0)
    assert Iteration.from_json(json.loads(json.dumps(one.as_json()))).as_row() == pytest.approx(
        one.as_row(), nan_ok=True
    )
    table = iteration_table([one, figures(1)], kept=1)
    assert table["kept"].tolist() == [False, True]
