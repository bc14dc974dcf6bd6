"""Settings of every stage, their sources and presets."""

from darksound.settings.download import DownloadSettings
from darksound.settings.models import (
    AudioSettings,
    AugmentationSettings,
    BackboneSettings,
    ClusteringSettings,
    ComputeSettings,
    EpisodeSettings,
    EvaluationSettings,
    FrontEndSettings,
    LearnerSettings,
    MecSettings,
    ReductionSettings,
    RoiSettings,
    Settings,
    TrainingSettings,
)
from darksound.settings.presets import PRESETS
from darksound.settings.pretraining import PretrainingSettings
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
    "EpisodeSettings",
    "EvaluationSettings",
    "FrontEndSettings",
    "LearnerSettings",
    "MecSettings",
    "PretrainingSettings",
    "ReductionSettings",
    "RoiSettings",
    "SegmentationSettings",
    "Settings",
    "TrainingSettings",
    "adopt",
    "load_settings",
    "to_toml",
]
