"""The manifest of a run, `run.json`: the first file that is written and the last that changes."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from darksound.errors import InputError, RunError
from darksound.rois.roi_set import Reader, RoiSet
from darksound.run.files import write_json
from darksound.settings import Settings
from darksound.system_errors import check_readable

__all__ = [
    "MANIFEST_FILE",
    "Inputs",
    "Manifest",
    "Status",
    "fingerprint",
    "manifest_of",
    "now",
    "numeric_differences",
    "read_manifest",
    "read_mec_manifest",
    "versions",
    "write_manifest",
]

#: Name of the manifest in the run directory.
MANIFEST_FILE = "run.json"
# Commands whose runs have clusters.
_WITH_CLUSTERS = ("mec", "assign")
# What is recorded and changes no result.
_WITHOUT_EFFECT = ("python", "threads")
Status = Literal["running", "done", "failed", "interrupted"]
_PACKAGES = ("darksound", "torch", "torchvision", "umap-learn", "hdbscan", "numpy")


def fingerprint(rois: RoiSet) -> str:
    """Return a hash of the ROI ids, in order, and of the recordings' sizes and times.

    It changes when ROIs are added, removed or reordered, and when a recording is written again or
    removed.
    """
    digest = hashlib.sha256()
    for roi_id in rois.table["roi_id"]:
        digest.update(f"{roi_id}\n".encode())
    recordings = rois.table[["root", "recording"]].drop_duplicates()
    for root, recording in sorted(recordings.itertuples(index=False, name=None)):
        digest.update(f"{recording}\0{_stamp(rois.reader, root, recording)}\n".encode())
    return digest.hexdigest()[:32]


def _stamp(reader: Reader, root: str, recording: str) -> str:
    try:
        return reader.stamp(root, recording)
    except InputError:
        # What reads its sound lists it among the problems of the run.
        return "missing"


def recorded_seconds(rois: RoiSet) -> float:
    """Return the length of all recordings that have a ROI, by their headers, in seconds.

    Recordings whose header cannot be read are left out; what reads their sound lists them.
    """
    total = 0.0
    for root, recording in rois.table[["root", "recording"]].drop_duplicates().to_numpy():
        try:
            total += rois.reader.info(root, recording).duration_s
        except InputError:
            continue
    return total


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run.

    Attributes:
        data: ROI sources, as accepted by `darksound.load_rois`.
        root: folder that the recordings of a table are relative to, if not the table's own.
        checkpoint: file or run directory of a learner.
        target: file that the result is written to, instead of the run directory.
        review: `review.csv` of an earlier run.
    """

    data: tuple[str, ...] = ()
    root: str | None = None
    checkpoint: str | None = None
    target: str | None = None
    review: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The content of `run.json`; times are ISO 8601 in UTC.

    Attributes:
        command: such as `mec`.
        argv: arguments of the command line; empty for a run from Python.
        inputs: the inputs.
        settings: all settings, nested.
        seed: the seed among them.
        versions: of Python, darksound and the packages that results depend on.
        machine: device, precision, processor and threads, as `describe_machine` returns them;
            empty until known.
        status: `running` without a live process means that the process was killed.
        started, ended: first start and last end.
        times_resumed: number of times the run was resumed.
        rois: number of ROIs, None until known.
        fingerprint: hash of ROI ids and recordings, None until known.
        recorded_s: length of all recordings with a ROI in seconds, None if not known.
        left_out: number of ROIs of choruses and with low call scores that were not used.
        problems: number of inputs that were skipped; `errors.csv` lists them.
        licences: licences of third-party models that were used.
        error: the error message of a failed run.
        previous_settings: digest of the settings before they were replaced, which `settings.toml`
            still holds if the process was killed then.
    """

    command: str
    argv: tuple[str, ...]
    inputs: Inputs
    settings: dict[str, Any]
    seed: int
    versions: dict[str, str] = field(default_factory=dict)
    status: Status = "running"
    started: str = ""
    ended: str | None = None
    times_resumed: int = 0
    rois: int | None = None
    fingerprint: str | None = None
    recorded_s: float | None = None
    left_out: int = 0
    problems: int = 0
    licences: tuple[str, ...] = ()
    error: str | None = None
    previous_settings: str | None = None
    machine: dict[str, str] = field(default_factory=dict)

    def ending(self, status: Status, error: str | None = None) -> Self:
        """Return a copy with the final status, the current time as end and the error."""
        return replace(self, status=status, ended=now(), error=error)


def now() -> str:
    """Return the current time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return versions of Python and of the packages that results depend on; imports none."""
    by_package = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:
            by_package[package] = "not installed"
    return by_package


def manifest_of(command: str, rois: RoiSet, settings: Settings) -> Manifest:
    """Return the manifest of a result that was computed from Python and is done.

    Args:
        command: name of the command that computes such results.
        rois: the ROIs of the result.
        settings: its settings.
    """
    time = now()
    return Manifest(
        command=command,
        argv=(),
        inputs=Inputs(),
        settings=settings.model_dump(mode="json"),
        seed=settings.seed,
        versions=versions(),
        status="done",
        started=time,
        ended=time,
        rois=len(rois),
        fingerprint=fingerprint(rois),
        recorded_s=recorded_seconds(rois),
        problems=len(rois.problems),
    )


def numeric_differences(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """Return what gives two runs of the same settings other last digits.

    Returns:
        Such as `torch 2.4.1 and 2.14.1`; nothing about what only one of the runs recorded.
    """
    pairs = ((first.versions, second.versions), (first.machine, second.machine))
    return tuple(
        f"{name} {one[name]} and {other[name]}"
        for one, other in pairs
        for name in one
        if name in other and one[name] != other[name] and name not in _WITHOUT_EFFECT
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `run.json` into a run directory."""
    write_json(folder / MANIFEST_FILE, asdict(manifest))


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in a run directory, or None where there is none.

    Raises:
        RunError: the file exists but cannot be read.
    """
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        inputs = Inputs(**{**content["inputs"], "data": _texts(content["inputs"]["data"])})
        lists = {name: _texts(content.get(name, [])) for name in ("argv", "licences")}
        manifest = Manifest(**{**content, **lists, "inputs": inputs})
        _check_types(inputs)
        _check_types(manifest)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        check_readable(path, error, RunError)
        raise RunError(
            f"{path} is not the manifest of a darksound run, or is damaged ({_cause(error)}); "
            f"restore it from a copy, or name another directory."
        ) from None
    return manifest


def _cause(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _texts(values: object) -> tuple[str, ...]:
    """Return a list of texts as a tuple; raise TypeError for anything else."""
    if not isinstance(values, list):
        raise TypeError(f"{values!r:.60} is no list")
    return tuple(values)


def _check_types(content: "Inputs | Manifest") -> None:
    """Raise TypeError for a field whose value is not of its type."""
    hints = get_type_hints(type(content))
    for each in fields(content):
        value = getattr(content, each.name)
        if not _is_of_type(value, hints[each.name]):
            raise TypeError(f"{each.name} cannot be {value!r:.60}")


def _is_of_type(value: object, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is tuple:
        return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    if origin is dict:
        return isinstance(value, dict) and (
            parts[1] is Any or all(isinstance(each, str) for each in value.values())
        )
    if parts:
        return any(_is_of_type(value, part) for part in parts)
    # True is an int in Python.
    return isinstance(value, hint) and not isinstance(value, bool)


def read_mec_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run of `darksound mec` or `darksound assign`.

    Raises:
        RunError: the folder is no run, or one of another command.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise RunError(
            f"{folder / MANIFEST_FILE} is missing: {folder} is not a run; name the directory that "
            "darksound mec wrote."
        )
    if manifest.command not in _WITH_CLUSTERS:
        raise RunError(
            f"{folder} holds a {manifest.command} run, which has no clusters; name a run of "
            "darksound mec."
        )
    return manifest
