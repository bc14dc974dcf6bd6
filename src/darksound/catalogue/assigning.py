"""Assignment of new ROIs to the call types of a catalogue, and new types among the unknown."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.catalogue.content import Content, new_type_id
from darksound.catalogue.scores import Scores, score_open_set
from darksound.cluster.assign import Assignment
from darksound.cluster.clusterers.base import Clustering, number_by_size
from darksound.cluster.embedding import EmbeddingFunction, check_finite, embed
from darksound.cluster.iteration import describe, iteration_table
from darksound.cluster.levels import find_levels
from darksound.cluster.maps import map_coordinates, map_method
from darksound.cluster.metrics import NOISE
from darksound.cluster.notes import Stopwatch, ignore_note
from darksound.cluster.result import MecOutcome, cluster_table
from darksound.cluster.structure import find_clusters
from darksound.errors import InputError
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.run.type_files import KNOWN, NEW, TYPE_COLUMNS
from darksound.settings import Settings
from darksound.store.building import build_store

__all__ = ["assign", "assign_embeddings"]

Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

# Core ROIs of each known type that unknown ROIs are clustered with.
_ANCHORS = 10


def assign(
    content: Content,
    rois: RoiSet,
    settings: Settings,
    *,
    embedding_function: EmbeddingFunction = embed,
    progress: Progress = silent,
) -> MecOutcome:
    """Return which ROIs are of known call types, of new ones, or unknown.

    Args:
        content: the catalogue.
        rois: the ROIs; those that cannot be read are left out and listed as problems.
        settings: those of the catalogue, with changes.
        embedding_function: see `darksound.cluster.mec.mec`.
        progress: called with the work that is done.

    Raises:
        InputError: there are no ROIs, or none can be read.
        SettingsError: a setting cannot be used on this machine.
    """
    if not len(rois):
        raise InputError("There are no ROIs to assign; check the data source.")
    images = build_store(rois, settings, progress, windows=True)
    watch = Stopwatch()
    with watch.timing("embed_s"):
        vectors = embedding_function(images, content.learner, images.settings, progress)
    check_finite(vectors)
    return assign_embeddings(
        content,
        images.rois,
        vectors,
        settings,
        watch=watch,
        progress=progress,
    )


@single_threaded()
def assign_embeddings(
    content: Content,
    rois: RoiSet,
    vectors: Vectors,
    settings: Settings,
    *,
    watch: Stopwatch | None = None,
    progress: Progress = silent,
) -> MecOutcome:
    """Return the outcome of `assign` for ROIs whose embeddings `(n, dim)` are known.

    Clusters are call types: those of the catalogue that occur, and clusters of the other ROIs. The
    probability of a ROI is that of its known type, or its membership probability in a new type
    times the probability of being unknown. ROIs in neither are noise; their most probable known
    type is in `assigned_cluster`. The outlier score is the probability of being unknown.

    Raises:
        InputError: the embeddings have another dimension than those of the catalogue.
    """
    if vectors.shape[1] != content.embeddings.shape[1]:
        raise InputError(
            f"Embeddings of the catalogue have {content.embeddings.shape[1]} dimensions, those of "
            f"the ROIs {vectors.shape[1]}; embed them by the learner of the catalogue."
        )
    watch = watch or Stopwatch()
    progress("assigning", 0, 2)
    scores = score_open_set(content.known(settings.catalogue.max_rejected), vectors)
    progress("assigning", 1, 2)
    unknown = np.flatnonzero(~scores.accepted)
    # In an order that does not depend on that of the data, as clusterers may.
    unknown = unknown[np.argsort(rois.table["roi_id"].to_numpy(dtype=str)[unknown])]
    found = _find_new_types(content, vectors[unknown], settings, progress)
    progress("assigning", 2, 2)
    clustering, types = _as_clusters(content, rois, scores, unknown, found)
    method = map_method(settings, len(rois))
    progress("map", 0, 1)
    maps = map_coordinates([vectors], method, settings.reduction, settings.seed)
    progress("map", 1, 1)
    levels = find_levels(clustering, vectors, settings.reduction)
    nearest = _nearest_of_noise(clustering, scores, types, content)
    row = describe(vectors, clustering, settings, labels=rois.labels, watch=watch)
    return MecOutcome(
        rois=rois,
        clusters=cluster_table(rois, clustering, nearest, maps[0], levels),
        iterations=iteration_table([row], 0),
        embeddings=vectors,
        map_method=method,
        kept=0,
        learner=content.learner,
        settings=settings,
        notes=(),
        tree=levels.tree,
        call_types=types,
    )


def _find_new_types(
    content: Content, unknown: Vectors, settings: Settings, progress: Progress
) -> Clustering:
    """Return the clusters of unknown ROIs `(m, dim)`.

    They are clustered together with core ROIs of the known types: known calls that were rejected
    are then in clusters of core ROIs, and one new type alone is a cluster too. Clusters with more
    core ROIs than unknown ones are no new types.
    """
    if not len(unknown):
        return Clustering.all_noise(0)
    rank = content.core.groupby("type_id").cumcount().to_numpy()
    anchors = content.embeddings[rank < _ANCHORS]
    together = find_clusters(
        np.concatenate([unknown, anchors]), settings, note=ignore_note, progress=progress
    )
    m, k = len(unknown), together.n_clusters
    counts = [
        np.bincount(part[part != NOISE], minlength=k)
        for part in (together.labels[:m], together.labels[m:])
    ]
    new = np.flatnonzero((counts[0] > counts[1]) & (counts[0] > 1))
    number = np.full(k + 1, NOISE, dtype=np.int64)
    number[new] = np.arange(len(new))
    labels = number[together.labels[:m]]
    return Clustering(
        labels,
        np.where(labels == NOISE, 0.0, together.probability[:m]),
        together.outlier_score[:m],
        together.persistence[new],
    )


def _as_clusters(
    content: Content, rois: RoiSet, scores: Scores, unknown: Ints, found: Clustering
) -> tuple[Clustering, pd.DataFrame]:
    """Return known and new types as clusters numbered by size, and their table."""
    n, p_unknown = len(rois), 1 - scores.probability.sum(axis=1).clip(0, 1)
    known = np.flatnonzero(scores.accepted)
    present, number = np.unique(scores.nearest[known], return_inverse=True)
    labels, probability = np.full(n, NOISE, dtype=np.int64), np.zeros(n)
    labels[known] = number
    probability[known] = scores.probability[known, scores.nearest[known]]
    inside = found.labels != NOISE
    labels[unknown[inside]] = len(present) + found.labels[inside]
    probability[unknown] = found.probability * p_unknown[unknown]
    sizes = np.bincount(labels[labels != NOISE], minlength=len(present) + found.n_clusters)
    means = np.bincount(number, probability[known], minlength=len(present))[: len(present)]
    persistence = np.concatenate([means / sizes[: len(present)], found.persistence])
    clustering = number_by_size(Clustering(labels, probability, p_unknown, persistence))
    rows = []
    active, roi_ids = content.active, rois.table["roi_id"].to_numpy(dtype=object)
    taken = content.types["type_id"].tolist()
    for old in range(len(sizes)):
        members = np.flatnonzero(labels == old)
        is_known = old < len(present)
        best = np.bincount(scores.nearest[members], minlength=1).argmax()
        type_id = (
            active["type_id"][present[old]] if is_known else new_type_id(roi_ids[members], taken)
        )
        taken.append(type_id)
        rows.append(
            (
                int(clustering.labels[members[0]]),
                type_id,
                KNOWN if is_known else NEW,
                active["name"][present[old]] if is_known else "",
                len(members),
                float(probability[members].mean()),
                "" if is_known else active["type_id"][best],
                float(scores.margin[members].mean()),
                content.catalogue_id,
                content.version,
            )
        )
    table = pd.DataFrame(rows, columns=list(TYPE_COLUMNS)).sort_values("cluster")
    return clustering, table.reset_index(drop=True)


def _nearest_of_noise(
    clustering: Clustering, scores: Scores, types: pd.DataFrame, content: Content
) -> Assignment:
    """Return the nearest known type of noise ROIs, if other ROIs are of it."""
    noise = np.flatnonzero(clustering.labels == NOISE)
    cluster_of = dict(zip(types["type_id"], types["cluster"], strict=True))
    clusters: Sequence[int] = [cluster_of.get(name, NOISE) for name in content.active["type_id"]]
    nearest = scores.nearest[noise]
    return Assignment(
        noise,
        np.array(clusters, dtype=np.int64)[nearest],
        scores.probability[noise, nearest],
    )
