# The public names and their modules; `__init__.py` reads this file to import them on first use.
from .api import build_store, embed, evaluate, mec, train
from .catalogue.catalogue import Catalogue
from .cluster.evaluation import Evaluation
from .datasets.download import download
from .errors import (
    CheckpointError,
    DarksoundError,
    DownloadError,
    InputError,
    RunError,
    SettingsError,
    WorkerError,
)
from .meta.checkpoints import load_checkpoint, save_checkpoint
from .meta.learners.base import Learner
from .meta.torch_datasets import Darksound, EpisodeBatchSampler, RoiDataset, episode_collate
from .report.result import MecResult, read_run
from .report.review_plan import review_plan
from .report.review_report import review_report
from .report.reviewing import group_rois, save_review, split_cluster
from .report.search import search
from .rois.review import Review, read_review
from .rois.roi_set import Problem, RoiSet
from .settings import Settings, load_settings
from .sources import load_rois
from .store.contract import Store

__version__: str
"""The version of the package."""
__all__ = [
    "Catalogue",
    "CheckpointError",
    "Darksound",
    "DarksoundError",
    "DownloadError",
    "EpisodeBatchSampler",
    "Evaluation",
    "InputError",
    "Learner",
    "MecResult",
    "Problem",
    "Review",
    "RoiDataset",
    "RoiSet",
    "RunError",
    "Settings",
    "SettingsError",
    "Store",
    "WorkerError",
    "__version__",
    "build_store",
    "download",
    "embed",
    "episode_collate",
    "evaluate",
    "group_rois",
    "load_checkpoint",
    "load_rois",
    "load_settings",
    "mec",
    "read_review",
    "read_run",
    "review_plan",
    "review_report",
    "save_checkpoint",
    "save_review",
    "search",
    "split_cluster",
    "train",
]
