"""Options of the commands, in groups that commands share, and the settings that they stand for.

A command takes a group as one parameter; `flattened` spells it out as one option a field.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

__all__ = [
    "CheckpointOptions",
    "ClusterOptions",
    "CommonOptions",
    "DataOptions",
    "DownloadOptions",
    "ExportOptions",
    "LearnerOptions",
    "LoopOptions",
    "PageOptions",
    "RunOptions",
    "SegmentOptions",
    "TrainingOptions",
    "flattened",
]

Flags = Mapping[str, Any]


@dataclass(frozen=True)
class CommonOptions:
    """Where settings come from and what is shown; every command has these."""

    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Settings file."),
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="default, thesis-2023 or paper-2024."),
    ] = None
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Any setting; may be repeated. darksound settings shows them all.",
        ),
    ] = None
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of everything.")] = None
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="auto, cpu, cuda or mps."),
    ] = None
    workers: Annotated[
        str | None,
        typer.Option(metavar="N", help="Workers that read sound, or auto. They change no result."),
    ] = None
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell more; tracebacks of our faults.")
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show results, warnings and errors alone.")
    ] = False

    def flags(self) -> Flags:
        """The settings among them, nested, None where not given."""
        return {"seed": self.seed, "compute": {"device": self.device, "workers": self.workers}}


@dataclass(frozen=True)
class RunOptions:
    """Where results go."""

    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Run directory; default: runs/COMMAND-TIME."),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --out, or with the newest of this command."
        ),
    ] = False


@dataclass(frozen=True)
class DataOptions:
    """Which ROIs."""

    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="demo[:train|val|test], a folder of recordings, a .csv or .parquet table, "
            "annotations (.txt), or darksound-2023[:SPLIT]; may be repeated.",
        ),
    ] = None
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What a table's recordings are relative to."),
    ] = None
    rois: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="What becomes of files without times: auto, whole, windows, segment or "
            "annotations.",
        ),
    ] = None
    roi_length: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="Length of a ROI, or auto."),
    ] = None

    def flags(self) -> Flags:
        """The settings among them, nested, None where not given."""
        return {"rois": {"mode": self.rois}, "audio": {"roi_s": self.roi_length}}


@dataclass(frozen=True)
class SegmentOptions:
    """How sound units are found."""

    roi_length: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="Longer units are cut at their quietest points."),
    ] = None
    low_hz: Annotated[float | None, typer.Option(metavar="HZ", help="Lower edge of the band.")] = (
        None
    )
    high_hz: Annotated[float | None, typer.Option(metavar="HZ", help="Upper edge of the band.")] = (
        None
    )
    max_bad: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Stop if more recordings are unusable, such as 5%."),
    ] = None

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given."""
        return {
            "audio": {"roi_s": self.roi_length},
            "segmentation": {
                "low_hz": self.low_hz,
                "high_hz": self.high_hz,
                "max_bad": self.max_bad,
            },
        }


@dataclass(frozen=True)
class ClusterOptions:
    """Which other machines help."""

    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Scheduler of a Dask cluster whose workers segment, make images and embed.",
        ),
    ] = None

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given."""
        return {"compute": {"dask": self.dask}}


@dataclass(frozen=True)
class CheckpointOptions:
    """What has learnt already."""

    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A training run's directory, or a weights file; without one, the package's "
            "own weights.",
        ),
    ] = None


@dataclass(frozen=True)
class LearnerOptions:
    """What learns."""

    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="prototypical, matching or relation."),
    ] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="small, resnet18 or another torchvision classifier, birdnet, onnx:FILE, "
            "tflite:FILE.",
        ),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="darksound, imagenet, none or a weights file."),
    ] = None
    embeddings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Embeddings made elsewhere, in place of a backbone; without --data they name "
            "their ROIs themselves.",
        ),
    ] = None

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given.

        Raises:
            typer.BadParameter: a backbone and embeddings are given.
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
    """How it learns."""

    regime: Annotated[str | None, typer.Option(metavar="NAME", help="episodic or classical.")] = (
        None
    )
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Epochs at most.")] = None

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given."""
        return {"training": {"regime": self.regime, "epochs": self.epochs}}


@dataclass(frozen=True)
class LoopOptions:
    """How the loop of MEC goes."""

    iterations: Annotated[int | None, typer.Option(metavar="N", help="Fine-tunings at most.")] = (
        None
    )

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given."""
        return {"mec": {"iterations": self.iterations}}


@dataclass(frozen=True)
class PageOptions:
    """What the page of a run holds."""

    report_mb: Annotated[
        float | None,
        typer.Option(metavar="MB", help="What report.html may take; default: 50."),
    ] = None
    external_media: Annotated[
        bool,
        typer.Option(
            "--external-media", help="Put sound and pictures in a folder beside report.html."
        ),
    ] = False

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given."""
        return {
            "report": {"page_mb": self.report_mb, "external_media": self.external_media or None}
        }


@dataclass(frozen=True)
class DownloadOptions:
    """How published sets are come by."""

    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder that sets live in; default: DARKSOUND_DATA."),
    ] = None
    listing: Annotated[
        bool, typer.Option("--list", help="Show what there is, and what of it is on disk.")
    ] = False
    verifying: Annotated[
        bool, typer.Option("--verify", help="Hold what is on disk against what was recorded.")
    ] = False
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A mirror to ask first, with {set} and {split} in it."),
    ] = None
    md5: Annotated[
        str | None, typer.Option(metavar="MD5", help="What the one archive must have.")
    ] = None
    named: Annotated[
        str | None,
        typer.Option("--as", metavar="SET[:SPLIT]", help="What the one archive is."),
    ] = None

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given."""
        return {
            "compute": {"data_dir": self.root},
            "download": {"offline": self.offline or None, "mirror": self.mirror},
        }


@dataclass(frozen=True)
class ExportOptions:
    """What becomes of a run in another tool."""

    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help="raven, audacity, csv, parquet, clips or dataset."
        ),
    ]
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="File or folder that it goes to; default: in RUN/exports."
        ),
    ] = None
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="review.csv of the run: names, merges and rejections count."
        ),
    ] = None
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the recordings lie now, if they were moved."),
    ] = None
    audio: Annotated[
        Literal["wav", "flac"], typer.Option(help="Format of clips.", show_default=True)
    ] = "wav"
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export that is there.")
    ] = False


def flattened(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with each parameter that is a group of options spelled out for Typer."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    spelled: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        group = hints[name]
        if not is_dataclass(group):
            spelled.append(parameter.replace(annotation=group, kind=parameter.KEYWORD_ONLY))
            continue
        assert isinstance(group, type)
        groups[name] = group
        inner = get_type_hints(group, include_extras=True)
        spelled += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=inner[field.name],
            )
            for field in fields(group)
        ]

    @functools.wraps(command)
    def spelled_out(**given: Any) -> None:
        packed = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**packed, **given)

    # Typer reads both.
    spelled_out.__signature__ = inspect.Signature(spelled)  # type: ignore[attr-defined]
    spelled_out.__annotations__ = {p.name: p.annotation for p in spelled}
    return spelled_out
