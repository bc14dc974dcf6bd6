"""Figures, drawn without a screen."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from darksound.report import figures

ITERATIONS = pd.DataFrame(
    {
        "iteration": [0, 1],
        "coverage": [0.5, 0.9],
        "dbcv": [float("nan"), 0.2],
        "ami_previous": [float("nan"), 0.5],
        "kept": [False, True],
    }
)


def points(n, clusters):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % (clusters + 1) - 1
    return pd.DataFrame({"x": rng.normal(size=n), "y": rng.normal(size=n), "cluster": labels})


def shown_array(axes):
    """Return the values of the first image of the axes."""
    return axes.images[0].get_array()


def drawn(figure):
    image = imread(io.BytesIO(figures.png(figure)))
    assert image[..., :3].std() > 0.01
    return image


@pytest.mark.parametrize("n", [2, 12, 40])
def test_a_confusion_matrix_is_drawn_whatever_its_size(n):
    counts = np.eye(n, dtype=np.int64) * 5
    counts[0] = 0
    drawn(figures.confusion_matrix(counts, [f"species {i}" for i in range(n)]))


def test_rows_of_a_confusion_matrix_are_shares_of_the_true_class():
    figure = figures.confusion_matrix(np.array([[3, 1], [0, 8]]), ["a", "b"])
    shown = shown_array(figure.axes[0])
    assert np.allclose(shown, np.array([[0.75, 0.25], [0, 1]]))


@pytest.mark.parametrize("clusters", [0, 1, 9, 120])
def test_a_map_is_drawn_for_any_number_of_clusters(clusters):
    table = points(300, clusters)
    assert len(figures.cluster_map(table).axes) == 1
    labels = np.array([None, "wren", "owl"] * 100, dtype=object)
    drawn(figures.cluster_map(table, labels, title="A run"))


def test_a_map_names_its_method_below_it():
    drawn_by = figures.cluster_map(points(9, 2), method="t-SNE")
    assert "by t-SNE" in drawn_by.get_supxlabel()
    assert figures.cluster_map(points(9, 2)).get_supxlabel() == ""


def test_labels_that_are_all_missing_are_not_drawn():
    assert len(figures.cluster_map(points(9, 2), np.array([None] * 9)).axes) == 1


def test_groups_differ_in_colour_or_shape_and_noise_is_grey():
    figure = figures.cluster_map(points(100, 40))
    looks = {}
    for scatter in figure.axes[0].collections:
        shape = np.asarray(scatter.get_paths()[0].vertices).tobytes()
        looks[scatter.get_label()] = (np.asarray(scatter.get_facecolor()).tobytes(), shape)
    assert len(looks) == 41
    assert len(set(looks.values())) == 41
    grey = figure.axes[0].collections[0]
    assert grey.get_label() == "noise"
    assert np.ptp(np.asarray(grey.get_facecolor())[0, :3]) == 0


def test_iterations_are_drawn_with_the_kept_one_marked():
    figure = figures.iterations_plot(ITERATIONS)
    names = [line.get_label() for line in figure.axes[0].lines]
    assert names == ["coverage", "DBCV", "AMI with the previous iteration", "kept"]
    drawn(figure)


def test_the_same_figure_gives_the_same_bytes_and_touches_no_global_state():
    backend = matplotlib.get_backend()
    both = {figures.png(figures.iterations_plot(ITERATIONS)) for _ in range(2)}
    assert len(both) == 1
    assert matplotlib.get_backend() == backend


def test_labels_of_clusters_do_not_overlap_on_the_map():
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(40), 6)
    place = rng.normal(scale=0.5, size=(40, 2))[cluster] + rng.normal(scale=0.02, size=(240, 2))
    table = pd.DataFrame({"x": place[:, 0], "y": place[:, 1], "cluster": cluster})
    figure = figures.cluster_map(table, cluster_names={3: "wren"})
    texts = figure.axes[0].texts
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts]
    assert 15 < len(boxes) <= 40
    assert "wren" in [text.get_text() for text in texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
