"""Clustering of the published presets against their packages called by hand."""

import hdbscan
import numpy as np
import pytest
import umap
from kneed import KneeLocator
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import MinMaxScaler

from darksound.cluster import loop, structure
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.loop import MecLoop
from darksound.cluster.mec import mec_on_images
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.notes import DimensionChoice
from darksound.cluster.state import copy_weights
from darksound.cluster.structure import cluster, find_clusters, reduce
from darksound.cluster.validity import dbcv
from darksound.errors import SettingsError
from darksound.settings import Settings, load_settings

THESIS, PAPER = load_settings("thesis-2023"), load_settings("paper-2024")


def embeddings(sizes, d, stray=20, seed=0, spread=0.5):
    """Groups in some of the dimensions, each of another scale, like pooled features."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), d))[groups] + spread * rng.normal(size=(len(groups), d))
    x = np.vstack([x, 2 * rng.normal(size=(stray, d))])
    return (np.abs(x) * rng.gamma(1, size=d)).astype(np.float32)


def test_the_thesis_clusters_scaled_embeddings_by_hdbscan_in_all_dimensions():
    x = embeddings([30, 25, 20, 12, 8], 512)
    expected = hdbscan.HDBSCAN(min_cluster_size=6).fit(MinMaxScaler().fit_transform(x)).labels_
    result = find_clusters(x, THESIS)
    assert result.n_clusters == expected.max() + 1 >= 4
    assert ((result.labels == -1) == (expected == -1)).all()
    assert adjusted_rand(expected, result.labels) == 1


def by_hand(x, n_components, seed):
    """Labels and validity of densMAP and DBSCAN with the arguments of the published code."""
    reduced = umap.UMAP(densmap=True, n_components=n_components, random_state=seed).fit_transform(x)
    k = 2 * n_components - 1
    distances, _ = NearestNeighbors(n_neighbors=k).fit(reduced).kneighbors(reduced)
    curve = np.sort(distances, axis=0)[:, 1]
    locator = KneeLocator(
        np.arange(len(curve)),
        curve,
        interp_method="polynomial",
        curve="convex",
        direction="increasing",
    )
    labels = DBSCAN(eps=float(locator.knee_y), min_samples=k).fit(reduced).labels_
    return labels, dbcv(reduced, labels)


@pytest.mark.timeout(900)
def test_the_paper_chooses_the_dimensions_of_densmap_by_dbcv():
    # The random numbers of UMAP are derived from the seed; by hand they begin with the same ones.
    seed = next(structure._reducer_seeds(PAPER.seed, 1))
    x = embeddings([60, 50, 40], 64)
    dimensions = (2, 3)
    expected = {k: by_hand(x, k, seed) for k in dimensions}
    choices: list[DimensionChoice] = []
    settings = PAPER.replace(reduction={"n_components": dimensions})
    result = find_clusters(x, settings, on_choice=choices.append)
    assert choices[0].dbcv == pytest.approx({k: v for k, (_, v) in expected.items()}, abs=1e-3)
    best = max(dimensions, key=lambda k: expected[k][1])
    assert choices[0].n_components == best
    assert adjusted_rand(expected[best][0], result.labels) == 1


HDBSCAN = Settings().replace(
    reduction={"method": "pca", "normalise": "none", "n_components": (2, 12, 4), "n_init": 1},
    clustering={"method": "hdbscan", "min_cluster_size": 8},
)


@pytest.mark.parametrize("method", ["hdbscan", "linkage", "dbscan"])
def test_any_clusterer_can_choose_the_dimensions(method):
    x = embeddings([30, 30, 30, 30], 40, spread=0.15)
    settings = HDBSCAN.replace(clustering={"method": method, "min_cluster_size": "auto"})
    choices: list[DimensionChoice] = []
    validities, found = {}, {}
    for k in (2, 12, 4):
        reduced = reduce(x, settings.reduction.replace(n_components=k), 0)
        found[k] = cluster(reduced, settings.clustering, settings.seed)
        validities[k] = dbcv(reduced, found[k].labels)
    result = find_clusters(x, settings, on_choice=choices.append)
    (choice,) = choices
    assert choice.dbcv == pytest.approx(validities, nan_ok=True)
    best = max(choice.dbcv, key=lambda k: np.nan_to_num(choice.dbcv[k], nan=-9))
    assert choice.n_components == best
    assert (result.labels == found[best].labels).all()
    assert f"{best} was chosen by DBCV" in choice.sentence
    assert result.n_clusters > 1
    again = find_clusters(x, settings)
    assert (again.labels == result.labels).all()


def test_equal_coordinates_are_compared_once():
    x = embeddings([30, 30], 3)
    choices: list[DimensionChoice] = []
    # There are three principal components, and no reduction has no dimensions to choose.
    find_clusters(
        x,
        HDBSCAN.replace(reduction={"n_components": (2, 3, 9, 2)}),
        note=lambda _: None,
        on_choice=choices.append,
    )
    assert list(choices[0].dbcv) == [2, 3]
    find_clusters(x, HDBSCAN.replace(reduction={"method": "none"}), on_choice=choices.append)
    assert len(choices) == 1


def test_one_reduction_takes_one_number_of_dimensions():
    with pytest.raises(SettingsError, match=r"n_components is \[2, 12, 4\]; one reduction"):
        reduce(embeddings([10], 20), HDBSCAN.reduction, 0)
    with pytest.raises(SettingsError, match="n_components"):
        HDBSCAN.replace(reduction={"n_components": ()})


def test_the_chosen_dimensions_are_in_the_result_and_its_notes(
    make_images, tiny_learner, tiny_settings
):
    settings = tiny_settings.replace(
        reduction={"n_components": (2, 4)}, mec={"iterations": 1}, clustering={"method": "hdbscan"}
    )
    outcome = mec_on_images(make_images([20, 20, 20]), tiny_learner, settings)
    assert set(outcome.iterations["n_components"]) <= {2, 4}
    assert sum("chosen by DBCV" in note for note in outcome.notes) in (1, 2)
    fixed = settings.replace(reduction={"n_components": 2})
    columns = mec_on_images(make_images([20, 20, 20]), tiny_learner, fixed).iterations.columns
    assert "n_components" not in columns


def test_the_loop_of_the_thesis_never_ends_early_and_carries_weights_over(
    make_images, tiny_learner, tiny_settings, monkeypatch
):
    images = make_images([12, 14, 16])
    starts, n_episodes, rows = [], [], []

    def record(images, labels, network, settings, **options):
        starts.append(copy_weights(network))
        n_episodes.append(options["n_episodes"])
        rows.append(options["rows"])
        assert not settings.augmentation.enabled
        next(network.parameters()).data.add_(1e-4)

    labels = np.repeat([0, 1, 2], [12, 14, 16])
    labels[:2] = -1
    probability = np.where(labels < 0, 0.0, np.linspace(0.01, 1, 42))
    clustering = Clustering(labels, probability, 1 - probability, np.ones(3))
    monkeypatch.setattr(loop, "fine_tune", record)
    monkeypatch.setattr(loop, "find_clusters", lambda *_, **__: clustering)
    settings = tiny_settings.replace(
        mec=THESIS.mec.model_dump(), augmentation=THESIS.augmentation.model_dump()
    )
    state = MecLoop(images, tiny_learner, settings).run()
    # The clusters agree perfectly in all of its iterations; the last one is kept.
    assert [len(state.iterations), state.kept] == [21, 20]
    assert {iteration.ami_previous for iteration in state.iterations[1:]} == {1.0}
    assert n_episodes == [2000] * 20
    assert all((part == np.arange(2, 42)).all() for part in rows)
    name = next(name for name, _ in tiny_learner.named_parameters())
    drift = [float((start[name] - starts[0][name]).mean()) for start in starts]
    assert drift == pytest.approx(1e-4 * np.arange(20), abs=1e-6)


def test_without_two_clusters_the_first_number_is_used():
    choice = DimensionChoice(5, {5: np.nan, 10: np.nan}, {5: 1, 10: 0})
    assert "(5, 10) gives two clusters" in choice.sentence
    assert choice.sentence.endswith("5 is used.")
    mixed = DimensionChoice(10, {5: np.nan, 10: 0.25}, {5: 1, 10: 3})
    assert "undefined for 5 (1 clusters), 0.250 for 10 (3 clusters)" in mixed.sentence
    x = embeddings([12, 12], 20, stray=0)
    choices: list[DimensionChoice] = []
    settings = HDBSCAN.replace(
        clustering={"method": "dbscan", "eps": 1e-6, "min_cluster_size": "auto"}
    )
    found = find_clusters(x, settings, note=lambda _: None, on_choice=choices.append)
    assert [found.n_clusters, choices[0].n_components] == [0, 2]
