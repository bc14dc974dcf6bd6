"""A finished run of MEC, read back from its directory."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.errors import InputError, RunError
from darksound.rois.review import Review, reviewed
from darksound.rois.roi_set import Reader, read_roi_table
from darksound.settings import Settings, load_settings
from darksound.store.readers import DispatchReader
from darksound.synthesis.demo import is_demo

__all__ = ["RunResult", "read_result"]

_COMMAND = "mec"
_FILES = ("settings.toml", "rois.parquet", "clusters.parquet", "iterations.csv", "embeddings.npy")


@dataclass(frozen=True)
class RunResult:
    """What a run of MEC left; row i of every table and array is the same ROI.

    Attributes:
        path: the run's directory.
        manifest: the content of `run.json`.
        settings: those in force.
        rois: the ROI table, `n` rows, columns of `darksound.rois.roi_set.SCHEMA`.
        clusters: `n` rows: `roi_id`, `cluster` (-1 noise), `probability`, `outlier_score`,
            `assigned_cluster`, `assigned_probability`, `x`, `y`.
        iterations: one row an iteration, `kept` being a boolean.
        embeddings: `(n, dim)`, mapped from disk.
        reader: how to hear the ROIs: `reader.read(root, recording, start_s, end_s, rate)`, which
            raises InputError where the recording is gone.
    """

    path: Path
    manifest: Mapping[str, Any]
    settings: Settings
    rois: pd.DataFrame
    clusters: pd.DataFrame
    iterations: pd.DataFrame
    embeddings: npt.NDArray[np.floating[Any]]
    reader: Reader

    def __len__(self) -> int:
        return len(self.rois)

    @cached_property
    def table(self) -> pd.DataFrame:
        """ROIs and their clusters in one table, `n` rows."""
        return pd.concat([self.rois, self.clusters.drop(columns="roi_id")], axis=1)

    @property
    def labels(self) -> npt.NDArray[np.object_] | None:
        """Labels `(n,)`, None where a ROI has none; None altogether when no ROI has one."""
        column = self.rois["label"]
        if column.isna().all():
            return None
        return column.astype(object).where(column.notna(), None).to_numpy()

    def reviewed(self, review: Review) -> "RunResult":
        """The run as its review has it: rejected ROIs gone, each cluster being its group.

        Raises:
            InputError: the review is of another run.
        """
        kept = reviewed(self.table, review)
        rows = kept.index.to_numpy()
        clusters = self.clusters.iloc[rows].reset_index(drop=True)
        return replace(
            self,
            rois=self.rois.iloc[rows].reset_index(drop=True),
            clusters=clusters.assign(cluster=kept["group"].to_numpy()),
            embeddings=np.asarray(self.embeddings)[rows],
        )

    @property
    def name(self) -> str:
        """The directory's name, which tells this run from others."""
        return self.path.resolve().name

    @property
    def version(self) -> str:
        """The version of darksound that made it."""
        return str(self.manifest.get("versions", {}).get("darksound", "unknown"))

    @property
    def settings_hash(self) -> str:
        """16 hexadecimal digits that are the same for the same settings.

        What changes no result is left out: where things are kept and by how many workers they are
        done (`compute`), how sets are fetched (`download`), and what the page holds (`report`).
        """
        relevant = self.settings.model_dump(mode="json", exclude={"compute", "download", "report"})
        text = json.dumps(relevant, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_result(path: str | Path, root: str | Path | None = None) -> RunResult:
    """Read the run of `darksound mec` in a directory.

    Args:
        path: the run's directory.
        root: where the recordings lie now, if they were moved; what is synthesised stays.

    Raises:
        RunError: it is no run of MEC, is not finished, or a file is missing or damaged.
        SettingsError: its settings are of another version of darksound.
    """
    folder = Path(path)
    manifest = _manifest(folder)
    for name in _FILES:
        if not (folder / name).is_file():
            raise RunError(
                f"{folder / name} is missing; {_remedy(folder, str(manifest.get('status')))}"
            )
    try:
        rois = read_roi_table(folder / "rois.parquet")
        clusters = pq.read_table(folder / "clusters.parquet").to_pandas()
        iterations = pd.read_csv(folder / "iterations.csv").astype({"kept": bool})
        embeddings = np.load(folder / "embeddings.npy", mmap_mode="r", allow_pickle=False)
    except (InputError, OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise RunError(f"A file of the run in {folder} is damaged: {error}") from None
    _agree(folder, rois, clusters, embeddings)
    # A number that may be missing comes back from Parquet as one that may be NaN.
    clusters["assigned_cluster"] = clusters["assigned_cluster"].astype("Int64")
    if root is not None:
        synthetic = rois["root"].map(is_demo).astype(bool)
        rois["root"] = rois["root"].where(synthetic, str(Path(root).resolve()))
    return RunResult(
        path=folder,
        manifest=manifest,
        settings=load_settings(config=folder / "settings.toml"),
        rois=rois,
        clusters=clusters,
        iterations=iterations,
        embeddings=embeddings,
        reader=DispatchReader(),
    )


def _manifest(folder: Path) -> dict[str, Any]:
    file = folder / "run.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        command = manifest["command"]
    except FileNotFoundError:
        raise RunError(
            f"{file} is missing: {folder} is no run; name the directory that darksound mec wrote."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file} is not the manifest of a darksound run ({error}).") from None
    if command != _COMMAND:
        raise RunError(
            f"{folder} holds a {command} run, which has no clusters; name a run of darksound mec."
        )
    return dict(manifest)


def _remedy(folder: Path, status: str) -> str:
    if status == "done":
        return "bring it back from a copy, or run darksound mec again."
    return f"the run is not finished; go on with: darksound mec --resume --out {folder}"


def _agree(
    folder: Path,
    rois: pd.DataFrame,
    clusters: pd.DataFrame,
    embeddings: npt.NDArray[np.floating[Any]],
) -> None:
    same = len(rois) == len(clusters) == len(embeddings)
    if not same or not (rois["roi_id"].to_numpy() == clusters["roi_id"].to_numpy()).all():
        raise RunError(
            f"The tables in {folder} are not of the same ROIs ({len(rois)} in rois.parquet, "
            f"{len(clusters)} in clusters.parquet, {len(embeddings)} in embeddings.npy); files of "
            "two runs were mixed. Run darksound mec again."
        )
