"""The result of MEC, the same from memory and from a run directory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.intervals import TypeCount
from darksound.cluster.levels import superclusters_of_groups
from darksound.cluster.maps import MAP_METHODS
from darksound.cluster.metrics import NOISE
from darksound.cluster.result import MecOutcome
from darksound.errors import InputError
from darksound.meta.checkpoints import load_checkpoint
from darksound.meta.learners.base import Learner
from darksound.progress import Progress, silent
from darksound.rois.effort import current_effort
from darksound.rois.review import Review, apply_review, read_review
from darksound.rois.roi_set import RoiSet
from darksound.run.manifest import Manifest, manifest_of, versions
from darksound.run.mec_files import read_mec_files, write_mec_run
from darksound.settings import Settings
from darksound.settings.sources import settings_hash
from darksound.text import path_text

if TYPE_CHECKING:
    from darksound.report.detections import DetectionOptions
    from darksound.report.exports.base import AudioFormat
    from darksound.report.exports.export import Exported
    from darksound.report.page.writing import Page

__all__ = ["MecResult", "as_result", "read_run"]


@dataclass(frozen=True, eq=False, repr=False)
class MecResult:
    """ROIs, their clusters, and how they were found; row i of all tables and arrays is ROI i.

    `darksound.mec` and `darksound.read_run` return it.

    Attributes:
        rois: the `n` ROIs; `rois.table` has the columns of `darksound.rois.roi_set.SCHEMA`,
            `rois.problems` are the inputs that were skipped.
        clusters: `n` rows: `roi_id`, `cluster` (-1 is noise), `probability`, `outlier_score`,
            `assigned_cluster`, `assigned_probability`, `x`, `y`, `persistence`, `supercluster`
            (the coarser level; -1 is noise), `stability` (of the ROI's cluster).
        iterations: one row an iteration, columns of `iterations.csv`; `kept` is boolean.
        embeddings: float `(n, dim)` of the kept iteration.
        map_before: `(n, 2)` map coordinates of iteration 0; None if it is the kept one.
        map_method: key of the method of the maps, `tsne`, `umap` or `pca`; None if it is not known.
        settings: the settings of the run.
        notes: notes of the run, such as why it ended early.
        tree: `(m - 1, 4)` merges as in SciPy's `linkage`, of the ROIs if there are `n - 1`, else
            of the clusters; None if it is not known, as after a review.
        call_types: types of a catalogue, a row a cluster, columns of `types.csv`; None unless
            `Catalogue.assign` made the result.
        path: the run directory; None for a result in memory.
        manifest: the content of `run.json`; None for a result in memory.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> result.table[["recording", "start_s", "cluster", "probability"]].shape
        (120, 4)
        >>> result.save("my-run")
        >>> result = ds.read_run("my-run")
        >>> result.export("csv", out="clusters.csv").rois
        120
    """

    rois: RoiSet
    clusters: pd.DataFrame
    iterations: pd.DataFrame
    embeddings: npt.NDArray[np.floating[Any]]
    settings: Settings
    notes: tuple[str, ...] = ()
    path: Path | None = None
    manifest: Manifest | None = None
    map_before: npt.NDArray[np.float32] | None = None
    map_method: str | None = None
    tree: npt.NDArray[np.float64] | None = None
    call_types: pd.DataFrame | None = None
    _learner: Learner | None = field(default=None, repr=False)

    @classmethod
    def from_outcome(cls, outcome: MecOutcome) -> Self:
        """Return the result of what `darksound.cluster.mec.mec` returned."""
        shared = {each.name for each in fields(cls)} & {each.name for each in fields(outcome)}
        values = {name: getattr(outcome, name) for name in shared}
        return cls(_learner=outcome.learner, **values)

    @classmethod
    def load(cls, folder: str | Path, root: str | Path | None = None) -> Self:
        """Read a result from the run directory of `darksound mec` or of `save`; see `read_run`."""
        files = read_mec_files(Path(folder), root)
        return cls(**vars(files), path=Path(folder))

    def save(self, folder: str | Path) -> None:
        """Write a run directory that `load` and the commands `report` and `export` accept.

        Args:
            folder: a new or empty folder.

        Raises:
            RunError: the folder is not empty, or a file cannot be written.
            CheckpointError: the result has a path, but no learner can be read there.
        """
        manifest = self.manifest or manifest_of("mec", self.rois, self.settings)
        write_mec_run(Path(folder), self._outcome(), manifest)

    def _outcome(self) -> MecOutcome:
        values = {each.name: getattr(self, each.name) for each in fields(MecOutcome)}
        return MecOutcome(**{**values, "embeddings": np.asarray(self.embeddings)})

    @cached_property
    def learner(self) -> Learner:
        """Return the learner of the kept iteration, read from the run directory on first use.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
        """
        if self._learner is not None:
            return self._learner
        return load_checkpoint(self.directory)

    @property
    def directory(self) -> Path:
        """Return the run directory.

        Raises:
            InputError: the result is not saved.
        """
        if self.path is None:
            raise InputError("This result is not saved; give a target path, or save it first.")
        return self.path

    @cached_property
    def table(self) -> pd.DataFrame:
        """Return ROIs and their clusters in one table, `n` rows."""
        return pd.concat([self.rois.table, self.clusters.drop(columns="roi_id")], axis=1)

    @property
    def labels(self) -> npt.NDArray[np.object_] | None:
        """Return the labels `(n,)` of the data, None for a ROI without; None where none has one."""
        return self.rois.labels

    @property
    def effort(self) -> pd.DataFrame | None:
        """Return a row a recording that was looked at (see `darksound.rois.effort`), else None."""
        return current_effort(self.rois)

    @property
    def sites(self) -> pd.DataFrame | None:
        """Return a row a site (see `darksound.rois.effort`); None where no table was given."""
        return self.rois.sites

    @property
    def kept(self) -> int:
        """Return the number of the kept iteration; 0 is the learner before fine-tuning."""
        return int(self._kept_row["iteration"])

    @property
    def _kept_row(self) -> "pd.Series[Any]":
        return self.iterations[self.iterations["kept"].astype(bool)].iloc[0]

    @property
    def n_clusters(self) -> int:
        """Return the number of clusters, noise excluded."""
        clusters = self.clusters["cluster"]
        return int(clusters[clusters != NOISE].nunique())

    @property
    def types(self) -> TypeCount | None:
        """Return the number of call types with its interval, if it was computed."""
        return TypeCount.from_row(self._kept_row)

    @property
    def n_superclusters(self) -> int:
        """Return the number of superclusters, noise excluded."""
        superclusters = self.clusters["supercluster"]
        return int(superclusters[superclusters != NOISE].nunique())

    @property
    def coverage(self) -> float:
        """Return the share of ROIs that are in a cluster; NaN without ROIs."""
        return float((self.clusters["cluster"] != NOISE).mean())

    @property
    def ami(self) -> float | None:
        """Return the AMI of clusters and labels over all ROIs; None without labels.

        Each noise ROI counts as a cluster of its own. The figure is that of the kept iteration.
        """
        return float(self._kept_row["ami_all"]) if "ami_all" in self.iterations.columns else None

    @property
    def map_title(self) -> str | None:
        """Return the name of the method of the maps; None if it is not known."""
        return None if self.map_method is None else MAP_METHODS[self.map_method].title

    @property
    def name(self) -> str:
        """Return the name of the run directory, or `unsaved`."""
        return "unsaved" if self.path is None else path_text(self.path.resolve().name)

    @property
    def versions(self) -> Mapping[str, str]:
        """Return the versions of darksound and of its dependencies that made the result."""
        return versions() if self.manifest is None else self.manifest.versions

    @property
    def version(self) -> str:
        """Return the version of darksound that made the result."""
        return self.versions.get("darksound", "unknown")

    @property
    def settings_hash(self) -> str:
        """Return the hash of the settings, see `darksound.settings.sources.settings_hash`."""
        return settings_hash(self.settings)

    def reviewed(self, review: Review | str | Path) -> Self:
        """Return the result with a review applied: its groups, without rejected ROIs.

        Args:
            review: a review, or the path of a `review.csv`.

        Raises:
            InputError: the review cannot be read, or is of another run.
        """
        if not isinstance(review, Review):
            review = read_review(review)
        remaining = apply_review(self.table, review)
        rows = remaining.index.to_numpy()
        clusters = self.clusters.iloc[rows].reset_index(drop=True)
        group = remaining["group"].to_numpy()
        known = dict(zip(self.clusters["cluster"], self.clusters["supercluster"], strict=True))
        supercluster = superclusters_of_groups(group, clusters["supercluster"].to_numpy(), known)
        return replace(
            self,
            rois=self.rois.take(rows),
            clusters=clusters.assign(cluster=group, supercluster=supercluster),
            tree=None,
            embeddings=np.asarray(self.embeddings)[rows],
            map_before=None if self.map_before is None else self.map_before[rows],
        )

    def export(
        self,
        format: str,
        out: str | Path | None = None,
        *,
        review: str | Path | None = None,
        audio: "AudioFormat" = "wav",
        overwrite: bool = False,
        raw_csv: bool = False,
        detections: "DetectionOptions | None" = None,
        progress: Progress = silent,
    ) -> "Exported":
        """Write the result in the format of another tool; see `darksound.report.exports.export`.

        Args:
            format: a name in `darksound.report.exports.EXPORTERS`, such as `raven`.
            out: file or folder; None: in `exports` of the run directory.
            review: path of a `review.csv` of the run.
            audio: format of clips, `wav` or `flac`.
            overwrite: replace an earlier export.
            raw_csv: write text in CSV files as it is, for programs.
            detections: which ROIs are detections, and the occasions, of `occupancy` and
                `darwin-core`.
            progress: called after each part.

        Raises:
            InputError: the format is unknown, the review is of another run, there is nothing to
                export, or `out` is None for a result that is not saved.
            RunError: the target exists, or cannot be written.
        """
        from darksound.report.exports.export import export

        return export(
            self,
            format,
            out=out,
            review=review,
            audio=audio,
            overwrite=overwrite,
            raw_csv=raw_csv,
            detections=detections,
            progress=progress,
        )

    def write_figures(
        self,
        out: str | Path | None = None,
        *,
        review: str | Path | None = None,
        progress: Progress = silent,
    ) -> list[Path]:
        """Write the figures as PNG and SVG; see `darksound.report.figure_files.write_figures`.

        Args:
            out: folder; None: `figures` in the run directory.
            review: path of a `review.csv` of the run.
            progress: called after each figure.

        Returns:
            The files.

        Raises:
            InputError: the review is of another run, or `out` is None for an unsaved result.
            RunError: a file cannot be written.
        """
        from darksound.report.figure_files import write_figures

        return write_figures(self, out, review=review, progress=progress)

    def report(
        self,
        out: str | Path | None = None,
        *,
        review: str | Path | None = None,
        progress: Progress = silent,
    ) -> "Page":
        """Write the report page; see `darksound.report.page.writing.write_page`.

        Args:
            out: path of the page; None: `report.html` in the run directory.
            review: path of a `review.csv` of the run that the page starts with.
            progress: called after each group of clips.

        Raises:
            InputError: the review is of another run, or `out` is None for an unsaved result.
            RunError: the page cannot be written.
        """
        from darksound.report.page.writing import write_page

        return write_page(self, out, review=review, progress=progress)

    def __len__(self) -> int:
        return len(self.rois)

    def __repr__(self) -> str:
        where = "unsaved" if self.path is None else str(self.path)
        return (
            f"MecResult({len(self)} ROIs, {self.n_clusters} clusters, "
            f"coverage {self.coverage:.2f}, iteration {self.kept} kept, {where})"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("ROIs", f"{len(self)}"),
            ("clusters", f"{self.n_clusters}"),
            ("superclusters", f"{self.n_superclusters}"),
            ("coverage", f"{100 * self.coverage:.0f} %"),
            ("kept iteration", f"{self.kept} of {len(self.iterations) - 1}"),
        ]
        if self.ami is not None:
            rows.append(("AMI with the labels, all ROIs", f"{self.ami:.3f}"))
        cells = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in rows)
        return f"<table><caption>MEC result: {escape(self.name)}</caption>{cells}</table>"


def read_run(path: str | Path, root: str | Path | None = None) -> MecResult:
    """Read the result of `darksound mec` or of `MecResult.save` from its run directory.

    Args:
        path: the run directory.
        root: current folder of the recordings, if they were moved; synthetic ROIs do not change.

    Returns:
        The result, as `darksound.mec` returned it.

    Raises:
        RunError: it is not a MEC run, is not finished, or a file is missing or damaged.
        SettingsError: its settings are of another version of darksound.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> ds.mec("demo:val", settings=settings).save("my-run")
        >>> result = ds.read_run("my-run")
        >>> result.name, len(result), result.embeddings.shape
        ('my-run', 120, (120, 512))
    """
    return MecResult.load(path, root)


def as_result(run: MecResult | str | Path, root: str | Path | None = None) -> MecResult:
    """Return a result unchanged, or read the run directory that is named instead.

    Raises:
        RunError, SettingsError: see `read_run`.
    """
    return run if isinstance(run, MecResult) else read_run(run, root)
