"""The root of all settings: frozen pydantic models, one section per stage.

Names of backbones, learners, reducers and clusterers are plain strings here. The registry of each
validates them, since settings are loaded before anything heavy is imported.
"""

import hashlib
import json
from typing import Annotated

from pydantic import Field

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
from darksound.settings.section import Section
from darksound.settings.segmentation import SegmentationSettings

__all__ = ["Settings"]

# Keys of newer versions. With their defaults they are not part of the hash, so that images that
# older versions made with the same settings are used.
_LATER_KEYS = {"audio": {"channel"}, "front_end": {"cqt", "fade_shape"}}


class Settings(Section):
    """All settings of a run. The same settings, data and seed give the same labels.

    Settings are frozen; `replace` returns a changed copy. Each section is an attribute, and each
    key of a section has a description in `darksound settings` and in the reference of settings.

    Raises:
        SettingsError: a key is unknown, or a value is not allowed.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings(seed=7).replace(mec={"iterations": 5})
        >>> settings.seed, settings.mec.iterations
        (7, 5)
        >>> try:
        ...     settings.replace(mec={"iteration": 5})
        ... except ds.SettingsError as error:
        ...     print(error)
        There is no setting mec.iteration; did you mean iterations?
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        1979, description="Seed of all random numbers."
    )
    audio: AudioSettings = AudioSettings()
    rois: RoiSettings = RoiSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    front_end: FrontEndSettings = FrontEndSettings()
    backbone: BackboneSettings = BackboneSettings()
    embedding_model: EmbeddingModelSettings = EmbeddingModelSettings()
    head: HeadSettings = HeadSettings()
    learner: LearnerSettings = LearnerSettings()
    episodes: EpisodeSettings = EpisodeSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    reduction: ReductionSettings = ReductionSettings()
    clustering: ClusteringSettings = ClusteringSettings()
    mec: MecSettings = MecSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    pretraining: PretrainingSettings = PretrainingSettings()
    compute: ComputeSettings = ComputeSettings()
    download: DownloadSettings = DownloadSettings()
    report: ReportSettings = ReportSettings()

    def image_fingerprint(self) -> str:
        """Return a hash of the settings that images depend on: the key of the image cache."""
        return _digest({"audio": self.audio, "front_end": self.front_end})


def _digest(parts: dict[str, Section]) -> str:
    values = {}
    for name, section in parts.items():
        defaults = type(section)()
        unchanged = {
            key for key in _LATER_KEYS[name] if getattr(section, key) == getattr(defaults, key)
        }
        values[name] = section.model_dump(mode="json", exclude=unchanged)
        if values[name].get("long_rois") == "mean":
            # The images of windows are images of other ROIs; the image of the ROI is the same.
            values[name]["long_rois"] = "loudest"
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
