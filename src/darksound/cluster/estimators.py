"""Reducers and clusterers by name, by import path, or as scikit-learn-shaped objects.

A reducer is any object with `fit_transform`, a clusterer any object with `fit_predict`, as in
scikit-learn (https://scikit-learn.org/stable/developers/develop.html).
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers import CLUSTERERS
from darksound.cluster.clusterers.base import (
    Clusterer,
    Clustering,
    mean_by_cluster,
    refuse_changed_settings,
)
from darksound.cluster.metrics import NOISE
from darksound.cluster.notes import OnNote
from darksound.cluster.reducers import REDUCERS
from darksound.cluster.reducers.base import Reducer, Vectors, single_n_components
from darksound.errors import SettingsError
from darksound.settings import (
    ClusteringSettings,
    ReductionSettings,
    Settings,
    check_name_or_path,
    resolve_object,
)

__all__ = [
    "EstimatorClusterer",
    "EstimatorReducer",
    "FitPredict",
    "FitTransform",
    "needs_reduction",
    "noise_reason",
    "record_estimators",
    "resolve_clusterer",
    "resolve_reducer",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class FitTransform(Protocol):
    """A scikit-learn-shaped reducer."""

    def fit_transform(self, x: Any, /) -> Any:
        """Return coordinates `(n, k)` of vectors `(n, d)`."""


class FitPredict(Protocol):
    """A scikit-learn-shaped clusterer; its attribute `probabilities_` is used if it has one."""

    def fit_predict(self, x: Any, /) -> Any:
        """Return integer labels `(n,)` of vectors `(n, d)`, negative for noise."""


class _Estimator:
    """Makes new copies of an estimator and runs them; errors become a `SettingsError`.

    Args:
        key: the setting that the estimator replaces, `reduction.method` or `clustering.method`.
        name: of the estimator, for messages.
        make: returns a new estimator; takes values for constructor arguments that were not given.
    """

    def __init__(self, key: str, name: str, make: Callable[[Mapping[str, Any]], Any]) -> None:
        self.key, self.name, self._make = key, name, make

    @classmethod
    def from_path(
        cls, key: str, path: str, parameters: Mapping[str, Any], method: str
    ) -> "_Estimator":
        """Return the class at an import path, with constructor arguments `parameters`.

        Raises:
            SettingsError: it cannot be imported, has no such method, or refuses the arguments.
        """
        try:
            factory = resolve_object(path)
        except SettingsError as error:
            raise SettingsError(f"{key}: {error}") from None
        if not (isinstance(factory, type) and callable(getattr(factory, method, None))):
            raise SettingsError(f"{key}: {path} is not a class with a method {method}.")
        section = key.partition(".")[0]
        accepted = _parameter_names(factory)

        def make(defaults: Mapping[str, Any]) -> Any:
            filled = {name: value for name, value in defaults.items() if name in accepted}
            try:
                return factory(**{**filled, **parameters})
            except (TypeError, ValueError) as error:
                raise SettingsError(
                    f"{section}.parameters do not fit {path}: {_sentence(error)}"
                ) from error

        make({})
        return cls(key, path, make)

    @classmethod
    def from_object(cls, key: str, estimator: Any, method: str) -> "_Estimator":
        """Return copies of an object; the object itself is not fitted.

        Raises:
            SettingsError: it has no such method, or is a class.
        """
        name = _qualified_name(estimator)
        if isinstance(estimator, type):
            raise SettingsError(f"{name} is a class; pass an object, such as {name}().")
        if not callable(getattr(estimator, method, None)):
            raise SettingsError(f"{name} cannot replace {key}: it has no method {method}.")

        def make(defaults: Mapping[str, Any]) -> Any:
            copy = deepcopy(estimator)
            parameters = _parameters(copy)
            # Other arguments that are None are the choice of the caller.
            if "random_state" in parameters and parameters["random_state"] is None:
                copy.set_params(random_state=defaults["random_state"])
            return copy

        return cls(key, name, make)

    def run(self, method: str, x: npt.NDArray[Any], defaults: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return a new estimator, and what its method returns for a copy of `x`.

        Raises:
            SettingsError: the estimator refuses its parameters or the data.
        """
        estimator = self._make(defaults)
        try:
            return estimator, getattr(estimator, method)(x.copy())
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{self.key} {self.name} failed: {_sentence(error)}") from error

    def wrong_result(self, problem: str) -> SettingsError:
        """Return the error for a result of the wrong kind."""
        return SettingsError(f"{self.key} {self.name} returned {problem}.")


class EstimatorReducer:
    """A scikit-learn-shaped reducer.

    `random_state` is set from the seed, and `n_components` from `reduction.n_components` (at most
    n - 1 and d), where the constructor of a class given by import path takes them and
    `reduction.parameters` does not have them. Of an object only a `random_state` of None is set.
    The map is made by t-SNE.

    Args:
        estimator: makes the estimator.
    """

    map_method = "tsne"

    def __init__(self, estimator: _Estimator) -> None:
        self._estimator = estimator

    def reduce(self, x: Vectors, settings: ReductionSettings, seed: int, note: OnNote) -> Vectors:
        """Return coordinates `(n, k)` of vectors `(n, d)`.

        Raises:
            SettingsError: the reducer fails, or returns no finite array `(n, k)`.
        """
        n, d = x.shape
        n_components = max(1, min(single_n_components(settings), n - 1, d))
        defaults = {"random_state": seed, "n_components": n_components}
        _, result = self._estimator.run("fit_transform", x, defaults)
        reduced = _as_array(result, np.float32)
        if reduced is None or reduced.ndim != 2 or len(reduced) != n or not reduced.size:
            raise self._estimator.wrong_result(f"{_shape(result)} in place of an array of {n} rows")
        if not np.isfinite(reduced).all():
            raise self._estimator.wrong_result("values that are not finite")
        coordinates: Vectors = reduced
        return coordinates


class EstimatorClusterer:
    """A scikit-learn-shaped clusterer.

    `random_state` is set from the seed where the estimator takes one and none was given. Negative
    labels are noise. The membership probability is the attribute `probabilities_` of the fitted
    estimator, 1 without it; the outlier score is 1 less the probability, and the persistence of a
    cluster the mean probability of its members.

    Args:
        estimator: makes the estimator.
    """

    needs_reduction = True
    unsupported_settings: Sequence[str] = tuple(
        name
        for name in ClusteringSettings.model_fields
        if name not in ("method", "parameters", "max_linkage_samples")
    )

    noise_reason = "ROIs that clustering.method puts in no cluster are noise."
    remedy = "change clustering.parameters"

    def __init__(self, estimator: _Estimator) -> None:
        self._estimator = estimator

    def min_cluster_size(self, settings: ClusteringSettings, n: int) -> None:
        """Return None: the smallest cluster is not known."""
        return None

    def cluster(self, x: Floats, settings: ClusteringSettings, seed: int) -> Clustering:
        """Cluster vectors `(n, k)`.

        Raises:
            SettingsError: the clusterer fails, returns no integers `(n,)`, or a setting that it
                does not have was changed.
        """
        refuse_changed_settings(settings, self._estimator.name, self.unsupported_settings)
        fitted, result = self._estimator.run("fit_predict", x, {"random_state": seed})
        raw = _as_array(result, np.float64)
        if raw is None or raw.shape != (len(x),) or not (raw == np.round(raw)).all():
            raise self._estimator.wrong_result(
                f"{_shape(result)} in place of {len(x)} integer labels"
            )
        is_noise = raw < 0
        labels = np.full(len(x), NOISE, dtype=np.int64)
        labels[~is_noise] = np.unique(raw[~is_noise], return_inverse=True)[1]
        probability = self._probability(fitted, len(x))
        probability[is_noise] = 0
        return Clustering(
            labels, probability, 1 - probability, mean_by_cluster(probability, labels)
        )

    def _probability(self, fitted: Any, n: int) -> Floats:
        values = getattr(fitted, "probabilities_", None)
        if values is None:
            return np.ones(n)
        probability = _as_array(values, np.float64)
        if probability is None or probability.shape != (n,):
            raise self._estimator.wrong_result(f"{_shape(values)} as `probabilities_` of {n} ROIs")
        clipped: Floats = np.clip(np.nan_to_num(probability), 0, 1)
        return clipped


def resolve_reducer(settings: ReductionSettings, estimator: FitTransform | None = None) -> Reducer:
    """Return the reducer of the settings, or an object in its place.

    Raises:
        SettingsError: the reducer is unknown, or the object or its parameters cannot be used.
    """
    resolved = _resolve("reduction", settings, estimator, REDUCERS, "fit_transform")
    reducer: Reducer = EstimatorReducer(resolved) if isinstance(resolved, _Estimator) else resolved
    return reducer


def resolve_clusterer(
    settings: ClusteringSettings, estimator: FitPredict | None = None
) -> Clusterer:
    """Return the clusterer of the settings, or an object in its place.

    Raises:
        SettingsError: the clusterer is unknown, or the object or its parameters cannot be used.
    """
    resolved = _resolve("clustering", settings, estimator, CLUSTERERS, "fit_predict")
    clusterer: Clusterer = (
        EstimatorClusterer(resolved) if isinstance(resolved, _Estimator) else resolved
    )
    return clusterer


def _resolve(
    section: str,
    settings: ReductionSettings | ClusteringSettings,
    estimator: object,
    registry: Mapping[str, str],
    needed: str,
) -> Any:
    """Return an `_Estimator` of an object or import path, or the registry's entry of a name."""
    key = f"{section}.method"
    if estimator is not None:
        return _Estimator.from_object(key, estimator, needed)
    if settings.method in registry:
        _refuse_parameters(section, settings)
        return resolve_object(registry[settings.method])()
    check_name_or_path(key, settings.method, registry, needed)
    return _Estimator.from_path(key, settings.method, settings.parameters, needed)


def needs_reduction(method: str) -> bool:
    """Return whether embeddings are reduced before this clusterer if `reduction.method` is `auto`.

    A method that is no name of `CLUSTERERS` is taken for an import path, and not imported: it may
    record an object whose class cannot be imported.
    """
    if method not in CLUSTERERS:
        return EstimatorClusterer.needs_reduction
    return bool(resolve_object(CLUSTERERS[method]).needs_reduction)


def noise_reason(settings: ClusteringSettings, n: int) -> str:
    """Return why some of n ROIs are in no cluster, one sentence."""
    if settings.method not in CLUSTERERS:
        return EstimatorClusterer.noise_reason
    clusterer = resolve_clusterer(settings)
    return clusterer.noise_reason.format(size=clusterer.min_cluster_size(settings, n))


def record_estimators(
    settings: Settings, reducer: FitTransform | None, clusterer: FitPredict | None
) -> Settings:
    """Return the settings with the import paths of objects that replace reducer or clusterer.

    Their parameters are recorded as far as they are numbers, strings or truth values.
    """
    changes = {
        section: {"method": _qualified_name(estimator), "parameters": _plain_parameters(estimator)}
        for section, estimator in (("reduction", reducer), ("clustering", clusterer))
        if estimator is not None
    }
    return settings.replace(**changes)


def _refuse_parameters(name: str, section: ReductionSettings | ClusteringSettings) -> None:
    if section.parameters:
        raise SettingsError(
            f"{name}.parameters are for a {name}.method given by import path; {section.method} "
            f"has settings {name}.* of its own."
        )


def _parameter_names(factory: type) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(factory).parameters)
    except ValueError:  # classes of compiled modules may have no signature
        return frozenset()


def _parameters(estimator: Any) -> dict[str, Any]:
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        return {}
    return dict(estimator.get_params(deep=False))


def _plain_parameters(estimator: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in _parameters(estimator).items()
        if isinstance(value, (bool, int, float, str))
    }


def _qualified_name(estimator: Any) -> str:
    kind = estimator if isinstance(estimator, type) else type(estimator)
    return f"{kind.__module__}:{kind.__qualname__}"


def _as_array(value: Any, dtype: Any) -> npt.NDArray[Any] | None:
    try:
        return np.array(value, dtype=dtype)
    except (TypeError, ValueError):
        return None


def _shape(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}" if shape is None else f"an array of shape {tuple(shape)}"


def _sentence(error: Exception) -> str:
    """Return the first line of an error's message with a full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0].rstrip('.:')}."
