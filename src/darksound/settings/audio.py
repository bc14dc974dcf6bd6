"""Settings of reading sound, of ROIs and of the front end."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darksound.settings.section import Section

__all__ = ["AudioSettings", "FrontEndSettings", "RoiSettings"]

# Where the ROI length is still to be chosen from ROIs, files are cut into windows of this length.
_WINDOW_S = 3.0

Channel = Literal["level", "floored", "height", "harmonic", "percussive", "delta"]


class AudioSettings(Section):
    """How sound is read."""

    sample_rate: Annotated[int, Field(ge=4000, le=384_000)] | Literal["native"] = Field(
        48_000, description="Rate in Hz that every ROI is resampled to, or `native`."
    )
    roi_s: Annotated[float, Field(ge=0.05, le=60)] | Literal["auto"] = Field(
        "auto",
        description="Length in seconds that every ROI is brought to; `auto` chooses 0.25, 0.5, 1, "
        "2, 3 or 6 from the ROIs' own durations.",
    )

    @property
    def window_s(self) -> float:
        """Length in seconds of the windows that files are cut into: the ROI length, or 3."""
        return _WINDOW_S if self.roi_s == "auto" else self.roi_s


class RoiSettings(Section):
    """What becomes of a file that has no times."""

    mode: Literal["auto", "whole", "windows", "segment", "annotations"] = Field(
        "auto",
        description="`whole`: the file is one ROI; `windows`: consecutive windows of the ROI "
        "length; `segment`: the sound units found in it; `annotations`: what the annotation files "
        "in the folder mark; `auto`: whole up to twice the ROI length, above it segments where "
        "the file tells when a recorder made it, else windows.",
    )
    label_column: str | None = Field(
        None,
        description="Column of Raven tables that holds the label; none: the first of the usual "
        "names, such as Annotation or Species.",
    )
    window_floor_db: Annotated[float, Field(ge=0)] = Field(
        20.0, description="Windows this many dB below the file's loudest one are left out."
    )


class FrontEndSettings(Section):
    """How a waveform becomes an image."""

    representation: Literal["mel", "spec", "cqt"] = Field(
        "mel", description="Mel spectrogram, linear power spectrogram or constant-Q transform."
    )
    n_fft: Annotated[int, Field(ge=32, le=65_536)] | Literal["auto"] = Field(
        "auto",
        description="Window in samples; `auto`: 1024 at 48 kHz, shrinking with the hop to 512.",
    )
    hop: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Hop in samples; `auto`: such that a ROI gives `n_frames` frames."
    )
    n_frames: Annotated[int, Field(ge=8, le=4096)] = Field(
        192, description="Width of the image where the hop is `auto`."
    )
    widen_from_s: Annotated[float, Field(gt=0)] = Field(
        3.0,
        description="ROI length in seconds above which an image gets wider, where the hop is "
        "`auto`, in place of showing less detail.",
    )
    n_bands: Annotated[int, Field(ge=8, le=1024)] = Field(
        96, description="Mel bands, or CQT bins (24 an octave); a linear spectrogram has its own."
    )
    low_hz: Annotated[float, Field(ge=0)] = Field(500.0, description="Lower edge of the bands.")
    high_hz: Annotated[float, Field(gt=0)] | Literal["nyquist"] = Field(
        11_500.0, description="Upper edge of the bands."
    )
    fade_s: Annotated[float, Field(ge=0)] = Field(
        0.1, description="Half-sine fade in and out, in seconds."
    )
    fade_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.25, description="A fade is never longer than this share of its ROI."
    )
    long_rois: Literal["loudest", "start"] = Field(
        "loudest", description="Which part of a ROI longer than the ROI length is kept."
    )
    hpss: bool = Field(False, description="Separate harmonic and percussive parts.")
    hpss_kernel: Annotated[int, Field(ge=3, le=301)] = Field(
        31, description="Length of both median filters."
    )
    hpss_margin: tuple[Annotated[float, Field(ge=1)], Annotated[float, Field(ge=1)]] = Field(
        (1.0, 5.0), description="Margins of the harmonic and of the percussive mask."
    )
    remove_background: bool = Field(
        False, description="Subtract each band's median power over the ROI before anything else."
    )
    decibels: Literal["power", "published"] = Field(
        "power",
        description="`power`: 10 log10 against the ROI's peak; `published`: 20 log10 applied to "
        "power, with a floor of 1e-5 and 80 dB of range.",
    )
    channels: tuple[Channel, Channel, Channel] = Field(
        ("level", "floored", "height"), description="What the three channels show."
    )
    level_range_db: Annotated[float, Field(gt=0)] = Field(
        50.0, description="Range of the `level` channel."
    )
    floored_range_db: Annotated[float, Field(gt=0)] = Field(
        40.0, description="Range of the `floored` channel."
    )
    floor_percentile: Annotated[float, Field(ge=0, le=100)] = Field(
        30.0, description="Percentile over frames that counts as a band's stationary floor."
    )
    floor_bands: Annotated[int, Field(ge=1)] = Field(
        17, description="Bands over which the floor is smoothed by a median."
    )
    band_limits: Literal["segmented", "all", "none"] = Field(
        "segmented",
        description="Which ROIs with frequency bounds are attenuated outside them: those that "
        "segmentation found, all, or none.",
    )
    band_attenuation_db: Annotated[float, Field(ge=0)] = Field(
        40.0, description="How much they are attenuated there."
    )
    fit: Literal["whole", "crop"] = Field(
        "whole",
        description="How an image meets a torchvision backbone: resized whole to 224 x 224, or "
        "shorter side to 256 and centre crop of 224.",
    )

    @model_validator(mode="after")
    def _edges_in_order(self) -> Self:
        if self.high_hz != "nyquist" and self.high_hz <= self.low_hz:
            raise ValueError(f"high_hz must lie above low_hz ({self.low_hz:g})")
        if self.hpss_kernel % 2 == 0 or self.floor_bands % 2 == 0:
            raise ValueError("hpss_kernel and floor_bands must be odd")
        return self

    def frames(self, roi_s: float) -> int:
        """Width of the image of a ROI of this length, where the hop is `auto`."""
        return round(self.n_frames * max(1.0, roi_s / self.widen_from_s))
