"""The contract of reducers, for every registered one and for scikit-learn's."""

import numpy as np
import pytest

from darksound.cluster.estimators import resolve_reducer
from darksound.cluster.maps import MAP_METHODS
from darksound.cluster.reducers import REDUCERS
from darksound.cluster.structure import reduce
from darksound.settings import ReductionSettings

#: Reducers by import path, with parameters that fit 60 rows.
ESTIMATORS = {
    "sklearn.decomposition.PCA": {},
    "sklearn.manifold:Isomap": {"n_neighbors": 30},
}
N_COMPONENTS = 4


@pytest.fixture(params=[*REDUCERS, *ESTIMATORS])
def settings(request) -> ReductionSettings:
    return ReductionSettings(
        method=request.param,
        parameters=ESTIMATORS.get(request.param, {}),
        n_components=N_COMPONENTS,
        n_epochs=20,
    )


def blobs(sizes=(30, 20, 10), d=12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    x = 3 * np.eye(len(sizes), d)[groups] + 0.3 * rng.normal(size=(len(groups), d))
    return x.astype(np.float32), groups


def test_coordinates_are_finite_float32_of_every_row(settings):
    x, _ = blobs()
    reduced = reduce(x, settings, 1)
    assert reduced.dtype == np.float32
    assert reduced.ndim == 2
    assert len(reduced) == len(x)
    assert reduced.shape[1] in (N_COMPONENTS, 3 * N_COMPONENTS, x.shape[1])
    assert np.isfinite(reduced).all()


def test_the_same_seed_gives_the_same_coordinates(settings):
    x, _ = blobs()
    np.testing.assert_array_equal(reduce(x, settings, 1), reduce(x.copy(), settings, 1))


def test_the_input_is_not_changed(settings):
    x, _ = blobs()
    before = x.copy()
    reduce(x, settings.replace(normalise="none"), 1)
    np.testing.assert_array_equal(x, before)


def test_rows_of_a_group_stay_close(settings):
    x, groups = blobs()
    reduced = reduce(x, settings, 1)
    distances = np.linalg.norm(reduced[:, None] - reduced[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(1)] == groups).mean() > 0.95


@pytest.mark.parametrize("n", [4, 6])
def test_fewer_rows_than_components(settings, n):
    if settings.method == "sklearn.manifold:Isomap":
        settings = settings.replace(parameters={"n_neighbors": 2})
    x, _ = blobs((n - 2, 2))
    reduced = reduce(x, settings.replace(n_components=10), 1)
    assert len(reduced) == n
    assert np.isfinite(reduced).all()


def test_the_method_of_the_map_exists(settings):
    assert resolve_reducer(settings).map_method in MAP_METHODS
