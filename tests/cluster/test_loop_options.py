"""What a fine-tuning learns from, where clusters are judged, and when the loop gives up."""

import numpy as np
import pytest

from darksound.cluster import loop
from darksound.cluster.loop import run_loop
from darksound.cluster.validity import judge


@pytest.fixture(scope="module")
def images(make_images):
    return make_images([12, 14, 16, 18], noise=0.25, stray=6)


@pytest.fixture
def learnt(monkeypatch):
    """The arguments of each fine-tuning, which then learns nothing."""
    calls = []

    def note(network, images, rows, labels, recordings, settings, **more):
        calls.append({"rows": rows, "labels": labels, "settings": settings, **more})

    monkeypatch.setattr(loop, "fine_tune", note)
    return calls


@pytest.mark.parametrize(
    ("passes", "tasks", "least", "most"), [(0.0, 40, 40, 40), (1.0, 40, 2, 8), (4.0, 3, 3, 3)]
)
def test_few_rois_are_not_learnt_by_heart(
    passes, tasks, least, most, images, tiny_learner, tiny_settings, learnt
):
    wanted = tiny_settings.replace(mec={"epochs": passes, "n_episodes": tasks, "iterations": 1})
    run_loop(images, tiny_learner, wanted)
    (call,) = learnt
    assert least <= call["tasks"] <= most
    episodes = call["settings"].episodes
    if passes == 1.0:
        drawn = episodes.n_way * (episodes.n_shot + episodes.n_query)
        assert call["tasks"] == int(np.ceil(len(call["rows"]) / drawn))


@pytest.mark.parametrize(
    ("augmented", "enabled", "plain"),
    [("all", True, False), ("queries", True, True), ("none", False, False)],
)
def test_what_is_altered_follows_the_setting(
    augmented, enabled, plain, images, tiny_learner, tiny_settings, learnt
):
    wanted = tiny_settings.replace(mec={"augmented": augmented, "iterations": 1})
    run_loop(images, tiny_learner, wanted)
    assert learnt[0]["settings"].augmentation.enabled is enabled
    assert learnt[0]["support_as_it_is"] is plain


def test_a_head_is_fine_tuned_at_the_loops_rate_not_at_that_of_training(
    images, tiny_learner, tiny_settings, learnt
):
    rates = {
        "mec": {"head_lr_multiplier": 7.0, "iterations": 1},
        "training": {"head_lr_multiplier": 0.5},
    }
    run_loop(images, tiny_learner, tiny_settings.replace(**rates))
    assert learnt[0]["settings"].training.head_lr_multiplier == 7.0


@pytest.mark.parametrize("source", ["best", "last"])
def test_labels_come_from_the_iteration_that_is_asked_for(
    source, images, tiny_learner, tiny_settings, monkeypatch
):
    given = []
    monkeypatch.setattr(
        loop,
        "fine_tune",
        lambda network, images, rows, labels, *_, **__: given.append(labels.max() + 1),
    )
    # Each clustering has one cluster fewer than the one before; the first tells most.
    clusterings = iter([6, 5, 4])

    def fewer(embeddings, *_):
        k = next(clusterings)
        labels = np.arange(len(embeddings)) % k
        return loop.Clustering(labels, np.ones(len(labels)), np.zeros(len(labels)), np.ones(k))

    monkeypatch.setattr(loop, "find_clusters", fewer)
    wanted = {"labels_from": source, "iterations": 2, "selection_criterion": "persistence"}
    run_loop(images, tiny_learner, tiny_settings.replace(mec=wanted))
    assert given == {"best": [6, 6], "last": [6, 5]}[source]


def test_clusters_are_judged_where_the_setting_says(images, tiny_learner, tiny_settings):
    def judged(where):
        states = []
        wanted = tiny_settings.replace(
            mec={"validity_embeddings": where, "iterations": 1, "learning_rate": 1e-2}
        )
        run_loop(images, tiny_learner, wanted, on_iteration=lambda _, state: states.append(state))
        first, second = states
        space = first if where == "first" else second
        vectors = space.last.embeddings / np.linalg.norm(space.last.embeddings, axis=1)[:, None]
        return second.iterations[1].information, judge(vectors, second.last.clustering.labels)

    for where in ("first", "own"):
        value, validity = judged(where)
        assert value == pytest.approx(validity.information, rel=1e-6)


def test_the_loop_ends_where_nothing_better_comes(
    images, tiny_learner, tiny_settings, learnt, monkeypatch
):
    seeds = iter(range(10))

    def never_the_same(embeddings, *_):
        labels = np.random.default_rng(next(seeds)).integers(0, 3, len(embeddings))
        return loop.Clustering(labels, np.ones(len(labels)), np.zeros(len(labels)), np.ones(3))

    monkeypatch.setattr(loop, "find_clusters", never_the_same)
    wanted = {"patience": 2, "iterations": 9, "selection_criterion": "persistence"}
    state = run_loop(images, tiny_learner, tiny_settings.replace(mec=wanted))
    assert [len(state.iterations), state.kept] == [3, 0]
    assert (
        "No iteration after number 0 was better by mec.selection_criterion (persistence)"
        in state.notes[-1]
    )
