"""Results as plain tables of text, which a screen, a page or a file may show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from darksound.cluster.evaluation import Evaluation

__all__ = ["Table", "evaluation_table", "iterations_tables", "metrics_table", "per_class_table"]


@dataclass(frozen=True)
class Table:
    """A table that is ready to be shown.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: cells, one tuple a row, as many as there are columns.
        marked: rows to be brought out.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()


def _count(value: Any) -> str:
    return "" if pd.isna(value) else f"{int(value)}"


def _figure(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _share(value: Any) -> str:
    return "" if pd.isna(value) else f"{100 * value:.0f} %"


def _seconds(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.1f}"


_Shown = tuple[str, str, Callable[[Any], str]]
# Column of iterations.csv, heading, and how it is written. Coverage stands beside every metric:
# leaving out hard ROIs must not look like progress.
_FOUND: tuple[_Shown, ...] = (
    ("iteration", "iteration", _count),
    ("n_clusters", "clusters", _count),
    ("coverage", "coverage", _share),
    ("dbcv", "DBCV", _figure),
    ("information", "information", _figure),
    ("ami_previous", "AMI prev.", _figure),
    ("seconds", "seconds", _seconds),
)
_AGREEMENT: tuple[_Shown, ...] = (
    ("iteration", "iteration", _count),
    ("coverage", "coverage", _share),
    ("acc", "ACC", _figure),
    ("nmi", "NMI", _figure),
    ("ami", "AMI", _figure),
    ("ari", "ARI", _figure),
    ("acc_all", "ACC all", _figure),
    ("nmi_all", "NMI all", _figure),
    ("ami_all", "AMI all", _figure),
    ("ari_all", "ARI all", _figure),
)


def iterations_tables(iterations: pd.DataFrame) -> tuple[Table, ...]:
    """The iterations of MEC, the kept one marked; with labels, a second table against them.

    Args:
        iterations: columns as in `iterations.csv`.
    """
    tables = [_selected("Iterations", iterations, _FOUND)]
    if "ami" in iterations.columns:
        title = "Against the labels: clustered ROIs, and all with each noise ROI apart"
        tables.append(_selected(title, iterations, _AGREEMENT))
    return tuple(tables)


def _selected(title: str, iterations: pd.DataFrame, shown: Sequence[_Shown]) -> Table:
    columns = [iterations[name].map(written) for name, _, written in shown]
    marked = frozenset(np.flatnonzero(iterations["kept"].to_numpy(dtype=bool)).tolist())
    headings = tuple(heading for _, heading, _ in shown)
    return Table(title, headings, tuple(zip(*columns, strict=True)), marked)


def evaluation_table(evaluation: "Evaluation") -> Table:
    """Few-shot accuracy with its interval and folds, and the clustering metrics."""
    few_shot, clusters = evaluation.few_shot, evaluation.clusters
    folds = ", ".join(f"{fold:.3f}" for fold in few_shot.folds)
    rows = [
        ("few-shot accuracy", f"{few_shot.accuracy:.3f} \u00b1 {few_shot.interval:.3f} (95 % CI)"),
        ("in each fold", folds),
        ("clusters", str(clusters.n_clusters)),
        ("coverage", _share(clusters.coverage)),
        ("DBCV", _figure(clusters.dbcv)),
    ]
    row = clusters.as_row()
    for name in ("acc", "nmi", "ami", "ari"):
        both = f"{_figure(row[name])}, over all ROIs {_figure(row[f'{name}_all'])}"
        rows.append((f"{name.upper()} of clustered ROIs", both))
    title = (
        f"{few_shot.n_way}-way {few_shot.n_shot}-shot, {few_shot.tasks} tasks, "
        f"{len(evaluation.rois)} ROIs"
    )
    return Table(title, ("figure", "value"), tuple(rows))


def metrics_table(title: str, metrics: Mapping[str, float]) -> Table:
    """Named figures, one a row."""
    rows = tuple((name.replace("_", " "), _figure(value)) for name, value in metrics.items())
    return Table(title, ("figure", "value"), rows)


def per_class_table(classes: pd.DataFrame) -> Table:
    """Precision, recall and F1 of each class, the hardest first.

    Args:
        classes: a row a class, with `precision`, `recall`, `f1` and `queries`.
    """
    ordered = classes.sort_values("f1", kind="stable")
    rows = tuple(
        (
            str(name),
            *(_figure(row[key]) for key in ("precision", "recall", "f1")),
            _count(row["queries"]),
        )
        for name, row in ordered.iterrows()
    )
    return Table(
        "Classes, the hardest first", ("class", "precision", "recall", "F1", "queries"), rows
    )
