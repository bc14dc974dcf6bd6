"""Settings of all stages, where they come from, and presets."""

from darksound.settings.audio import AudioSettings, FrontEndSettings, RoiSettings
from darksound.settings.clustering import (
    CatalogueSettings,
    ClusteringSettings,
    MecSettings,
    ReductionSettings,
)
from darksound.settings.compute import ComputeSettings, DownloadSettings, ReportSettings
from darksound.settings.learning import (
    AugmentationSettings,
    BackboneSettings,
    EmbeddingModelSettings,
    EpisodeSettings,
    EvaluationSettings,
    HeadSettings,
    LearnerSettings,
    PretrainingSettings,
    TrainingSettings,
)
from darksound.settings.models import Settings
from darksound.settings.presets import PRESETS
from darksound.settings.section import Section, check_name_or_path, resolve_object
from darksound.settings.segmentation import SegmentationSettings
from darksound.settings.sources import adopt_checkpoint, load_settings, to_toml

__all__ = [
    "PRESETS",
    "AudioSettings",
    "AugmentationSettings",
    "BackboneSettings",
    "CatalogueSettings",
    "ClusteringSettings",
    "ComputeSettings",
    "DownloadSettings",
    "EmbeddingModelSettings",
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
    "Section",
    "SegmentationSettings",
    "Settings",
    "TrainingSettings",
    "adopt_checkpoint",
    "check_name_or_path",
    "load_settings",
    "resolve_object",
    "to_toml",
]
