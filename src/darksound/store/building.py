"""The store that a backbone learns from, made of ROIs."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from darksound.audio.embedding_models import EMBEDDERS, TABLE, resolve_embedder, scheme_of
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.store.contract import Store
from darksound.store.embeddings.table_store import open_vectors, resolve_table
from darksound.store.image_store import build_images
from darksound.store.vector_store import build_vectors

__all__ = ["build_store", "resolve_backbone"]

_Builder = Callable[[RoiSet, Settings, Progress, int], Store]
# By the scheme of `backbone.name`; any other backbone hears images.
_BUILDERS: Mapping[str, _Builder] = MappingProxyType(
    {**dict.fromkeys(EMBEDDERS, build_vectors), TABLE: open_vectors}
)
_RESOLVERS: Mapping[str, Callable[[Settings], Settings]] = MappingProxyType(
    {**dict.fromkeys(EMBEDDERS, resolve_embedder), TABLE: resolve_table}
)


def build_store(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> Store:
    """What the backbone of the settings learns from: images, vectors of a model, or of a table.

    What is not in the cache yet is made. The same ROIs and settings give the same bytes, whatever
    the number of workers.

    Args:
        rois: what to learn from.
        settings: `backbone.name` says which kind of store it is; see `build_images`,
            `build_vectors` and `open_vectors`.
        progress: told of ROIs done.
        versions: number of versions of each ROI with altered sound, beside the unaltered; a table
            has none.

    Raises:
        InputError: no ROI can be read, or none has a vector.
        SettingsError: the settings cannot be met.
        CheckpointError: the embedder is not the one that the settings hold.
    """
    return _BUILDERS.get(scheme_of(settings), build_images)(rois, settings, progress, versions)


def resolve_backbone(settings: Settings) -> Settings:
    """The settings with `embedder` filled in where the backbone learns from vectors.

    Raises:
        InputError: a table of embeddings cannot be read.
        SettingsError, CheckpointError: see `build_store`.
    """
    resolve = _RESOLVERS.get(scheme_of(settings))
    return settings if resolve is None else resolve(settings)
