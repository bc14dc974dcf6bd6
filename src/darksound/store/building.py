"""The store that a backbone takes as its input."""

from collections.abc import Callable

from darksound.audio.embedding_models import InputKind, input_kind, resolve_embedding_model
from darksound.datasets.models import ensure_model
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.store.cached_store import ImageStore, add_windows, build_images
from darksound.store.contract import Store
from darksound.store.embeddings.table_store import build_table_store, resolve_table
from darksound.store.vector_store import build_vectors

__all__ = ["build_store", "resolve_backbone"]

_BUILDERS: dict[InputKind, Callable[[RoiSet, Settings, Progress, int], Store]] = {
    "images": build_images,
    "waveforms": build_vectors,
    "table": build_table_store,
}
_RESOLVERS: dict[InputKind, Callable[[Settings], Settings]] = {
    "images": lambda settings: settings,
    "waveforms": resolve_embedding_model,
    "table": resolve_table,
}


def build_store(
    rois: RoiSet,
    settings: Settings,
    progress: Progress = silent,
    versions: int = 0,
    *,
    windows: bool = False,
) -> Store:
    """Return the store that the backbone of the settings takes as its input.

    Rows that the cache lacks are computed. The same ROIs and settings give the same bytes,
    whatever the number of workers.

    Args:
        rois: ROIs of the store.
        settings: `backbone.name` selects the kind of store; see `build_images`, `build_vectors`
            and `build_table_store` for the other keys.
        progress: called with the number of ROIs done.
        versions: number of versions of each ROI with altered sound, besides the unaltered one; a
            table of embeddings has none.
        windows: also build images of windows of the ROIs that are longer than the ROI length, as
            `front_end.long_rois` says, for embeddings. Embedding models have windows of their own.

    Raises:
        InputError: no ROI can be read, or none has a vector.
        SettingsError: the settings cannot be used with these ROIs or on this machine.
        CheckpointError: the embedding model is not the one of the settings.
        DownloadError: a published embedding model is not on disk, and cannot be downloaded.
    """
    ensure_model(settings, progress)
    store = _BUILDERS[input_kind(settings.backbone)](rois, settings, progress, versions)
    return add_windows(store, progress) if windows and isinstance(store, ImageStore) else store


def resolve_backbone(settings: Settings, progress: Progress = silent) -> Settings:
    """Return the settings with `embedding_model` filled in, if the backbone takes vectors.

    A published model that is not on disk is downloaded.

    Args:
        settings: the backbone, and where models are downloaded from and to.
        progress: receives megabytes of the download.

    Raises:
        InputError: a table of embeddings cannot be read.
        SettingsError, CheckpointError: see `build_store`.
        DownloadError: the model cannot be downloaded.
    """
    ensure_model(settings, progress)
    return _RESOLVERS[input_kind(settings.backbone)](settings)
