"""The embedding model and the ROIs of a run."""

from pathlib import Path

from darksound.audio.embedding_models import TABLE, licence_of, scheme_of
from darksound.meta.learners import Learner
from darksound.progress import Progress
from darksound.rois.roi_set import RoiSet
from darksound.run.directory import Run
from darksound.settings import Settings, adopt
from darksound.sources import load_rois
from darksound.store.building import resolve_backbone
from darksound.store.embeddings.table_store import table_rois

__all__ = ["names_rois", "run_rois", "take_up_backbone"]


def take_up_backbone(run: Run, given: Learner | None = None) -> Settings:
    """The settings that the run goes on with: a checkpoint's own, and its embedder known.

    The run takes them up, and notes what licence the embedder is used on.

    Args:
        run: the run.
        given: the learner of a checkpoint, where one was named.

    Raises:
        InputError, SettingsError, CheckpointError: the settings contradict the checkpoint, or the
            embedder cannot be used or is another.
    """
    settings = run.settings if given is None else adopt(run.settings, given.settings)
    settings = resolve_backbone(settings)
    if settings != run.settings:
        run.adopt_settings(settings)
    licence = licence_of(settings)
    if licence is not None:
        run.note_licences((licence,))
    return settings


def names_rois(settings: Settings) -> bool:
    """Whether the backbone is a table of embeddings, which may name its ROIs itself."""
    return scheme_of(settings) == TABLE


def run_rois(run: Run, settings: Settings, progress: Progress) -> RoiSet:
    """The ROIs of the run's data; without any, those that its table of embeddings names.

    Raises:
        InputError: nothing can be used.
        SettingsError: see `load_rois`.
    """
    inputs = run.inputs
    if inputs.data or not names_rois(settings):
        return load_rois(*inputs.data, settings=settings, root=inputs.root, progress=progress)
    return table_rois(settings, None if inputs.root is None else Path(inputs.root))
