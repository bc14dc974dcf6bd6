"""Which ROIs to check to know the precision of each cluster: a stratified random sample."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.metrics import NOISE
from darksound.errors import InputError, RunError
from darksound.report.confounders import recording_context
from darksound.report.result import MecResult, as_result
from darksound.rois.review import Review, read_review

__all__ = [
    "BANDS",
    "PLAN_FILE",
    "extend_plan",
    "plan_of_run",
    "planned_table",
    "probability_bands",
    "read_plan",
    "review_plan",
]

Ints = npt.NDArray[np.int64]

#: Name of the plan in the run directory.
PLAN_FILE: Final = "review_plan.csv"

_COLUMNS = (
    "roi_id",
    "recording",
    "start_s",
    "end_s",
    "cluster",
    "stratum",
    "site",
    "hour",
    "weight",
)
#: Bands of the membership probability within a cluster, by thirds of its ROIs.
BANDS = ("low", "middle", "high")
# Fewest ROIs of a cluster that is divided into bands.
_MIN_DIVIDED = 9
# Stream of the seed.
_STREAM = 501


def probability_bands(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the stratum of each ROI within its cluster: `low`, `middle`, `high`, or `all`.

    Bands are thirds of the ROIs of a cluster by membership probability, equal ones in the same
    band. Clusters of fewer than nine ROIs, or of one probability, are one stratum, `all`.

    Args:
        table: ROIs with `cluster` and `probability`.
    """
    bands = pd.Series("all", index=table.index, dtype=object)
    for _, rows in table.groupby("cluster"):
        values = rows["probability"].to_numpy(np.float64)
        if len(values) < _MIN_DIVIDED or values.min() == values.max():
            continue
        edges = np.quantile(values, (1 / 3, 2 / 3))
        bands.loc[rows.index] = np.array(BANDS)[np.searchsorted(edges, values, side="right")]
    return bands


def review_plan(
    run: MecResult | str | Path,
    *,
    per_cluster: int = 20,
    review: Review | str | Path | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Draw the ROIs to check of each cluster, for an unbiased estimate of its precision.

    The strata are the probability bands of each cluster (`probability_bands`), with samples in
    proportion to their sizes. Within a stratum ROIs are drawn at equal intervals, from a random
    start, in the order of site and hour, so that all sites and hours are represented.

    Args:
        run: a result, or its run directory.
        per_cluster: number of ROIs of a cluster; smaller ones are checked as a whole.
        review: a review of the run; its rejected clusters are left out.
        seed: of the draw; None: that of the run.

    Returns:
        One row a ROI, by cluster: `roi_id`, `recording`, `start_s`, `end_s`, `cluster`, `stratum`,
        `site`, `hour` and `weight`, the number of ROIs of the stratum that it stands for.

    Raises:
        InputError: there are no clusters, the review is of another run, or `per_cluster` is not
            positive.
        RunError: it is not a finished MEC run.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> plan = ds.review_plan(result, per_cluster=5)
        >>> int(plan.groupby("cluster").size().max())
        5
    """
    result = as_result(run)
    if per_cluster < 1:
        raise InputError(f"The number of ROIs per cluster is {per_cluster}; it is at least 1.")
    table = planned_table(result, review)
    if table.empty:
        raise InputError(f"{result.name} has no cluster, so there is nothing to review.")
    chosen: list[Ints] = []
    rng = _generator(result, seed, 0)
    for _, members in table.groupby("cluster"):
        strata = [rows for _, rows in members.groupby("stratum")]
        sizes = np.array([len(rows) for rows in strata])
        for rows, count in zip(strata, _shares(sizes, per_cluster), strict=True):
            chosen.append(rows.index.to_numpy()[_spread(rows, count, rng)])
    return _with_weights(table, np.concatenate(chosen))


def extend_plan(
    run: MecResult | str | Path,
    plan: pd.DataFrame,
    counts: "pd.Series[int]",
    *,
    seed: int | None = None,
) -> pd.DataFrame:
    """Return a plan with more ROIs of some strata.

    Args:
        run: a result, or its run directory.
        plan: a plan of this run.
        counts: number of ROIs to add, by cluster and stratum.
        seed: of the draw; None: that of the run.

    Raises:
        RunError: it is not a finished MEC run.
    """
    result = as_result(run)
    table = planned_table(result, None)
    is_planned = table["roi_id"].isin(plan["roi_id"])
    rng = _generator(result, seed, int(is_planned.sum()))
    chosen = [table.index.to_numpy()[is_planned]]
    for (cluster, stratum), count in zip(counts.index.tolist(), counts.tolist(), strict=True):
        rows = table[(table["cluster"] == cluster) & (table["stratum"] == stratum) & ~is_planned]
        chosen.append(rows.index.to_numpy()[_spread(rows, count, rng)])
    return _with_weights(table, np.concatenate(chosen))


def plan_of_run(result: MecResult) -> pd.DataFrame:
    """Return the plan in the run directory, else the one that `review_plan` draws by default.

    Raises:
        InputError: there are no clusters.
        RunError: the file is not a plan.
    """
    path = None if result.path is None else result.path / PLAN_FILE
    return review_plan(result) if path is None or not path.exists() else read_plan(path)


def read_plan(path: str | Path) -> pd.DataFrame:
    """Return the plan in a `review_plan.csv`.

    Raises:
        RunError: it cannot be read, or is not a plan.
    """
    path = Path(path)
    try:
        plan = pd.read_csv(path, dtype={"roi_id": str, "stratum": str})
    except (OSError, ValueError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path} cannot be read as a plan of a review ({cause}).") from None
    missing = [name for name in ("roi_id", "cluster", "stratum") if name not in plan.columns]
    if missing:
        raise RunError(f"{path} is no plan of a review: it lacks the column(s) {missing[0]}.")
    return plan


def planned_table(result: MecResult, review: Review | str | Path | None) -> pd.DataFrame:
    """Return the ROIs in clusters with `stratum`, `site` and `hour`, without rejected clusters.

    Raises:
        InputError: the review is of another run, or cannot be read.
    """
    table = result.table
    table = table[table["cluster"] != NOISE]
    context = recording_context(table)
    table = table.assign(
        stratum=probability_bands(table), site=context["site"], hour=context["hour"]
    )
    if review is None:
        return table
    given = review if isinstance(review, Review) else read_review(review)
    result.reviewed(given)  # raises for the review of another run
    accepted = ~given.rejected(table["roi_id"])
    kept = table["cluster"].isin(table["cluster"][accepted])
    return table[kept]


def _generator(result: MecResult, seed: int | None, number: int) -> np.random.Generator:
    return np.random.default_rng([result.settings.seed if seed is None else seed, _STREAM, number])


def _shares(sizes: Ints, total: int) -> Ints:
    """Return how many of `total` ROIs each stratum gets, in proportion to `sizes` `(h,)`."""
    total = min(total, int(sizes.sum()))
    exact = sizes * total / sizes.sum()
    # At least one of each, where there are enough.
    counts: Ints = np.floor(exact).astype(np.int64)
    if total >= len(sizes):
        counts = np.maximum(counts, 1)
    while counts.sum() < total:
        counts[np.argmax(np.where(counts < sizes, exact - counts, -np.inf))] += 1
    while counts.sum() > total:
        counts[np.argmax(counts)] -= 1
    return counts


def _spread(rows: pd.DataFrame, count: int, rng: np.random.Generator) -> Ints:
    """Return the positions of a systematic sample of the rows, ordered by site and hour."""
    keys = [rows[name].fillna("").astype(str).to_numpy() for name in ("hour", "site")]
    order = np.lexsort((rng.random(len(rows)), *keys))
    count = min(count, len(rows))
    if not count:
        return np.zeros(0, dtype=np.int64)
    picks = np.floor((np.arange(count) + rng.random()) * len(rows) / count).astype(np.int64)
    return order[picks].astype(np.int64)


def _with_weights(table: pd.DataFrame, rows: Ints) -> pd.DataFrame:
    """Return the plan of these rows of the table of all ROIs in clusters."""
    keys = ["cluster", "stratum"]
    plan = table.loc[np.sort(rows)]
    sizes = table.groupby(keys).size()
    drawn = plan.groupby(keys).size()
    at = pd.MultiIndex.from_frame(plan[keys])
    weight = (sizes / drawn).reindex(at).to_numpy()
    # In an order within clusters that has nothing to do with the ROIs, so that the first ones are
    # a random sample too, if the others are never checked.
    order = pd.util.hash_pandas_object(plan["roi_id"], index=False).to_numpy()
    ordered = plan.assign(weight=weight).iloc[np.lexsort((order, plan["cluster"].to_numpy()))]
    return ordered[list(_COLUMNS)].reset_index(drop=True)
