"""Settings of every stage, their sources and presets."""

from darksound.settings.augmentation import AugmentationSettings
from darksound.settings.clustering import ClusteringSettings, ReductionSettings
from darksound.settings.download import DownloadSettings
from darksound.settings.embedder import EmbedderSettings
from darksound.settings.head import HeadSettings
from darksound.settings.mec import MecSettings
from darksound.settings.models import (
    AudioSettings,
    BackboneSettings,
    ComputeSettings,
    EpisodeSettings,
    EvaluationSettings,
    FrontEndSettings,
    LearnerSettings,
    RoiSettings,
    Settings,
    TrainingSettings,
)
from darksound.settings.presets import PRESETS
from darksound.settings.pretraining import PretrainingSettings
from darksound.settings.report import ReportSettings
from darksound.settings.segmentation import SegmentationSettings
from darksound.settings.sources import adopt, load_settings, to_toml

__all__ = [
    "PRESETS",
    "AudioSettings",
    "AugmentationSettings",
    "BackboneSettings",
    "ClusteringSettings",
    "ComputeSettings",
    "DownloadSettings",
    "EmbedderSettings",
    "EpisodeSettings",
    "EvaluationSettings",
    "FrontEndSettings",
    "HeadSettings",
    "LearnerSettings",
    "MecSettings",
    "PretrainingSettings",
    "ReductionSettings",
    "ReportSettings",
    "RoiSettings",
    "SegmentationSettings",
    "Settings",
    "TrainingSettings",
    "adopt",
    "load_settings",
    "to_toml",
]
