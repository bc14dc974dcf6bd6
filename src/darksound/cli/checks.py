"""Checks of names and paths before anything slow is imported, so that a typing error costs nothing.

The parts that use a name check it too; what is here refuses it within a second.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from darksound.errors import CheckpointError, InputError, RunError, SettingsError
from darksound.text import text_path

if TYPE_CHECKING:
    from darksound.settings import BackboneSettings, Settings

__all__ = ["check_catalogue_folder", "check_data", "check_files", "check_names", "check_runs"]


def check_names(settings: "Settings") -> None:
    """Check the names of registries' entries, and the files that settings name.

    Raises:
        SettingsError: a name is unknown; the message lists the known ones.
        CheckpointError: a file of weights or of a model does not exist.
    """
    from darksound.cluster.clusterers import CLUSTERERS, CLUSTERING_METRICS
    from darksound.cluster.reducers import REDUCERS, REDUCTION_METRICS
    from darksound.meta.backbones import family_path
    from darksound.meta.learners import learner_path

    learner_path(settings.learner)
    family_path(settings.backbone)
    reducer, clusterer = settings.reduction.method, settings.clustering.method
    _check_method("reduction.method", reducer, ("auto", *REDUCERS), "fit_transform")
    _check_method("clustering.method", clusterer, ("auto", *CLUSTERERS), "fit_predict")
    _check_metric("reduction.metric", settings.reduction.metric, REDUCTION_METRICS)
    _check_metric("clustering.metric", settings.clustering.metric, CLUSTERING_METRICS)
    _check_backbone_files(settings.backbone)


def _check_method(key: str, value: str, names: Sequence[str], method: str) -> None:
    from darksound.settings import check_name_or_path, resolve_object

    check_name_or_path(key, value, names, method)
    if value in names:
        return
    try:
        resolve_object(value)
    except SettingsError as error:
        raise SettingsError(f"{key}: {error}") from None


def _check_metric(key: str, value: str, names: Sequence[str]) -> None:
    if value not in names:
        near = get_close_matches(value, names, n=3) or names
        raise SettingsError(f"{key} is {value!r}; choose one such as {', '.join(near)}.")


def _check_backbone_files(backbone: "BackboneSettings") -> None:
    from darksound.meta.backbones import WEIGHTS

    if backbone.weights not in WEIGHTS and not text_path(backbone.weights).exists():
        raise CheckpointError(
            f"backbone.weights is {backbone.weights!r}, which is no file; choose "
            f"{', '.join(WEIGHTS)}, or the path of a weights file."
        )
    _, _, name = backbone.name.partition(":")
    if name and not text_path(name).exists():
        raise SettingsError(
            f"backbone.name is {backbone.name!r}, but there is no file {name}; correct the path."
        )


def check_data(specs: Sequence[str]) -> None:
    """Check that data sources exist.

    Raises:
        InputError: there is no such demo, published set, file or folder.
    """
    from darksound.datasets.registry import REGISTRY, select_splits
    from darksound.synthesis.demo_splits import demo_root, is_demo

    for spec in specs:
        if is_demo(spec):
            demo_root(spec)
        elif spec.partition(":")[0] in REGISTRY:
            select_splits(spec)
        elif not text_path(spec).exists():
            # Imported here because it is slow, and lists all kinds of data.
            from darksound.sources import check_source

            check_source(spec)


def check_files(checkpoint: Path | None, review: Path | None, sites: Path | None = None) -> None:
    """Check that the files exist that a command starts from.

    Raises:
        CheckpointError, InputError: one does not exist.
    """
    if checkpoint is not None and not checkpoint.exists():
        raise CheckpointError(f"There is no checkpoint {checkpoint}.")
    for file in (review, sites):
        if file is not None and not file.exists():
            raise InputError(f"{file}: there is no such file or folder; correct the path.")


def check_runs(folders: Sequence[Path]) -> None:
    """Check that folders are runs of `darksound mec`.

    Raises:
        RunError: one is not; the message says what it is.
    """
    from darksound.run.manifest import read_mec_manifest

    for folder in folders:
        read_mec_manifest(folder)


def check_catalogue_folder(folder: Path) -> None:
    """Check that a folder is a catalogue.

    Raises:
        RunError: it is not.
    """
    if not (folder / "catalogue.json").is_file():
        raise RunError(
            f"{folder} is no catalogue; name a folder that darksound catalogue create wrote."
        )
