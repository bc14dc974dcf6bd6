"""Settings of what training does to ROIs."""

from typing import Annotated

from pydantic import Field

from darksound.settings.section import Section, Share

__all__ = ["AugmentationSettings"]


class AugmentationSettings(Section):
    """What training does to ROIs so that the learner hears past the recording."""

    enabled: bool = Field(True, description="Augment while training.")
    sound_versions: Annotated[int, Field(ge=0, le=32)] = Field(
        2, description="Versions of each ROI with altered sound, made once and cached."
    )
    noise_snr_db: tuple[float, float] = Field((0.0, 25.0), description="SNR of added noise.")
    gain_db: tuple[float, float] = Field((-12.0, 6.0), description="Gain before the front end.")
    tilt_db: Annotated[float, Field(ge=0)] = Field(
        12.0, description="Largest slope of an added spectral tilt, dB over the band."
    )
    neighbour_db: tuple[float, float] = Field(
        (-24.0, -9.0), description="Level of another ROI mixed in."
    )
    neighbour_share: Share = Field(0.5, description="Share of versions with a neighbour mixed in.")
    time_shift: Share = Field(0.15, description="Largest shift, as a share of the width.")
    time_mask: Share = Field(0.12, description="Largest time mask, as a share of the width.")
    frequency_mask: Share = Field(0.12, description="Largest frequency mask, share of height.")
    level: Share = Field(0.1, description="Largest change of brightness and contrast.")
    vector_noise: Annotated[float, Field(ge=0)] = Field(
        0.2, description="Noise added to embeddings, in standard deviations of each dimension."
    )
    vector_drop: Share = Field(0.1, description="Share of an embedding's dimensions lost.")
    vector_mix: Share = Field(
        0.2, description="Largest share of another ROI's embedding that is mixed in."
    )

    @property
    def versions(self) -> int:
        """Altered versions of each ROI that training uses: none where it does not augment."""
        return self.sound_versions if self.enabled else 0
