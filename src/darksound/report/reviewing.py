"""Reviews of a result from Python: split clusters, group ROIs, save `review.csv`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.metrics import NOISE
from darksound.cluster.subtrees import find_subtree
from darksound.errors import InputError
from darksound.report.result import MecResult
from darksound.rois.review import Review, read_review
from darksound.rois.review_edits import regroup, review_rows, split_review
from darksound.run.files import write_csv

__all__ = ["group_rois", "save_review", "split_cluster"]

#: A review, its file, or None for none yet.
ReviewLike = Review | str | Path | None


def split_cluster(
    result: MecResult,
    cluster: int,
    parts: int = 2,
    *,
    marked: Sequence[str] | None = None,
    names: Sequence[str] = (),
    review: ReviewLike = None,
) -> Review:
    """Split a cluster, by its branch of the tree or by marked ROIs.

    The branch is cut at its highest merges; parts of single ROIs are avoided (see
    `darksound.cluster.subtrees.find_subtree`). The largest part, or the ROIs that are not marked,
    keep the cluster's number; the other parts are new groups, numbered after the largest cluster.

    Args:
        result: the result of MEC.
        cluster: number of the cluster.
        parts: number of parts.
        marked: ids of the ROIs of the cluster that become a group of their own, instead of `parts`.
        names: names of the parts, the largest first, or of the remaining and the marked ROIs; empty
            for those without.
        review: the review to change, or its file; None for none yet.

    Returns:
        The changed review, for `MecResult.reviewed`, `darksound.mec` and `darksound.save_review`.
        All ROIs of the cluster are in it, so its parts stay apart in a new run.

    Raises:
        InputError: there is no such cluster, it has fewer ROIs than parts, or a marked ROI is not
            in it.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> review = ds.split_cluster(result, 0, names=["wren", "tit"])
        >>> result.reviewed(review).n_clusters - result.n_clusters
        1
        >>> result.save("my-run")
        >>> ds.save_review(review, result, "my-run/review.csv")
    """
    rows = np.flatnonzero(result.clusters["cluster"].to_numpy() == cluster)
    if cluster == NOISE or not rows.size:
        raise InputError(f"The run has no cluster {cluster}.")
    ids = result.rois.table["roi_id"].iloc[rows]
    if marked is None:
        part = _parts_of(result, rows, cluster, parts)
    else:
        if unknown := [roi_id for roi_id in marked if roi_id not in set(ids)]:
            raise InputError(f"Cluster {cluster} has no ROI with the roi_id {unknown[0]!r}.")
        part = ids.isin(list(marked)).to_numpy().astype(np.int64)
        if len(np.unique(part)) < 2:
            raise InputError(f"Mark some of the ROIs of cluster {cluster}, not all or none.")
    return split_review(result.table, ids, part, names, _review(review))


def group_rois(
    result: MecResult, roi_ids: Sequence[str], name: str = "", *, review: ReviewLike = None
) -> Review:
    """Put ROIs of any clusters, or of noise, into one group.

    The other ROIs of their clusters stay where they are, and may be joined with them in a new run.

    Args:
        result: the result of MEC.
        roi_ids: the ROIs, such as the hits of `darksound.search`.
        name: name of the group; a group of this name is enlarged.
        review: the review to change, or its file; None for none yet.

    Returns:
        The changed review, in which only these ROIs are new: in a new run they are in one cluster.

    Raises:
        InputError: a ROI is not in the result.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> first_and_last = result.rois.table["roi_id"].iloc[[0, -1]]
        >>> review = ds.group_rois(result, first_and_last, "rattle")
        >>> list(review.names.values())
        ['rattle']
    """
    return regroup(result.table, list(roi_ids), name, _review(review))


def save_review(review: Review, result: MecResult, path: str | Path) -> None:
    """Write a review as `review.csv`, which the report page and all commands read.

    Args:
        review: the review.
        result: the result that it is a review of.
        path: the file; it is replaced.

    Returns:
        None.

    Raises:
        RunError: the file cannot be written.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> ds.save_review(ds.split_cluster(result, 1), result, "review.csv")
        >>> ds.read_review("review.csv").constraints(result.rois.table["roi_id"]).shape
        (120,)
    """
    write_csv(Path(path), review_rows(result.table, review))


def _review(review: ReviewLike) -> Review | None:
    return read_review(review) if isinstance(review, str | Path) else review


def _parts_of(
    result: MecResult, rows: npt.NDArray[np.int64], cluster: int, parts: int
) -> npt.NDArray[np.int64]:
    """Return the part `(m,)` of each member, the largest part first."""
    if not 2 <= parts <= len(rows):
        raise InputError(
            f"Cluster {cluster} has {len(rows)} ROIs; split it into 2 to {len(rows)} parts, not "
            f"{parts}."
        )
    subtree = find_subtree(
        np.asarray(result.embeddings),
        rows,
        parts,
        tree=result.tree,
        method=result.settings.reduction.normalise,
    )
    part = subtree.cut(parts)
    by_size = pd.Series(part).value_counts(sort=False).sort_index().to_numpy()
    number = np.empty(len(by_size), dtype=np.int64)
    number[np.argsort(-by_size, kind="stable")] = np.arange(len(by_size))
    return number[part]
