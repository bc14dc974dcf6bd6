"""The public functions: ROIs first, then a learner, then settings.

ROIs are a `RoiSet`, or whatever `darksound.load_rois` loads: a name such as `"demo:test"`, a path,
or a list of these. A learner is a `Learner`, the path of a checkpoint or run, or None for the
learner that the command line uses without a checkpoint. Settings are None for the defaults.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from darksound.cluster import embedding as cluster_embedding
from darksound.cluster import evaluation as cluster_evaluation
from darksound.cluster import mec as cluster_mec
from darksound.cluster.estimators import FitPredict, FitTransform
from darksound.cluster.evaluation import Evaluation
from darksound.errors import InputError
from darksound.jobs.learner import needs_warm_up, warm_up_learner
from darksound.meta import training
from darksound.meta.backbones import check_trained
from darksound.meta.checkpoints import load_checkpoint
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.progress import Progress, silent
from darksound.report.result import MecResult
from darksound.rois.review import Review, read_review
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings, adopt_checkpoint
from darksound.sources import RoisLike, as_roi_set
from darksound.store import building
from darksound.store.building import resolve_backbone
from darksound.store.contract import Store

__all__ = ["LearnerLike", "build_store", "embed", "evaluate", "mec", "train"]

logger = logging.getLogger(__name__)

LearnerLike: TypeAlias = Learner | str | Path | None


def train(
    rois: RoisLike,
    settings: Settings | None = None,
    *,
    validation: RoisLike | None = None,
    learner: LearnerLike = None,
    progress: Progress = silent,
) -> Learner:
    """Train a few-shot learner on labelled ROIs.

    Args:
        rois: labelled ROIs; where the column `split` names training and validation ROIs, it is
            used.
        settings: backbone, learner, episodes, training and augmentation.
        validation: ROIs for the validation episodes; by default the split `val`, or a share of
            the classes that is held out.
        learner: a learner to train further, or its checkpoint; by default a new one with
            pretrained weights where there are some for the backbone.
        progress: called with the steps that are done.

    Returns:
        The learner with the weights of its best epoch, in evaluation mode. A learner that was
        passed as an object is trained in place.

    Raises:
        InputError: no labels, or fewer than two classes with enough ROIs for an episode.
        SettingsError: an unknown backbone or learner, or settings that exclude each other.
        CheckpointError: weights that cannot be loaded, or belong to another front end.

    Examples:
        >>> import darksound as ds
        >>> short = {"epochs": 1, "episodes_per_epoch": 1, "validation_episodes": 1}
        >>> settings = ds.Settings().replace(training=short, augmentation={"enabled": False})
        >>> learner = ds.train("demo:val", settings)
        >>> learner.embedding_dim
        512
    """
    settings = _settings(settings)
    initial = None if learner is None else _learner(learner, settings, progress)
    if initial is not None:
        settings = adopt_checkpoint(settings, initial.settings)
    training_rois = as_roi_set(rois, settings, progress=progress)
    if validation is not None:
        validation = as_roi_set(validation, settings, progress=progress)
    return training.train(
        training_rois, settings, validation=validation, learner=initial, progress=progress
    )


def embed(
    rois: RoisLike,
    learner: LearnerLike = None,
    settings: Settings | None = None,
    *,
    progress: Progress = silent,
) -> npt.NDArray[np.float32]:
    """Compute the embeddings of ROIs.

    Args:
        rois: the `n` ROIs.
        learner: the learner, which is not changed, or its checkpoint; None for pretrained weights.
        settings: where and how to compute; front end and backbone are the learner's own.
        progress: called with the ROIs that are done.

    Returns:
        float32 `(n, embedding_dim)`, row i for ROI i; rows of ROIs that cannot be read are NaN,
        and a warning is logged.

    Raises:
        InputError: there are no ROIs, or none can be read.
        SettingsError: a setting contradicts the learner's, or the network would be untrained.
        CheckpointError: the learner's weights are not finite or belong to another front end.

    Examples:
        >>> import darksound as ds
        >>> ds.embed("demo:val").shape
        (120, 512)
    """
    if learner is None:
        check_trained(_settings(settings))
    rois, network, settings = _inputs(rois, learner, settings, progress)
    store = building.build_store(rois, settings, progress, windows=True)
    vectors = cluster_embedding.embed(store, network, store.settings, progress)
    cluster_embedding.check_finite(vectors)
    if len(store) == len(rois):
        return vectors
    logger.warning(
        "%d of %d ROIs cannot be read; their embeddings are NaN.", len(rois) - len(store), len(rois)
    )
    embeddings = np.full((len(rois), vectors.shape[1]), np.nan, dtype=np.float32)
    embeddings[rois.table["roi_id"].isin(store.rois.table["roi_id"])] = vectors
    return embeddings


def evaluate(
    rois: RoisLike,
    learner: LearnerLike = None,
    settings: Settings | None = None,
    *,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Evaluate a learner on labelled ROIs: few-shot episodes, and clusters of its embeddings.

    Args:
        rois: labelled ROIs that the learner was not trained on.
        learner: the learner, which is not changed, or its checkpoint; None for pretrained weights.
        settings: `evaluation` sets the episodes; front end and backbone are the learner's own.
        reducer: an object with `fit_transform`, in place of `reduction.method`.
        clusterer: an object with `fit_predict`, in place of `clustering.method`.
        progress: called with the episodes that are done.

    Returns:
        Accuracy with its 95 % confidence interval, per-class precision and recall, the confusion
        matrix, and the agreement of clusters with labels.

    Raises:
        InputError: no labels, or too few ROIs a class for an episode.
        SettingsError: a setting contradicts the learner's.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(
        ...     evaluation={"n_episodes": 20, "folds": 2}, reduction={"method": "pca"}
        ... )
        >>> scores = ds.evaluate("demo:val", settings=settings)
        >>> bool(scores.few_shot.accuracy > 0.9), bool(scores.clusters.as_row()["ami_all"] > 0.9)
        (True, True)
    """
    rois, network, settings = _inputs(rois, learner, settings, progress)
    return cluster_evaluation.evaluate(
        rois, network, settings, reducer=reducer, clusterer=clusterer, progress=progress
    )


def mec(
    rois: RoisLike,
    learner: LearnerLike = None,
    settings: Settings | None = None,
    *,
    review: Review | str | Path | None = None,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    progress: Progress = silent,
) -> MecResult:
    """Group ROIs into call types by Meta-Embedded Clustering.

    Each iteration embeds all ROIs, clusters the embeddings, and fine-tunes a copy of the learner
    on episodes of the ROIs with a high membership probability (Poutaraud et al. 2024, doi
    10.1016/j.ecoinf.2024.102687). The iteration to keep is chosen without labels; labels are only
    used to report on it.

    Args:
        rois: the ROIs to group; those that cannot be read are listed in `result.rois.problems`.
        learner: the learner to start from, which is not changed, or its checkpoint; None for
            pretrained weights.
        settings: all stages; front end, backbone and learner are the learner's own.
        review: names, merges and rejections of an earlier run on the same ROIs, or its file.
        reducer: an object with `fit_transform`, in place of `reduction.method`.
        clusterer: an object with `fit_predict`, in place of `clustering.method`.
        progress: called with the work that is done.

    Returns:
        The clusters, iterations and embeddings; the same type as `darksound.read_run` returns.

    Raises:
        InputError: there are no ROIs, none can be read, or the review is of other ROIs.
        CheckpointError: the learner's weights are not finite.
        SettingsError: a setting is not allowed or contradicts the learner's.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> len(result), result.n_clusters > 5
        (120, True)
        >>> from sklearn.cluster import KMeans
        >>> ds.mec("demo:val", settings=settings, clusterer=KMeans(10)).n_clusters
        10
    """
    if isinstance(review, str | Path):
        review = read_review(review)
    elif not (review is None or isinstance(review, Review)):
        raise _wrong_type("review", "a darksound.Review, the path of a review.csv or None", review)
    rois, network, settings = _inputs(rois, learner, settings, progress)
    outcome = cluster_mec.mec(
        rois,
        network,
        settings,
        reducer=reducer,
        clusterer=clusterer,
        review=review,
        progress=progress,
    )
    return MecResult.from_outcome(outcome)


def build_store(
    rois: RoisLike,
    settings: Settings | None = None,
    *,
    versions: int = 0,
    progress: Progress = silent,
) -> Store:
    """Build the images or vectors that a backbone takes as its input.

    They are computed in parallel and cached on disk. The same ROIs and settings give the same
    bytes.

    Args:
        rois: the ROIs; those that cannot be read are listed in `store.rois.problems`.
        settings: `backbone.name` selects images or vectors; `audio`, `front_end` and `compute`
            define them. `learner.settings` are those that a learner needs.
        versions: number of versions of each ROI with altered sound, besides the unaltered one.
        progress: called with the number of ROIs that are done.

    Returns:
        A store with a row for each ROI that can be read.

    Raises:
        InputError: there are no ROIs, or none can be read.
        SettingsError: the settings cannot be used with these ROIs or on this machine.
        CheckpointError: the embedding model is not the one of the settings.

    Examples:
        >>> import darksound as ds
        >>> rois = ds.load_rois("demo:val")
        >>> store = ds.build_store(rois)
        >>> len(store), store.shape
        (120, (3, 112, 192))
        >>> long = ds.Settings().replace(audio={"roi_s": 3.0}, front_end={"n_bands": 64})
        >>> ds.build_store(rois, long).shape
        (3, 64, 192)
    """
    settings = _settings(settings)
    loaded = as_roi_set(rois, settings, progress=progress)
    return building.build_store(loaded, settings, progress, versions)


def _inputs(
    rois: RoisLike, learner: LearnerLike, settings: Settings | None, progress: Progress
) -> tuple[RoiSet, Learner, Settings]:
    """Return ROIs, learner, and settings with the learner's front end, backbone and method."""
    settings = _settings(settings)
    if learner is None:
        # Data that cannot be loaded are an error before a learner is trained, which takes minutes.
        rois = as_roi_set(rois, settings, progress=progress)
    network = _learner(learner, settings, progress)
    settings = adopt_checkpoint(settings, network.settings)
    return as_roi_set(rois, settings, progress=progress), network, settings


def _settings(settings: object) -> Settings:
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        raise _wrong_type(
            "settings", "darksound.Settings (see darksound.load_settings) or None", settings
        )
    return settings


def _learner(learner: object, settings: Settings, progress: Progress) -> Learner:
    if isinstance(learner, Learner):
        return learner
    if isinstance(learner, str | Path):
        return load_checkpoint(Path(learner), settings)
    if learner is not None:
        raise _wrong_type(
            "learner", "a darksound.Learner, the path of a checkpoint or None", learner
        )
    settings = resolve_backbone(settings, progress)
    if not needs_warm_up(settings):
        return build_learner(settings)
    with TemporaryDirectory() as folder:
        return warm_up_learner(settings, Path(folder) / "warm-up", progress)


def _wrong_type(name: str, accepted: str, value: object) -> InputError:
    return InputError(f"{name} must be {accepted}, not of type {type(value).__name__}.")
