"""Results as tables of text, for the terminal and the report page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from darksound.cluster.evaluation import Evaluation

__all__ = [
    "Table",
    "comparison_table",
    "evaluation_table",
    "iterations_tables",
    "metrics_table",
    "per_class_table",
]


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: the title.
        columns: the headings.
        rows: one tuple a row, as long as `columns`.
        marked: numbers of highlighted rows.
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


_Column = tuple[str, str, Callable[[Any], str]]
# Column of iterations.csv, heading, format. Coverage is in both tables: a metric that improves
# because difficult ROIs became noise must not look like progress.
_WITHOUT_LABELS: tuple[_Column, ...] = (
    ("iteration", "iteration", _count),
    ("n_clusters", "clusters", _count),
    ("n_superclusters", "superclusters", _count),
    ("coverage", "coverage", _share),
    ("dbcv", "DBCV", _figure),
    ("weighted_entropy", "weighted entropy", _figure),
    ("ami_previous", "AMI prev.", _figure),
    ("seconds", "seconds", _seconds),
)
_WITH_LABELS: tuple[_Column, ...] = (
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

_COMPARED: tuple[_Column, ...] = (
    ("n_clusters", "clusters", _count),
    ("coverage", "coverage", _share),
    ("dbcv", "DBCV", _figure),
    ("ami_all", "AMI all", _figure),
)


def iterations_tables(iterations: pd.DataFrame) -> tuple[Table, ...]:
    """Return the table of iterations with the kept one marked and, with labels, a second table.

    Args:
        iterations: columns as in `iterations.csv`.
    """
    tables = [_table("Iterations", iterations, _WITHOUT_LABELS)]
    if "ami" in iterations.columns:
        title = "Agreement with labels: clustered ROIs, and all ROIs (each noise ROI a cluster)"
        tables.append(_table(title, iterations, _WITH_LABELS))
    return tuple(tables)


def _table(title: str, iterations: pd.DataFrame, columns: Sequence[_Column]) -> Table:
    # Runs of earlier versions lack columns.
    columns = [column for column in columns if column[0] in iterations.columns]
    cells = [iterations[name].map(write) for name, _, write in columns]
    marked = frozenset(np.flatnonzero(iterations["kept"].to_numpy(dtype=bool)).tolist())
    headings = tuple(heading for _, heading, _ in columns)
    return Table(title, headings, tuple(zip(*cells, strict=True)), marked)


def comparison_table(runs: Mapping[str, pd.DataFrame]) -> Table:
    """Return a table of the kept iteration of each run, one row a run.

    Args:
        runs: by name; columns as in `iterations.csv`.
    """
    rows = []
    for name, iterations in runs.items():
        kept = iterations[iterations["kept"].astype(bool)].iloc[0]
        iteration = f"{int(kept['iteration'])} of {int(iterations['iteration'].max())}"
        # Runs without labels, or of earlier versions, lack columns.
        cells = (write(kept.get(column)) for column, _, write in _COMPARED)
        rows.append((name, iteration, *cells))
    headings = (heading for _, heading, _ in _COMPARED)
    return Table("Kept iterations", ("run", "kept", *headings), tuple(rows))


def evaluation_table(evaluation: "Evaluation") -> Table:
    """Return few-shot accuracy with interval and folds, and the clustering metrics."""
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
        f"{few_shot.n_way}-way {few_shot.n_shot}-shot, {few_shot.n_episodes} episodes, "
        f"{len(evaluation.rois)} ROIs"
    )
    return Table(title, ("metric", "value"), tuple(rows))


def metrics_table(title: str, metrics: Mapping[str, float]) -> Table:
    """Return a table of named metrics, one a row."""
    rows = tuple((name.replace("_", " "), _figure(value)) for name, value in metrics.items())
    return Table(title, ("metric", "value"), rows)


def per_class_table(classes: pd.DataFrame) -> Table:
    """Return precision, recall and F1 of each class, the lowest F1 first.

    Args:
        classes: one row a class, with `precision`, `recall`, `f1` and `queries`.
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
        "Classes, the lowest F1 first", ("class", "precision", "recall", "F1", "queries"), rows
    )
