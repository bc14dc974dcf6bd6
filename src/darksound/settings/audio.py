"""Settings of reading audio, of ROIs and of the front end."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darksound.settings.section import Decibels, Hertz, Section, Share

__all__ = [
    "AudioSettings",
    "ChannelMix",
    "FolderMeaning",
    "FrontEndSettings",
    "RoiMode",
    "RoiSettings",
]

# Length of windows while the ROI length is still to be chosen from the ROIs.
_WINDOW_S = 3.0
_Margin = Annotated[float, Field(ge=1, le=1_000_000)]

RoiMode = Literal["auto", "whole", "windows", "segment", "annotations"]
#: What the names of folders of recordings are.
FolderMeaning = Literal["auto", "site", "label", "none"]
Channel = Literal["level", "floored", "height", "harmonic", "percussive", "delta", "power"]
#: How several channels of a recording become one: their mean, or the first alone.
ChannelMix = Literal["mean", "first"]


class AudioSettings(Section):
    """How audio is read."""

    sample_rate: Annotated[int, Field(ge=4000, le=384_000)] | Literal["native"] = Field(
        48_000,
        description="Sampling rate in Hz to which every ROI is resampled; `native`: the rate of "
        "the recording.",
    )
    channel: ChannelMix = Field(
        "mean",
        description="What ROIs of recordings with several channels are made of: the mean of the "
        "channels, or the first.",
    )
    roi_s: Annotated[float, Field(ge=0.05, le=60)] | Literal["auto"] = Field(
        "auto",
        description="ROI length in seconds: ROIs are cut or padded to it. `auto`: 0.25, 0.5, 1, "
        "2, 3 or 6, chosen from the durations of the ROIs.",
    )

    @property
    def window_s(self) -> float:
        """Return the length in seconds of the windows of a recording: the ROI length, or 3."""
        return _WINDOW_S if self.roi_s == "auto" else self.roi_s


class RoiSettings(Section):
    """How ROIs are taken from recordings that have no annotated times."""

    mode: RoiMode = Field(
        "auto",
        description="`whole`: one ROI per file. `windows`: consecutive windows of the ROI "
        "length. `segment`: segmentation. `annotations`: the times in the annotation files of "
        "the folder. `auto`: `whole` for files of up to twice the ROI length; longer files are "
        "segmented if their name or header has a recording time, else cut into windows.",
    )
    folders: FolderMeaning = Field(
        "auto",
        description="What folders of recordings are: `site`, `label` or `none`. `auto`: sites "
        "where recordings have a recorder's name or header, where a table of sites names the "
        "folders, or where their names are those of places, such as `site-3`; else labels.",
    )
    sites: str | None = Field(
        None,
        description="CSV table of sites: which recordings are of which site, coordinates, start "
        "and end of the deployment, time zone and covariates; none: no table.",
    )
    label_column: str | None = Field(
        None,
        description="Column of Raven selection tables that holds the label; none: the first of "
        "the usual names, such as Annotation or Species.",
    )
    window_threshold_db: Decibels = Field(
        20.0,
        description="Windows whose level is more than this many dB below the loudest window of "
        "the file are skipped.",
    )


class FrontEndSettings(Section):
    """How the waveform of a ROI becomes an image."""

    representation: Literal["mel", "spec", "cqt"] = Field(
        "mel", description="Mel spectrogram, linear power spectrogram or constant-Q transform."
    )
    n_fft: Annotated[int, Field(ge=32, le=65_536)] | Literal["auto"] = Field(
        "auto",
        description="Length of the FFT window in samples; `auto`: 1024 at 48 kHz, down to 512 "
        "for short hops.",
    )
    hop: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"] = Field(
        "auto", description="Hop length in samples; `auto`: a ROI has `n_frames` frames."
    )
    n_frames: Annotated[int, Field(ge=8, le=4096)] = Field(
        192, description="Width of the image if `hop` is `auto`."
    )
    widen_from_s: Annotated[float, Field(ge=0.01, le=3600)] = Field(
        3.0,
        description="If `hop` is `auto`, images of ROIs longer than this many seconds become "
        "wider in proportion.",
    )
    n_bands: Annotated[int, Field(ge=8, le=1024)] = Field(
        112,
        description="Number of mel bands, or of CQT bins. Ignored by `spec` and by the `published` "
        "CQT.",
    )
    cqt: Literal["power", "published"] = Field(
        "power",
        description="`power`: squared magnitude, 24 bins per octave from `low_hz`, which need "
        "`n_bands` 151 to reach 11.5 kHz from 150 Hz. `published`: "
        "magnitude of 84 bins, 12 per octave from C1 (32.7 Hz), as `librosa.cqt`.",
    )
    low_hz: Hertz = Field(150.0, description="Lowest frequency of the image in Hz.")
    high_hz: Annotated[float, Field(gt=0, le=1_000_000)] | Literal["nyquist"] = Field(
        11_500.0, description="Highest frequency of the image in Hz."
    )
    fade_shape: Literal["quarter_sine", "half_sine"] = Field(
        "quarter_sine",
        description="Gain of the fade in and out, for x from 0 to 1. `quarter_sine`: sin(pi/2 x). "
        "`half_sine`: sin(pi x - pi/2)/2 + 1/2. Names as in torchaudio.",
    )
    fade_s: Annotated[float, Field(ge=0, le=60)] = Field(
        0.1, description="Length in seconds of the fade in and of the fade out."
    )
    fade_share: Share = Field(
        0.25,
        description="Longest fade, as a share of the ROI's duration. Above 0.5, both fades overlap "
        "in short ROIs, and their gains multiply.",
    )
    long_rois: Literal["mean", "loudest", "start"] = Field(
        "mean",
        description="What is used of a ROI that exceeds the ROI length. `mean`: up to 10 windows "
        "at equal steps, whose embeddings of unit length are averaged; training uses the loudest "
        "part. `loudest`, `start`: that part alone.",
    )
    hpss: bool = Field(
        False, description="Separate harmonic and percussive parts (median-filter HPSS)."
    )
    hpss_kernel: Annotated[int, Field(ge=3, le=301)] = Field(
        31, description="Length of both median filters of HPSS."
    )
    hpss_margin: tuple[_Margin, _Margin] = Field(
        (1.0, 5.0), description="HPSS margins of the harmonic and of the percussive mask."
    )
    remove_background: Literal[False, "median", "maad"] = Field(
        False,
        description="Remove stationary background first. `median`: subtract each band's median "
        "power over the ROI. `maad`: attenuate by the signal-to-noise ratio, as "
        "`maad.sound.remove_background`.",
    )
    decibels: Literal["power", "published"] = Field(
        "power",
        description="`power`: 10 log10 of power, relative to the ROI's maximum. `published`: "
        "20 log10 of power with a floor of 1e-5 and a range of 80 dB.",
    )
    channels: tuple[Channel, Channel, Channel] = Field(
        ("level", "floored", "height"),
        description="The three channels: `level` (dB), `floored` (dB above the stationary noise "
        "floor), `height` (frequency as a ramp), `harmonic`, `percussive`, `delta`; `power` (raw "
        "power, neither in dB nor scaled to [0, 1]; it needs `compute.cache_dtype` `float16`).",
    )
    level_range_db: Annotated[float, Field(gt=0, le=1000)] = Field(
        50.0, description="Dynamic range of the channel `level` in dB."
    )
    floored_range_db: Annotated[float, Field(gt=0, le=1000)] = Field(
        40.0, description="Dynamic range of the channel `floored` in dB."
    )
    floor_percentile: Annotated[float, Field(ge=0, le=100)] = Field(
        30.0, description="Percentile over frames that estimates a band's stationary noise floor."
    )
    floor_bands: Annotated[int, Field(ge=1, le=4095)] = Field(
        17, description="Number of bands of the median filter that smooths the noise floor."
    )
    band_limits: Literal["segmented", "all", "none"] = Field(
        "segmented",
        description="Which ROIs are attenuated outside their frequency bounds: those found by "
        "segmentation, all that have bounds, or none.",
    )
    band_attenuation_db: Decibels = Field(
        40.0, description="Attenuation outside the frequency bounds in dB."
    )
    fit: Literal["whole", "crop"] = Field(
        "whole",
        description="How images are resized for torchvision backbones. `whole`: to 224 x 224. "
        "`crop`: shorter side to 256, then a centre crop of 224.",
    )

    @model_validator(mode="after")
    def _edges_in_order(self) -> Self:
        if self.high_hz != "nyquist" and self.high_hz <= self.low_hz:
            raise ValueError(f"high_hz must be above low_hz ({self.low_hz:g})")
        if self.hpss_kernel % 2 == 0 or self.floor_bands % 2 == 0:
            raise ValueError("hpss_kernel and floor_bands must be odd")
        return self

    def frames(self, roi_s: float) -> int:
        """Return the image width for a ROI length in seconds, if `hop` is `auto`."""
        return round(self.n_frames * max(1.0, roi_s / self.widen_from_s))
