"""scikit-learn-shaped reducers and clusterers, by import path and as objects."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap

from darksound.cluster.evaluation import evaluate_on_images
from darksound.cluster.mec import mec_on_images
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.structure import (
    check_methods,
    cluster,
    find_clusters,
    reduce,
    resolve_methods,
    why_noise,
)
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings, ReductionSettings, Settings, load_settings
from darksound.settings import to_toml as settings_to_toml

HERE = "tests.cluster.test_estimators"


class EveryThird:
    """Without `get_params`: clusters 7 and 3, every third row noise."""

    def fit_predict(self, x):
        return np.where(np.arange(len(x)) % 3 == 0, -2, np.where(np.arange(len(x)) < 8, 7, 3))


class Constant:
    """Returns its argument, whatever the data."""

    def __init__(self, result=None):
        self.result = result

    def fit_predict(self, x):
        return self.result

    def fit_transform(self, x):
        return self.result


class FirstColumns:
    """A reducer that overwrites its input."""

    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit_transform(self, x):
        x -= x.mean(0)
        return x[:, : self.n_components]


def blobs(sizes=(30, 20, 10), d=16):
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = 4 * np.eye(len(sizes), d)[groups] + 0.3 * rng.normal(size=(len(groups), d))
    return x.astype(np.float32), groups


@pytest.mark.parametrize(
    "estimator",
    [
        KMeans(3),
        AgglomerativeClustering(3),
        HDBSCAN(min_cluster_size=5, copy=True),
        DBSCAN(eps=0.6),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_clusterer_object_replaces_the_method(estimator):
    x, groups = blobs()
    before = repr(estimator), set(vars(estimator))
    clustering = find_clusters(x, Settings(), reducer=PCA(5), clusterer=estimator)
    inside = clustering.labels >= 0
    assert inside.mean() > 0.8
    assert adjusted_rand(groups[inside], clustering.labels[inside]) == 1
    assert (repr(estimator), set(vars(estimator))) == before, "the object is not fitted"


def test_probabilities_are_those_of_the_estimator_or_1():
    x, _ = blobs()
    fitted = HDBSCAN(min_cluster_size=5, copy=True).fit(x.astype(np.float64))
    with_probabilities = cluster(x, ClusteringSettings(), clusterer=HDBSCAN(5, copy=True))
    np.testing.assert_allclose(with_probabilities.probability, fitted.probabilities_)
    np.testing.assert_allclose(with_probabilities.outlier_score, 1 - fitted.probabilities_)
    without = cluster(x, ClusteringSettings(), clusterer=DBSCAN(eps=2.0))
    np.testing.assert_array_equal(without.probability, without.labels >= 0)


def test_negative_labels_are_noise_and_others_are_numbered_by_size():
    clustering = cluster(np.zeros((30, 2)), ClusteringSettings(), clusterer=EveryThird())
    assert clustering.labels[:6].tolist() == [-1, 1, 1, -1, 1, 1]
    assert clustering.labels[-3:].tolist() == [-1, 0, 0]
    assert clustering.n_clusters == 2


@pytest.mark.parametrize(
    ("reducer", "n_columns"),
    [(PCA(5), 5), (Isomap(n_neighbors=30, n_components=3), 3), (FirstColumns(4), 4)],
)
def test_a_reducer_object_replaces_the_method(reducer, n_columns):
    x, _ = blobs()
    before = x.copy()
    reduced = reduce(x, ReductionSettings(normalise="none"), 1, reducer=reducer)
    assert reduced.shape == (60, n_columns)
    assert reduced.dtype == np.float32
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("path", ["sklearn.manifold.Isomap", "sklearn.manifold:Isomap"])
def test_a_reducer_by_import_path_gets_its_parameters_and_n_components(path):
    x, _ = blobs()
    settings = ReductionSettings(method=path, n_components=6, parameters={"n_neighbors": 30})
    expected = Isomap(n_neighbors=30, n_components=6).fit_transform(reduce_to_unit_length(x))
    np.testing.assert_allclose(reduce(x, settings, 1), expected, rtol=1e-3, atol=1e-4)
    settings = settings.replace(parameters={"n_components": 3})
    assert reduce(x, settings, 1).shape == (60, 3)


def reduce_to_unit_length(x):
    return reduce(x, ReductionSettings(method="none"), 0)


def test_random_state_is_set_from_the_seed_unless_it_is_given():
    x, _ = blobs((40,), d=6)

    def labels(seed, **parameters):
        settings = ClusteringSettings(
            method="sklearn.cluster.KMeans", parameters={"n_clusters": 6, "n_init": 1, **parameters}
        )
        return cluster(x, settings, seed).labels.tolist()

    assert labels(1) == labels(1)
    assert len({tuple(labels(seed)) for seed in range(5)}) > 1
    assert labels(1, random_state=4) == labels(2, random_state=4)
    objects = [KMeans(6, n_init=1), KMeans(6, n_init=1, random_state=4)]
    unset, given = ([cluster(x, ClusteringSettings(), s, clusterer=one).labels.tolist()
                     for s in (1, 1, 2)] for one in objects)  # fmt: skip
    assert unset[0] == unset[1] == labels(1)
    assert given[0] == given[2] == labels(1, random_state=4)
    assert objects[0].random_state is None


def test_the_settings_file_has_import_path_and_parameters(tmp_path):
    text = """
    [reduction]
    method = "sklearn.decomposition.PCA"
    parameters = {svd_solver = "full"}
    [clustering]
    method = "sklearn.cluster.KMeans"
    [clustering.parameters]
    n_clusters = 3
    """
    path = tmp_path / "settings.toml"
    path.write_text(text)
    settings = load_settings(config=path)
    x, groups = blobs()
    assert adjusted_rand(groups, find_clusters(x, settings).labels) == 1
    path.write_text(settings_to_toml(settings))
    assert load_settings(config=path) == settings


def test_auto_reduces_before_a_clusterer_by_import_path_and_takes_hdbscan_after_a_reducer():
    kmeans = Settings().replace(clustering={"method": "sklearn.cluster.KMeans"})
    assert resolve_methods(kmeans).reduction.method == "umap"
    isomap = Settings().replace(reduction={"method": "sklearn.manifold.Isomap"})
    assert resolve_methods(isomap).clustering.method == "hdbscan"
    assert why_noise(kmeans, 100).endswith("are noise.")


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("clustering", {"method": "kmeans"}, "'kmeans'; choose one of linkage, .* or the import"),
        ("reduction", {"method": "tsne"}, "'tsne'; choose one of umap, pca, none, or the import"),
        ("clustering", {"method": "sklearn.cluster.KMean"}, "clustering.method: .*imported"),
        ("clustering", {"method": "no_such_package:Foo"}, "clustering.method: .*imported"),
        ("reduction", {"method": "sklearn.cluster.DBSCAN"}, "not a class with a method fit_transf"),
        ("clustering", {"method": "sklearn.decomposition.PCA"}, "not a class with .* fit_predict"),
        ("clustering", {"method": "math.sqrt"}, "not a class with a method fit_predict"),
        (
            "clustering",
            {"method": "sklearn.cluster.KMeans", "parameters": {"k": 3}},
            "clustering.parameters do not fit sklearn.cluster.KMeans: .*'k'",
        ),
        (
            "clustering",
            {"method": "sklearn.cluster.KMeans", "parameters": {"n_clusters": "many"}},
            "clustering.method sklearn.cluster.KMeans failed: The 'n_clusters' parameter",
        ),
        (
            "reduction",
            {"method": "sklearn.decomposition.PCA", "parameters": {"n_components": 99}},
            "reduction.method sklearn.decomposition.PCA failed: n_components=99",
        ),
        (
            "clustering",
            {"method": "hdbscan", "parameters": {"alpha": 2.0}},
            "clustering.parameters are for a clustering.method given by import path",
        ),
        ("reduction", {"method": "pca", "parameters": {"whiten": True}}, "given by import path"),
        (
            "clustering",
            {"method": "sklearn.cluster.DBSCAN", "min_cluster_size": 9},
            "sklearn.cluster.DBSCAN has no clustering.min_cluster_size",
        ),
    ],
)
def test_errors_are_one_sentence(section, values, message):
    x, _ = blobs()
    settings = Settings().replace(reduction={"method": "pca"}, clustering={"method": "hdbscan"})
    with pytest.raises(SettingsError, match=message) as error:
        find_clusters(x, settings.replace(**{section: values}))
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(5), r"an array of shape \(5,\) in place of 60 integer labels"),
        (np.zeros((60, 2)), r"an array of shape \(60, 2\)"),
        (np.full(60, 0.5), "60 integer labels"),
        (np.full(60, np.nan), "60 integer labels"),
        (None, "60 integer labels"),
        (["a"] * 60, "list in place of 60 integer labels"),
    ],
)
def test_wrong_labels_are_an_error(labels, message):
    with pytest.raises(SettingsError, match=message):
        cluster(blobs()[0], ClusteringSettings(), clusterer=Constant(labels))


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (np.zeros((5, 2)), r"an array of shape \(5, 2\) in place of an array of 60 rows"),
        (np.zeros(60), r"an array of shape \(60,\)"),
        (np.zeros((60, 0)), r"an array of shape \(60, 0\)"),
        (np.full((60, 2), np.inf), "values that are not finite"),
        (None, "in place of an array of 60 rows"),
        ("text", "str in place of an array of 60 rows"),
    ],
)
def test_wrong_coordinates_are_an_error(coordinates, message):
    with pytest.raises(SettingsError, match=message):
        reduce(blobs()[0], ReductionSettings(), 1, reducer=Constant(coordinates))


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ({"clusterer": KMeans}, "KMeans is a class; pass an object"),
        ({"clusterer": PCA(2)}, "PCA cannot replace clustering.method: it has no method fit_pred"),
        ({"reducer": DBSCAN()}, "DBSCAN cannot replace reduction.method: it has no method fit_tr"),
    ],
)
def test_objects_of_the_wrong_kind_are_an_error_before_any_work(
    estimators, message, make_images, tiny_learner, tiny_settings
):
    with pytest.raises(SettingsError, match=message):
        check_methods(Settings(), **estimators)
    with pytest.raises(SettingsError, match=message):
        mec_on_images(make_images([9, 9]), tiny_learner, tiny_settings, **estimators)


def test_mec_with_objects_records_their_import_paths(make_images, tiny_learner, tiny_settings):
    images = make_images([12, 14, 16], noise=0.1)
    settings = tiny_settings.replace(mec={"iterations": 1})
    reducer, clusterer = PCA(5), KMeans(3)
    outcome = mec_on_images(images, tiny_learner, settings, reducer=reducer, clusterer=clusterer)
    again = mec_on_images(images, tiny_learner, settings, reducer=reducer, clusterer=clusterer)
    assert outcome.clusters["cluster"].nunique() == 3
    assert outcome.clusters.equals(again.clusters)
    resolved = resolve_methods(outcome.settings)
    assert resolved.reduction.method == outcome.settings.reduction.method
    assert resolved.clustering == outcome.settings.clustering
    assert outcome.settings.reduction.method.endswith(":PCA")
    assert outcome.settings.clustering.parameters["n_clusters"] == 3
    by_path = mec_on_images(images, tiny_learner, outcome.settings)
    assert by_path.clusters["cluster"].tolist() == outcome.clusters["cluster"].tolist()


def test_evaluate_with_objects(make_images, tiny_learner, tiny_settings):
    wanted = {"n_way": 3, "n_shot": 2, "n_query": 4, "n_episodes": 8, "folds": 2}
    evaluation = evaluate_on_images(
        make_images([12, 12, 12], noise=0.05),
        tiny_learner,
        tiny_settings.replace(evaluation=wanted),
        reducer=PCA(5),
        clusterer=AgglomerativeClustering(3),
    )
    assert evaluation.clusters.n_clusters == 3
    assert evaluation.clusters.coverage == 1


def test_a_note_about_a_single_cluster_of_an_estimator_names_its_parameters():
    notes: list[str] = []
    find_clusters(blobs()[0], Settings(), reducer=PCA(2), clusterer=KMeans(1), note=notes.append)
    assert "change clustering.parameters" in notes[-1]


def test_registries_are_read_without_heavy_imports():
    code = (
        "import sys\n"
        "from darksound.cluster.clusterers import CLUSTERERS\n"
        "from darksound.cluster.reducers import REDUCERS, umap\n"
        "assert umap.__name__ == 'darksound.cluster.reducers.umap'\n"
    )
    light = code.replace("REDUCERS, umap", "REDUCERS").rsplit("assert", 1)[0]
    light += "assert not {'torch', 'umap', 'hdbscan', 'sklearn'} & set(sys.modules)\n"
    for program in (light, code):
        subprocess.run([sys.executable, "-c", program], check=True)
