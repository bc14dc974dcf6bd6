"""Groups the bird sounds of unlabelled recordings into call types.

    import darksound as ds

    learner = ds.train(ds.load_rois("demo:train"), ds.Settings())
    scores = ds.evaluate(learner, ds.load_rois("demo:test"))
    result = ds.mec(ds.load_rois("recordings/"), learner, ds.Settings())

Names are imported when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darksound.cluster.embedding import embed
    from darksound.cluster.evaluation import Evaluation, evaluate
    from darksound.cluster.mec import mec
    from darksound.cluster.result import MecResult
    from darksound.data.download.command import download
    from darksound.data.images import ImageStore, build_images
    from darksound.data.rois import Problem, RoiSet
    from darksound.data.sources import load_rois
    from darksound.data.store import Store
    from darksound.data.stores import build_store
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
    from darksound.settings import Settings, load_settings

    __version__: str

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

_HOMES = {
    "CheckpointError": "errors",
    "DarksoundError": "errors",
    "DownloadError": "errors",
    "Evaluation": "cluster.evaluation",
    "ImageStore": "data.images",
    "InputError": "errors",
    "Learner": "meta.learners.base",
    "MecResult": "cluster.result",
    "Problem": "data.rois",
    "RoiSet": "data.rois",
    "RunError": "errors",
    "Settings": "settings",
    "SettingsError": "errors",
    "Store": "data.store",
    "WorkerError": "errors",
    "build_images": "data.images",
    "build_store": "data.stores",
    "download": "data.download.command",
    "embed": "cluster.embedding",
    "evaluate": "cluster.evaluation",
    "load_checkpoint": "meta.checkpoints",
    "load_rois": "data.sources",
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
