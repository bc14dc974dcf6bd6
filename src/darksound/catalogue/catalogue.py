"""A catalogue of call types, for Python: what `darksound catalogue` and `darksound assign` do."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.catalogue import changes
from darksound.catalogue.assigning import assign
from darksound.catalogue.content import Content
from darksound.catalogue.folder import read_content, write_content
from darksound.catalogue.joining import merge_catalogue
from darksound.progress import Progress, silent
from darksound.report.result import MecResult, as_result
from darksound.rois.review import Review
from darksound.rois.roi_set import Problem
from darksound.settings import Settings
from darksound.sources import RoisLike, as_roi_set

__all__ = ["Catalogue"]


class Catalogue:
    """Call types whose ids stay the same over runs, with names, core ROIs and thresholds.

    Changes return another catalogue; `save` writes it as the next version of a folder.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> catalogue = ds.Catalogue.create(result).save("birds")
        >>> catalogue.version, len(catalogue) == result.n_clusters
        (1, True)
        >>> first = catalogue.types["type_id"][0]
        >>> catalogue = catalogue.rename(first, name="wren").save("birds")
        >>> ds.Catalogue.load("birds").find("wren") == first
        True
        >>> assigned = catalogue.assign("demo:test")
        >>> set(assigned.call_types["status"])  # the birds of demo:test are not those of demo:val
        {'new'}
    """

    def __init__(self, content: Content) -> None:
        self.content = content

    @classmethod
    def create(
        cls,
        run: MecResult | str | Path,
        review: Review | str | Path | None = None,
        *,
        named_only: bool = False,
    ) -> Self:
        """Make a catalogue of the clusters of a run.

        Args:
            run: a result of `darksound.mec`, or its run directory.
            review: the review of the run, or its file: rejected ROIs are left out, and groups and
                names are its.
            named_only: leave out groups without a name.

        Raises:
            InputError: the review is of another run, or no cluster is left.
            RunError: the run cannot be read.
        """
        return cls(changes.create(as_result(run), review, named_only=named_only))

    @classmethod
    def load(cls, folder: str | Path, version: int | None = None) -> Self:
        """Read a catalogue from its folder, by default the current version.

        Raises:
            RunError: the folder is no catalogue, has no such version, or a file is damaged.
            CheckpointError: its learner cannot be loaded.
        """
        return cls(read_content(Path(folder), version))

    def save(self, folder: str | Path) -> Self:
        """Write the next version into a folder, and return it.

        The sound of exemplars is read from the recordings; `problems` lists those that cannot be
        read.

        Args:
            folder: a new folder, or that of the version which this one was made from.

        Raises:
            RunError: the folder holds something else, was changed meanwhile, or cannot be written.
        """
        return type(self)(write_content(self.content, Path(folder)))

    def assign(
        self,
        rois: RoisLike,
        settings: Settings | None = None,
        *,
        progress: Progress = silent,
    ) -> MecResult:
        """Assign ROIs to the types of the catalogue, and find new types among the others.

        Args:
            rois: ROIs, or what `darksound.load_rois` loads.
            settings: changes of the settings of the catalogue: those that were set are used.
            progress: called with the work that is done.

        Returns:
            A result whose clusters are call types; `call_types` has the id and the status, `known`
            or `new`, of each. ROIs of no type are noise.

        Raises:
            InputError: there are no ROIs, or none can be read.
            SettingsError: a setting contradicts the learner's.
        """
        used = self.content.settings_with(settings)
        loaded = as_roi_set(rois, used, progress=progress)
        outcome = assign(self.content, loaded, used, progress=progress)
        return MecResult.from_outcome(outcome)

    def update(
        self,
        run: MecResult | str | Path,
        review: Review | str | Path | None = None,
        *,
        named_only: bool = False,
    ) -> Self:
        """Return the catalogue with the new types of an assigned run, and its calls of known ones.

        Args:
            run: a result of `assign` with this catalogue, or its run directory.
            review: the review of the run, or its file.
            named_only: leave out new types without a name.

        Raises:
            InputError: the run is of another catalogue, or is part of this one already.
            RunError: the run cannot be read.
        """
        return self._with(
            changes.update(self.content, as_result(run), review, named_only=named_only)
        )

    def merge(self, *names: str) -> Self:
        """Return the catalogue with types merged into the first, which keeps its id.

        Args:
            names: ids or names of at least two types.

        Raises:
            InputError: there is no such type.
        """
        return self._with(changes.merge(self.content, names))

    def merge_with(self, other: "Catalogue | str | Path", *, same_names: bool = False) -> Self:
        """Return the catalogue with the types of another one too; all ids stay.

        Args:
            other: the other catalogue, or its folder; it is not changed.
            same_names: merge types that have one name but different ids, into those of this one.

        Raises:
            InputError: embedding model, front end or other settings that ROIs depend on differ.
            RunError: the folder cannot be read.
        """
        loaded = other if isinstance(other, Catalogue) else Catalogue.load(other)
        return self._with(merge_catalogue(self.content, loaded.content, same_names=same_names))

    def split(self, name: str, parts: int = 2, *, roi_ids: Iterable[str] = ()) -> Self:
        """Return the catalogue with a type split; the largest part keeps the id.

        Args:
            name: id or name of the type.
            parts: number of parts.
            roi_ids: core ROIs that become a type of their own, instead of parts by similarity.

        Raises:
            InputError: there is no such type, or it cannot be split so.
        """
        return self._with(changes.split(self.content, name, parts, roi_ids))

    def rename(self, type_id: str, *, name: str | None = None, notes: str | None = None) -> Self:
        """Return the catalogue with another name or other notes of a type; its id stays.

        Raises:
            InputError: there is no such type, or another one has the name.
        """
        return self._with(changes.rename(self.content, type_id, new_name=name, notes=notes))

    def find(self, name: str) -> str:
        """Return the id of a type in use, by id, name, or the id of a type that was merged into it.

        Raises:
            InputError: there is no such type.
        """
        return self.content.find(name)

    @property
    def types(self) -> pd.DataFrame:
        """Return a row a type in use: id, name, notes, threshold, number of ROIs, origin."""
        return self.content.active

    @property
    def core(self) -> pd.DataFrame:
        """Return a row a core ROI, with its type and where it is from."""
        return self.content.core

    @property
    def embeddings(self) -> npt.NDArray[np.float32]:
        """Return the embeddings `(n, dim)` of the core ROIs."""
        return self.content.embeddings

    @property
    def history(self) -> pd.DataFrame:
        """Return a row a change: version, time, action, types and text."""
        rows = [asdict(event) for event in self.content.history]
        return pd.DataFrame(rows, columns=["version", "time", "action", "types", "text"])

    @property
    def version(self) -> int:
        """Return the version; 0 before the catalogue is saved."""
        return self.content.version

    @property
    def settings(self) -> Settings:
        """Return the settings by which recordings are segmented and embedded."""
        return self.content.settings

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return the exemplars whose sound could not be read when it was saved."""
        return self.content.problems

    def _with(self, content: Content) -> Self:
        return type(self)(replace(content, problems=()))

    def __len__(self) -> int:
        return len(self.content)

    def __repr__(self) -> str:
        return (
            f"Catalogue({len(self)} call types, {len(self.core)} core ROIs, version {self.version})"
        )
