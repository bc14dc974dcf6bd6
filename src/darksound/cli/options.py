"""Command-line options in groups that commands share, and the settings that they stand for.

A command takes a group as one parameter; see `darksound.cli.flattening`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

import typer

from darksound.cli.completion import (
    complete_backbone,
    complete_data,
    complete_setting,
    complete_weights,
)
from darksound.meta.learners import LEARNERS
from darksound.settings import PRESETS
from darksound.settings.audio import FolderMeaning, RoiMode
from darksound.settings.compute import Device
from darksound.settings.learning import Regime
from darksound.settings.segmentation import Grouping
from darksound.text import path_text

__all__ = [
    "CheckpointOptions",
    "CommonOptions",
    "DaskOptions",
    "DataOptions",
    "Flags",
    "FoldersOption",
    "LearnerOptions",
    "PageOptions",
    "RunOptions",
    "SegmentationOptions",
    "SitesOption",
    "TrainingOptions",
]


def _listed(names: Iterable[str]) -> str:
    """Return names as text, such as `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}"


#: Nested settings; None for options that were not given.
Flags = Mapping[str, Any]

if TYPE_CHECKING:
    Preset = str
    Method = str
else:
    # Names in registries are not known to type checkers.
    Preset = Literal[tuple(PRESETS)]
    Method = Literal[tuple(LEARNERS)]


@dataclass(frozen=True)
class CommonOptions:
    """Sources of settings, devices and verbosity; all commands have these options."""

    panel: ClassVar[str] = "Common"

    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in a TOML file.")
    ] = None
    preset: Annotated[
        Preset | None,
        typer.Option(metavar="NAME", help=f"Settings to start from: {_listed(PRESETS)}."),
    ] = None
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            autocompletion=complete_setting,
            help="Change any setting, such as mec.iterations=3; repeatable. darksound settings "
            "lists them.",
        ),
    ] = None
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all random numbers.")] = (
        None
    )
    device: Annotated[
        Device | None,
        typer.Option(metavar="NAME", help=f"Device of PyTorch: {_listed(get_args(Device))}."),
    ] = None
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Number of worker processes, or auto. It changes no result."
        ),
    ] = None
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show debug messages, and tracebacks of errors."),
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show results, warnings and errors only.")
    ] = False

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {"seed": self.seed, "compute": {"device": self.device, "workers": self.workers}}


@dataclass(frozen=True)
class RunOptions:
    """The run directory."""

    panel: ClassVar[str] = "Run"

    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Run directory; default: runs/COMMAND-TIME."),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Resume the run in --out, or the newest run of this command."
        ),
    ] = False
    verify_cache: Annotated[
        bool,
        typer.Option(
            "--verify-cache",
            help="Compare the content of recordings with that of cached results, not only size "
            "and time.",
        ),
    ] = False

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {"compute": {"verify_cache": self.verify_cache or None}}


#: What folders of recordings are.
FoldersOption = Annotated[
    FolderMeaning | None,
    typer.Option(
        metavar="MEANING",
        help=f"What folders of recordings are: {_listed(get_args(FolderMeaning))}.",
    ),
]
#: The table of sites.
SitesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV table of sites: site, and folder, pattern or recorder; latitude, longitude, "
        "start, end, time_zone, covariates.",
    ),
]


@dataclass(frozen=True)
class DataOptions:
    """The ROIs."""

    panel: ClassVar[str] = "Data"

    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            autocompletion=complete_data,
            help="A folder of recordings, a .csv or .parquet table, annotations (.txt), "
            "demo[:train|val|test], or a published set such as darksound-2023[:SPLIT]; repeatable.",
        ),
    ] = None
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder that the recordings of a table are relative to."),
    ] = None
    rois: Annotated[
        RoiMode | None,
        typer.Option(
            metavar="MODE",
            help=f"ROIs of files without annotated times: {_listed(get_args(RoiMode))}.",
        ),
    ] = None
    roi_length: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="ROI length, or auto.")
    ] = None
    folders: FoldersOption = None
    sites: SitesOption = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        sites = None if self.sites is None else path_text(self.sites.absolute())
        return {
            "rois": {"mode": self.rois, "folders": self.folders, "sites": sites},
            "audio": {"roi_s": self.roi_length},
        }


@dataclass(frozen=True)
class SegmentationOptions:
    """Which sounds of recordings are ROIs, and which ROIs are used."""

    panel: ClassVar[str] = "Segmentation"

    low_hz: Annotated[
        float | None, typer.Option(metavar="HZ", help="Lowest frequency to search.")
    ] = None
    high_hz: Annotated[
        float | None, typer.Option(metavar="HZ", help="Highest frequency to search.")
    ] = None
    group: Annotated[
        Grouping | None,
        typer.Option(
            metavar="NAME",
            help="What a ROI is: each unit, or a phrase of units that follow a rhythm.",
        ),
    ] = None
    keep_chorus: Annotated[
        bool,
        typer.Option(
            "--keep-chorus",
            help="Embed and cluster ROIs of insects and frogs in chorus, too; segment writes them "
            "in any case.",
        ),
    ] = False
    min_call_score: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Embed and cluster ROIs with at least this probability of an animal's call; 0: "
            "all. segment writes all.",
        ),
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {
            "segmentation": {
                "low_hz": self.low_hz,
                "high_hz": self.high_hz,
                "group": self.group,
                "keep_chorus": self.keep_chorus or None,
                "min_call_score": self.min_call_score,
            }
        }


@dataclass(frozen=True)
class DaskOptions:
    """Workers on other machines."""

    panel: ClassVar[str] = "Run"

    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler whose workers segment, compute images and embed.",
        ),
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {"compute": {"dask": self.dask}}


@dataclass(frozen=True)
class CheckpointOptions:
    """A trained learner."""

    panel: ClassVar[str] = "Model"

    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Trained learner: a run directory or a weights file; default: bundled weights.",
        ),
    ] = None


@dataclass(frozen=True)
class LearnerOptions:
    """Learner and backbone."""

    panel: ClassVar[str] = "Model"

    method: Annotated[
        Method | None,
        typer.Option(metavar="NAME", help=f"Few-shot learner: {_listed(LEARNERS)}."),
    ] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_backbone,
            help="small, a torchvision classifier such as resnet18, birdnet, birdnet3, perch2, "
            "onnx:FILE or tflite:FILE.",
        ),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_weights,
            help="Weights of the backbone: darksound, imagenet, none or a weights file.",
        ),
    ] = None
    embeddings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table of embeddings, instead of a backbone. Without --data it also lists the "
            "ROIs.",
        ),
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options.

        Raises:
            typer.BadParameter: both a backbone and embeddings are given.
        """
        if self.embeddings is not None and self.backbone is not None:
            raise typer.BadParameter("Give --backbone or --embeddings, not both.")
        table = None if self.embeddings is None else f"embeddings:{self.embeddings}"
        return {
            "learner": {"method": self.method},
            "backbone": {"name": self.backbone or table, "weights": self.weights},
        }


@dataclass(frozen=True)
class TrainingOptions:
    """How a learner is trained."""

    panel: ClassVar[str] = "Training"

    regime: Annotated[
        Regime | None,
        typer.Option(
            metavar="NAME", help=f"How the backbone is trained: {_listed(get_args(Regime))}."
        ),
    ] = None
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Largest number of epochs.")] = (
        None
    )

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {"training": {"regime": self.regime, "epochs": self.epochs}}


@dataclass(frozen=True)
class PageOptions:
    """Contents of the report page."""

    panel: ClassVar[str] = "Report"

    report_mb: Annotated[
        float | None,
        typer.Option(metavar="MB", help="Largest size of report.html; default: 50."),
    ] = None
    external_media: Annotated[
        bool,
        typer.Option(
            "--external-media", help="Store clips and images in a folder beside report.html."
        ),
    ] = False
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Language of report.html: en, es, pt, fr or auto (the default)."
        ),
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {
            "report": {
                "page_mb": self.report_mb,
                "external_media": self.external_media or None,
                "language": self.language,
            }
        }
