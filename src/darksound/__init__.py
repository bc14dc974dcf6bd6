"""Groups the bird sounds of unlabelled recordings into call types.

    import darksound as ds

    learner = ds.train(ds.load_rois("demo:train"), ds.Settings())
    scores = ds.evaluate(learner, ds.load_rois("demo:test"))
    result = ds.mec(ds.load_rois("recordings/"), learner, ds.Settings())

Names are imported when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "CheckpointError",
    "DarksoundError",
    "DownloadError",
    "Evaluation",
    "ImageStore",
    "InputError",
    "Learner",
    "MecResult",
    "Problem",
    "RoiSet",
    "RunError",
    "Settings",
    "SettingsError",
    "Store",
    "WorkerError",
    "__version__",
    "build_images",
    "build_store",
    "download",
    "embed",
    "evaluate",
    "load_checkpoint",
    "load_rois",
    "load_settings",
    "mec",
    "train",
]

if TYPE_CHECKING:
    from darksound.cluster.embedding import embed
    from darksound.cluster.evaluation import Evaluation, evaluate
    from darksound.cluster.mec import mec
    from darksound.cluster.result import MecResult
    from darksound.datasets.command import download
    from darksound.errors import (
        CheckpointError,
        DarksoundError,
        DownloadError,
        InputError,
        RunError,
        SettingsError,
        WorkerError,
    )
    from darksound.meta.checkpoints import load_checkpoint
    from darksound.meta.learners.base import Learner
    from darksound.meta.training import train
    from darksound.rois.roi_set import Problem, RoiSet
    from darksound.settings import Settings, load_settings
    from darksound.sources import load_rois
    from darksound.store.building import build_store
    from darksound.store.contract import Store
    from darksound.store.image_store import ImageStore, build_images

    __version__: str


_HOMES = {
    "CheckpointError": "errors",
    "DarksoundError": "errors",
    "DownloadError": "errors",
    "Evaluation": "cluster.evaluation",
    "ImageStore": "store.image_store",
    "InputError": "errors",
    "Learner": "meta.learners.base",
    "MecResult": "cluster.result",
    "Problem": "rois.roi_set",
    "RoiSet": "rois.roi_set",
    "RunError": "errors",
    "Settings": "settings",
    "SettingsError": "errors",
    "Store": "store.contract",
    "WorkerError": "errors",
    "build_images": "store.image_store",
    "build_store": "store.building",
    "download": "datasets.command",
    "embed": "cluster.embedding",
    "evaluate": "cluster.evaluation",
    "load_checkpoint": "meta.checkpoints",
    "load_rois": "sources",
    "load_settings": "settings",
    "mec": "cluster.mec",
    "train": "meta.training",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("darksound")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
