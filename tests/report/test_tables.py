"""Results as text."""

import pandas as pd

from darksound.report.tables import iterations_tables, metrics_table, per_class_table

PLAIN = {
    "iteration": [0, 1],
    "n_clusters": [3, 12],
    "coverage": [0.5, 0.9349],
    "dbcv": [-0.25, float("nan")],
    "weighted_entropy": [1.0, 2.5],
    "ami_previous": [float("nan"), 0.5],
    "persistence": [0.1, 0.2],
    "seconds": [1.25, 2.0],
    "kept": [False, True],
}
METRICS = ("acc", "nmi", "ami", "ari")


def test_iterations_without_labels_are_one_table_with_the_kept_one_marked():
    (table,) = iterations_tables(pd.DataFrame(PLAIN))
    assert table.columns[:4] == ("iteration", "clusters", "coverage", "DBCV")
    assert table.rows == (
        ("0", "3", "50 %", "-0.250", "1.000", "", "1.2"),
        ("1", "12", "93 %", "", "2.500", "0.500", "2.0"),
    )
    assert table.marked == {1}


def test_with_labels_a_second_table_has_coverage_and_metrics_of_clustered_and_all_rois():
    labelled = {name: [0.5, 0.75] for metric in METRICS for name in (metric, f"{metric}_all")}
    tables = iterations_tables(pd.DataFrame({**PLAIN, **labelled}))
    assert len(tables) == 2
    assert tables[1].columns == (
        "iteration",
        "coverage",
        *("ACC", "NMI", "AMI", "ARI"),
        *("ACC all", "NMI all", "AMI all", "ARI all"),
    )
    assert tables[1].rows[1] == ("1", "93 %", *["0.750"] * 8)


def test_the_class_with_the_lowest_f1_comes_first():
    classes = pd.DataFrame(
        {"precision": [1.0, 0.5], "recall": [1.0, 0.25], "f1": [1.0, 1 / 3], "queries": [8, 9]},
        index=["wren", "owl"],
    )
    table = per_class_table(classes)
    assert table.rows == (
        ("owl", "0.500", "0.250", "0.333", "9"),
        ("wren", "1.000", "1.000", "1.000", "8"),
    )


def test_names_of_metrics_are_shown_as_words():
    table = metrics_table("Kept", {"validation_accuracy": 0.98765})
    assert table.rows == (("validation accuracy", "0.988"),)
