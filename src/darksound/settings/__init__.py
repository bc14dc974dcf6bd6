"""Settings of every stage, their sources and presets."""

from darksound.settings.clustering import ClusteringSettings, MecSettings, ReductionSettings
from darksound.settings.compute import DownloadSettings, ReportSettings
from darksound.settings.learning import (
    AugmentationSettings,
    EmbedderSettings,
    HeadSettings,
    PretrainingSettings,
)
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
