"""The public functions: ROIs first, then a learner, then settings.

ROIs are a `RoiSet`, or whatever `darksound.load_rois` loads: a name such as `"demo:test"`, a path,
or a list of these. A learner is a `Learner`, the path of a checkpoint, or None for a learner with
the package's pretrained weights. Settings are None for the defaults.
"""

import logging
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from darksound.cluster import embedding as cluster_embedding
from darksound.cluster import evaluation as cluster_evaluation
from darksound.cluster import mec as cluster_mec
from darksound.cluster.evaluation import Evaluation
from darksound.errors import InputError
from darksound.meta import training
from darksound.meta.checkpoints import load_checkpoint
from darksound.meta.learners import build_learner
from darksound.meta.learners.base import Learner
from darksound.progress import Progress, silent
from darksound.report.result import MecResult
from darksound.rois.review import Review, read_review
from darksound.settings import Settings, adopt_checkpoint
from darksound.sources import RoisLike, as_roi_set
from darksound.store.building import build_store, resolve_backbone

__all__ = ["LearnerLike", "embed", "evaluate", "mec", "train"]

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
        learner: a learner to train further; by default a new one.
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
        >>> tiny = {"epochs": 1, "episodes_per_epoch": 1, "validation_episodes": 1}
        >>> settings = ds.Settings().replace(training=tiny, augmentation={"enabled": False})
        >>> learner = ds.train("demo:val", settings)
        >>> learner.embedding_dim
        512
    """
    settings = _settings(settings)
    loaded = as_roi_set(rois, settings=settings)
    held_out = None if validation is None else as_roi_set(validation, settings=settings)
    start = None if learner is None else _learner(learner, settings)
    return training.train(loaded, settings, validation=held_out, learner=start, progress=progress)


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
        learner: the network; it is not changed.
        settings: where and how to compute; front end and backbone are the learner's own.
        progress: called with the ROIs that are done.

    Returns:
        float32 `(n, embedding_dim)`, row i for ROI i; rows of ROIs that cannot be read are NaN,
        and a warning is logged.

    Raises:
        InputError: there are no ROIs, or none can be read.
        SettingsError: a setting contradicts the learner's.
        CheckpointError: the learner's weights are not finite or belong to another front end.

    Examples:
        >>> import darksound as ds
        >>> rois = ds.load_rois("demo:test")
        >>> ds.embed(rois, settings=ds.Settings(seed=1)).shape
        (240, 512)
    """
    settings = _settings(settings)
    loaded = as_roi_set(rois, settings=settings)
    network = _learner(learner, settings)
    store = build_store(loaded, adopt_checkpoint(settings, network.settings), progress)
    vectors = cluster_embedding.embed(store, network, store.settings, progress)
    if len(store) == len(loaded):
        return vectors
    logger.warning(
        "%d of %d ROIs cannot be read; their embeddings are NaN.",
        len(loaded) - len(store),
        len(loaded),
    )
    rows = loaded.table["roi_id"].isin(set(store.rois.table["roi_id"])).to_numpy()
    embeddings = np.full((len(loaded), vectors.shape[1]), np.nan, dtype=np.float32)
    embeddings[rows] = vectors
    return embeddings


def evaluate(
    rois: RoisLike,
    learner: LearnerLike = None,
    settings: Settings | None = None,
    *,
    progress: Progress = silent,
    reducer: Any = None,
    clusterer: Any = None,
) -> Evaluation:
    """Evaluate a learner on labelled ROIs: few-shot episodes, and clusters of its embeddings.

    Args:
        rois: labelled ROIs that the learner was not trained on.
        learner: the network; it is not changed.
        settings: `evaluation` sets the episodes; front end and backbone are the learner's own.
        progress: called with the episodes that are done.
        reducer: an object with `fit_transform`, in place of `reduction.method`.
        clusterer: an object with `fit_predict`, in place of `clustering.method`.

    Returns:
        Accuracy with its 95 % confidence interval, per-class precision and recall, the confusion
        matrix, and the agreement of clusters with labels.

    Raises:
        InputError: no labels, or too few ROIs a class for an episode.
        SettingsError: a setting contradicts the learner's.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(evaluation={"n_episodes": 20, "folds": 2})
        >>> scores = ds.evaluate("demo:val", settings=settings)
        >>> bool(scores.few_shot.accuracy > 0.9)
        True
    """
    settings = _settings(settings)
    return cluster_evaluation.evaluate(
        as_roi_set(rois, settings=settings),
        _learner(learner, settings),
        settings,
        progress=progress,
        reducer=reducer,
        clusterer=clusterer,
    )


def mec(
    rois: RoisLike,
    learner: LearnerLike = None,
    settings: Settings | None = None,
    *,
    review: Review | str | Path | None = None,
    reducer: Any = None,
    clusterer: Any = None,
    progress: Progress = silent,
) -> MecResult:
    """Group ROIs into call types by Meta-Embedded Clustering.

    Each iteration embeds all ROIs, clusters the embeddings, and fine-tunes a copy of the learner
    on episodes of the ROIs with a high membership probability (Poutaraud et al. 2024, doi
    10.1016/j.ecoinf.2024.102687). The iteration to keep is chosen without labels; labels are only
    used to report on it.

    Args:
        rois: the ROIs to group; those that cannot be read are listed in `result.rois.problems`.
        learner: the network to start from; it is not changed.
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
        >>> from sklearn.decomposition import PCA
        >>> result = ds.mec(
        ...     "demo:test",
        ...     settings=ds.Settings().replace(mec={"iterations": 0}),
        ...     reducer=PCA(8),
        ... )
        >>> len(result), result.n_clusters > 5
        (240, True)
    """
    settings = _settings(settings)
    if isinstance(review, str | Path):
        review = read_review(review)
    network = _learner(learner, settings)
    outcome = cluster_mec.mec(
        as_roi_set(rois, settings=settings),
        network,
        settings,
        progress=progress,
        review=review,
        reducer=reducer,
        clusterer=clusterer,
    )
    return MecResult.from_outcome(outcome, settings)


def _settings(settings: object) -> Settings:
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        raise InputError(
            f"settings must be darksound.Settings or None, not {type(settings).__name__}; "
            "darksound.load_settings reads a file."
        )
    return settings


def _learner(learner: object, settings: Settings) -> Learner:
    if learner is None:
        return build_learner(resolve_backbone(settings))
    if isinstance(learner, str | Path):
        return load_checkpoint(Path(learner), settings)
    if not isinstance(learner, Learner):
        raise InputError(
            f"learner must be a darksound.Learner, the path of a checkpoint or None, not "
            f"{type(learner).__name__}."
        )
    return learner
