"""Reducers by name."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from darksound.cluster.normalise import normalise
from darksound.cluster.notes import Say, log_note
from darksound.cluster.reducers.base import Reducer, Vectors, identity
from darksound.cluster.reducers.pca import principal_components
from darksound.cluster.reducers.umap import umap
from darksound.errors import SettingsError
from darksound.settings import ReductionSettings

__all__ = ["REDUCERS", "map_coordinates", "reduce"]

#: Reducers by their names in the settings.
REDUCERS: Mapping[str, Reducer] = MappingProxyType(
    {"umap": umap, "pca": principal_components, "none": identity}
)
#: Points of a map lie apart so that a person sees each of them; UMAP's own default.
_MAP_MIN_DIST = 0.1


def reduce(
    embeddings: npt.NDArray[np.floating],
    settings: ReductionSettings,
    seed: int,
    say: Say = log_note,
) -> Vectors:
    """Normalise and reduce embeddings.

    Args:
        embeddings: `(n, dim)`, n at least 4, not all rows alike.
        settings: the reducer and how it works.
        seed: the same seed gives the same coordinates.
        say: takes a sentence where something is done differently from what was asked.

    Returns:
        Coordinates `(n, k)`.

    Raises:
        SettingsError: the reducer or its metric is unknown.
    """
    if settings.method not in REDUCERS:
        raise SettingsError(
            f"reduction.method is {settings.method!r}; there are {', '.join(REDUCERS)}."
        )
    x = normalise(np.asarray(embeddings, dtype=np.float32), settings.normalise)
    return REDUCERS[settings.method](x, settings, seed, say)


def map_coordinates(
    embeddings: npt.NDArray[np.floating], settings: ReductionSettings, seed: int
) -> Vectors:
    """Coordinates `(n, 2)` of embeddings `(n, dim)` for a map, by the reducer of the settings.

    Principal components where no reducer is set or there are too few ROIs for UMAP; whatever
    is missing is 0.
    """
    flat = settings.model_copy(update={"n_components": 2, "min_dist": _MAP_MIN_DIST, "repeats": 1})
    if flat.min_dist > flat.spread:
        flat = flat.model_copy(update={"min_dist": flat.spread})
    if settings.method == "none" or len(embeddings) < 8:
        flat = flat.model_copy(update={"method": "pca"})
    coordinates = np.zeros((len(embeddings), 2), dtype=np.float32)
    found = reduce(embeddings, flat, seed, say=_nothing_to_say) if len(embeddings) else coordinates
    coordinates[:, : found.shape[1]] = found
    return coordinates


def _nothing_to_say(sentence: str) -> None:
    """The map is for the eye; what was capped for it concerns no result."""
