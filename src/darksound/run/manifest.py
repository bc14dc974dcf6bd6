"""What a run is: `run.json`, the first file that a run writes and the last that it changes."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Self

from darksound.errors import RunError
from darksound.rois.roi_set import RoiSet
from darksound.run.files import write_json

__all__ = [
    "Inputs",
    "Manifest",
    "Status",
    "fingerprint",
    "read_manifest",
    "versions",
    "write_manifest",
]


def fingerprint(rois: RoiSet) -> str:
    """Hash of the ROIs' ids in order, and of their recordings' stamps.

    It changes when ROIs come, go or move, and when a file is written anew.

    Raises:
        InputError: a recording is gone.
    """
    digest = hashlib.sha256()
    for roi_id in rois.table["roi_id"]:
        digest.update(f"{roi_id}\n".encode())
    recordings = rois.table[["root", "recording"]].drop_duplicates()
    for root, recording in sorted(recordings.itertuples(index=False, name=None)):
        digest.update(f"{recording}\0{rois.reader.stamp(root, recording)}\n".encode())
    return digest.hexdigest()[:32]


Status = Literal["running", "done", "failed", "interrupted"]
_FILE = "run.json"
_PACKAGES = ("darksound", "torch", "torchvision", "umap-learn", "hdbscan", "numpy")


@dataclass(frozen=True)
class Inputs:
    """What a run works on.

    Attributes:
        data: sources of ROIs, as `darksound.load_rois` takes them.
        root: folder that a table's recordings are relative to, where it is not the table's own.
        checkpoint: a learner's file or run directory.
        target: a file that the result goes to, instead of the run directory.
        review: what a person said of the clusters of an earlier run, a `review.csv`.
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
        argv: the words of the command line, or none when called from Python.
        inputs: what it works on.
        settings: all settings in force, nested.
        seed: the seed among them.
        versions: of Python, darksound and the packages that a result depends on.
        status: `running` without a process behind it means that the process was killed.
        started, ended: when it first began, and when it last ended.
        times_resumed: how often it was gone on with.
        rois: number of ROIs, once they are known.
        fingerprint: hash of the ROIs' ids and their recordings' stamps, once they are known.
        problems: inputs left out; `errors.csv` names them.
        licences: terms of models of others that took part.
        error: why it failed.
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
    problems: int = 0
    licences: tuple[str, ...] = ()
    error: str | None = None

    def ending(self, status: Status, error: str | None = None) -> Self:
        """A copy that says how and when the run ended."""
        return replace(self, status=status, ended=now(), error=error)


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on, without importing them."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `run.json` in `folder`."""
    write_json(folder / _FILE, asdict(manifest))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in `folder`, or None where there is none.

    Raises:
        RunError: there is one, and it cannot be read.
    """
    path = folder / _FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        inputs = Inputs(**{**content["inputs"], "data": tuple(content["inputs"]["data"])})
        lists = {name: tuple(content.get(name, ())) for name in ("argv", "licences")}
        return Manifest(**{**content, **lists, "inputs": inputs})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is not the manifest of a darksound run ({error}); give another --out."
        ) from None
