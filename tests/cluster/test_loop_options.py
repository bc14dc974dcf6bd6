"""Fine-tuning and its episodes, embeddings for the validity, and early stopping of the loop."""

import numpy as np
import pytest

from darksound.cluster import loop
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.loop import MecLoop
from darksound.cluster.validity import cluster_validity


@pytest.fixture(scope="module")
def images(make_images):
    return make_images([12, 14, 16, 18], noise=0.25, stray=6)


@pytest.fixture
def fine_tunings(monkeypatch):
    """The arguments of each call of `fine_tune`, which then does nothing."""
    calls = []

    def record(images, labels, learner, settings, **options):
        calls.append({"labels": labels, "settings": settings, **options})

    monkeypatch.setattr(loop, "fine_tune", record)
    return calls


@pytest.mark.parametrize(
    ("epochs", "n_episodes", "fewest", "most"), [(0.0, 40, 40, 40), (1.0, 40, 2, 8), (4.0, 3, 3, 3)]
)
def test_few_rois_get_fewer_episodes(
    epochs, n_episodes, fewest, most, images, tiny_learner, tiny_settings, fine_tunings
):
    wanted = tiny_settings.replace(
        mec={"epochs": epochs, "n_episodes": n_episodes, "iterations": 1}
    )
    MecLoop(images, tiny_learner, wanted).run()
    (call,) = fine_tunings
    assert fewest <= call["n_episodes"] <= most
    episodes = call["settings"].episodes
    if epochs == 1.0:
        rois_per_episode = episodes.n_way * (episodes.n_shot + episodes.n_query)
        assert call["n_episodes"] == int(np.ceil(len(call["rows"]) / rois_per_episode))


@pytest.mark.parametrize(
    ("augmented_rois", "enabled", "augment_support"),
    [("all", True, True), ("queries", True, False), ("none", False, True)],
)
def test_augmented_rois_follow_the_setting(
    augmented_rois, enabled, augment_support, images, tiny_learner, tiny_settings, fine_tunings
):
    wanted = tiny_settings.replace(mec={"augmented_rois": augmented_rois, "iterations": 1})
    MecLoop(images, tiny_learner, wanted).run()
    assert fine_tunings[0]["settings"].augmentation.enabled is enabled
    assert fine_tunings[0]["augment_support"] is augment_support


def test_a_head_is_fine_tuned_at_the_learning_rate_of_the_loop(
    images, tiny_learner, tiny_settings, fine_tunings
):
    rates = {
        "mec": {"head_lr_multiplier": 7.0, "iterations": 1},
        "training": {"head_lr_multiplier": 0.5},
    }
    MecLoop(images, tiny_learner, tiny_settings.replace(**rates)).run()
    assert fine_tunings[0]["settings"].training.head_lr_multiplier == 7.0


@pytest.mark.parametrize("source", ["best", "last"])
def test_labels_come_from_the_iteration_of_the_setting(
    source, images, tiny_learner, tiny_settings, monkeypatch
):
    n_classes = []
    monkeypatch.setattr(
        loop,
        "fine_tune",
        lambda images, labels, *_, **__: n_classes.append(labels.max() + 1),
    )
    # Each clustering has one cluster fewer than the one before; the first is the best.
    clusterings = iter([6, 5, 4])

    def fewer(embeddings, *_, **__):
        k = next(clusterings)
        labels = np.arange(len(embeddings)) % k
        return Clustering(labels, np.ones(len(labels)), np.zeros(len(labels)), np.ones(k))

    monkeypatch.setattr(loop, "find_clusters", fewer)
    wanted = {"labels_from": source, "iterations": 2, "selection_criterion": "persistence"}
    MecLoop(images, tiny_learner, tiny_settings.replace(mec=wanted)).run()
    assert n_classes == {"best": [6, 6], "last": [6, 5]}[source]


def test_validity_is_computed_in_the_embeddings_of_the_setting(images, tiny_learner, tiny_settings):
    def validities(where):
        states = []
        wanted = tiny_settings.replace(
            mec={"validity_embeddings": where, "iterations": 1, "learning_rate": 1e-2}
        )
        MecLoop(images, tiny_learner, wanted).run(
            on_iteration=lambda _, state: states.append(state)
        )
        first, second = states
        source = first if where == "initial" else second
        vectors = source.last.embeddings / np.linalg.norm(source.last.embeddings, axis=1)[:, None]
        return second.iterations[1].weighted_entropy, cluster_validity(
            vectors, second.last.clustering.labels
        )

    for where in ("initial", "current"):
        value, validity = validities(where)
        assert value == pytest.approx(validity.weighted_entropy, rel=1e-6)


def test_the_loop_ends_without_a_better_iteration(
    images, tiny_learner, tiny_settings, fine_tunings, monkeypatch
):
    seeds = iter(range(10))

    def random_clusters(embeddings, *_, **__):
        labels = np.random.default_rng(next(seeds)).integers(0, 3, len(embeddings))
        return Clustering(labels, np.ones(len(labels)), np.zeros(len(labels)), np.ones(3))

    monkeypatch.setattr(loop, "find_clusters", random_clusters)
    wanted = {"patience": 2, "iterations": 9, "selection_criterion": "persistence"}
    state = MecLoop(images, tiny_learner, tiny_settings.replace(mec=wanted)).run()
    assert [len(state.iterations), state.kept] == [3, 0]
    assert (
        "No iteration after number 0 was better by mec.selection_criterion (persistence)"
        in state.notes[-1]
    )
