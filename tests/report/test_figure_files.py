"""Figures for publications, as files."""

import json
import logging
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from tests.report.conftest import write_run, write_sound

from darksound.errors import InputError
from darksound.report.accumulation import accumulate, accumulation_plot
from darksound.report.figure_files import comparison_plot, write_comparison, write_figures
from darksound.report.figures import (
    before_after_map,
    label_counts_plot,
    label_matrix,
    sizes_plot,
)
from darksound.report.result import read_run
from darksound.report.spectrogram_sheets import episode_sheet, sheets, typical_clips
from darksound.rois.effort import EFFORT_SCHEMA, as_effort_table, as_site_table
from darksound.rois.roi_set import TEXT_DTYPE
from darksound.run.files import write_parquet

SVG = "{http://www.w3.org/2000/svg}"


def shown_array(axes):
    """Return the values of the first image of the axes."""
    return axes.images[0].get_array()


def bars(axes):
    """Return the rectangles of the axes."""
    return list(axes.patches)


def texts(path):
    return [text.text for text in ElementTree.parse(path).iter(f"{SVG}text")]


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr("darksound.report.figure_files._DPI", 40)


def test_all_figures_are_written_as_png_and_svg_with_names_as_text(small_run, tmp_path):
    run = small_run()
    ids = read_run(run).rois.table["roi_id"]
    review = tmp_path / "review.csv"
    rows = [f'{ids[i]},0,0,"<$x^2$> & co",false' for i in (0, 3)]
    review.write_text("roi_id,cluster,group,name,rejected\n" + "\n".join(rows))
    reported = []
    files = write_figures(run, review=review, progress=lambda *args, **_: reported.append(args))
    names = ["map", "iterations", "sizes", "accumulation", "labels", "label-counts", "sheet-01"]
    assert [file.name for file in files] == [f"{n}{s}" for n in names for s in (".png", ".svg")]
    assert files[0].parent == run / "figures"
    assert reported[0] == ("figures", 0, 7)
    assert reported[-1] == ("figures", 7, 7)
    for file in files:
        if file.suffix == ".png":
            assert imread(file)[..., :3].std() > 0.01
    for name in ("map", "sizes", "labels", "sheet-01"):
        assert any("<$x^2$>" in (text or "") for text in texts(run / "figures" / f"{name}.svg"))
    before = {file: file.read_bytes() for file in files}
    write_figures(run, review=review)
    assert {file: file.read_bytes() for file in files} == before


def test_without_recordings_there_are_no_sheets_and_a_warning(small_run, tmp_path, caplog):
    run = small_run(sound=False)
    with caplog.at_level(logging.WARNING):
        files = write_figures(run, tmp_path / "f")
    assert not [file for file in files if "sheet" in file.name]
    assert "cannot be read" in caplog.text


def test_labels_match_their_clusters_on_the_diagonal_and_noise_is_last():
    labels = np.array(["a"] * 4 + ["b"] * 4 + [None], dtype=object)
    clusters = np.array([2, 2, 2, 0, 1, 1, 1, -1, 5])
    axes = label_matrix(clusters, labels, {1: "trill"}).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "cluster 2", "trill", "cluster 0", "noise",
    ]  # fmt: skip
    shares = shown_array(axes)
    np.testing.assert_allclose(shares, [[0.75, 0, 0.25, 0], [0, 0.75, 0, 0.25]])


def test_labels_without_any_cluster_are_all_noise():
    axes = label_matrix(np.array([-1, -1]), np.array(["a", "b"], dtype=object), {}).axes[0]
    np.testing.assert_allclose(shown_array(axes), [[1], [1]])


@pytest.mark.parametrize("count", [0, 1, 12, 200])
def test_sizes_are_drawn_from_the_largest_to_the_noise(count):
    clusters = pd.Series(np.repeat(np.arange(-1, count), np.arange(3, 4 + count)))
    axes = sizes_plot(clusters, {}).axes[0]
    assert [bar.get_width() for bar in bars(axes)] == [*range(3 + count, 3, -1), 3]


def test_the_accumulation_shows_curve_and_estimate():
    table = pd.DataFrame(
        {"root": "r", "recording": list("abc"), "start_s": 0.0, "cluster": [0, 1, 1]}
    ).assign(label=None, recorder=None, recorded_at=None)
    table = table.astype(dict.fromkeys(("label", "recorder", "recorded_at"), TEXT_DTYPE))
    result = accumulate(table)
    estimate, curve = accumulation_plot(result).axes[0].lines
    np.testing.assert_allclose(np.asarray(curve.get_ydata()), result.curve["mean"])
    assert set(np.asarray(estimate.get_ydata())) == {result.chao2.estimate}


def test_sheets_show_six_of_each_cluster_ten_clusters_a_page(tmp_path):
    root = tmp_path / "sounds"
    write_sound(root / "a.wav", seconds=9)
    n = 12 * 7
    rois = {
        "root": [str(root)] * n,
        "recording": ["a.wav"] * n,
        "start_s": 0.1 * np.arange(n),
        "end_s": 0.1 * np.arange(n) + 0.2,
        "low_hz": [1500.0] * n,
        "high_hz": [2500.0] * n,
    }
    result = read_run(write_run(tmp_path / "run", rois, np.repeat(np.arange(12), 7).tolist()))
    clips, cause = typical_clips(result)
    assert cause is None
    assert [len(of_cluster) for of_cluster in clips.values()] == [6] * 12
    pages = list(sheets(clips, {}))
    assert [len(page.axes) for page in pages] == [60, 12]
    first = pages[0].axes[0]
    assert first.get_ylim() == (0, 8000)
    levels = shown_array(first)
    assert levels.mean(axis=1).argmax() / levels.shape[0] == pytest.approx(0.25, abs=0.02)
    (box,) = bars(first)
    assert (box.get_y(), box.get_height()) == (1500, 1000)


def test_the_map_before_mec_is_turned_to_the_map_after_it():
    rng = np.random.default_rng(3)
    after = rng.normal(size=(40, 2))
    turned = np.column_stack([-after[:, 1], after[:, 0]]) * 3 + 7
    clusters = pd.DataFrame(after, columns=["x", "y"]).assign(cluster=np.arange(40) % 3 - 1)
    labels = np.array(["wren", None] * 20, dtype=object)
    panels = before_after_map(turned.astype(np.float32), clusters, labels, {0: "trill"}).axes
    assert [panel.get_title() for panel in panels] == ["before MEC", "after MEC"] * 2
    assert [panels[i].get_ylabel() for i in (0, 2)] == ["by cluster", "by label"]
    for before, now in (panels[:2], panels[2:]):
        for left, right in zip(before.collections, now.collections, strict=True):
            shifted = np.asarray(right.get_offsets()) - after.mean(axis=0)
            np.testing.assert_allclose(np.asarray(left.get_offsets()) / 3, shifted, atol=1e-5)
    legend = panels[1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["noise", "trill", "cluster 1"]
    assert panels[0].get_legend() is None


def test_the_figure_before_and_after_mec_needs_another_kept_iteration(small_run):
    result = read_run(small_run())
    assert not [path for path in result.write_figures() if path.stem == "before-after"]
    before = np.zeros((len(result), 2), dtype=np.float32)
    before[:, 0] = range(len(result))
    files = replace(result, map_before=before, map_method="umap").write_figures()
    assert [path.name for path in files[2:4]] == ["before-after.png", "before-after.svg"]
    assert "before MEC" in texts(files[3])
    for path in (files[1], files[3]):
        assert "Map of the embeddings by UMAP; its axes have no unit." in texts(path)


@pytest.mark.parametrize("count", [1, 12, 200])
def test_labels_are_counted_from_the_most_frequent_to_the_missing(count):
    labels = np.repeat([None, *(f"species {i}" for i in range(count))], np.arange(3, 4 + count))
    axes = label_counts_plot(labels).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [*range(3 + count, 3, -1), 3]  # type: ignore[attr-defined]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert count > 50 or (names[0], names[-1]) == (f"species {count - 1}", "no label")


def curves(kept: int, labels: bool) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "iteration": [0, 1, 2],
            "n_clusters": [3, 4, 4],
            "coverage": [0.5, 0.6, 0.9],
            "dbcv": [float("nan"), 0.1, 0.2],
            "kept": [i == kept for i in range(3)],
        }
    )
    return table.assign(ami_all=[0.2, 0.5, 0.7]) if labels else table


def test_runs_are_compared_by_one_line_each_and_a_ring_at_the_kept_iteration():
    figure = comparison_plot({"first": curves(1, True), "second": curves(2, False)})
    titles = ["clusters", "coverage", "DBCV", "AMI with the labels, all ROIs"]
    assert [axes.get_title() for axes in figure.axes] == titles
    first, ring, second, other_ring = figure.axes[0].lines
    np.testing.assert_array_equal(first.get_ydata(), [3, 4, 4])
    np.testing.assert_array_equal(ring.get_xdata(), [1])
    np.testing.assert_array_equal(other_ring.get_xdata(), [2])
    assert first.get_color() != second.get_color()
    # The run without labels has no line there.
    assert len(figure.axes[3].lines) == 2
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["first", "second", "kept iteration"]


@pytest.mark.parametrize("count", [2, 30])
def test_a_comparison_without_labels_is_drawn_for_any_number_of_runs(count, tmp_path):
    figure = comparison_plot({f"run {i}": curves(i % 3, False) for i in range(count)})
    assert len(figure.axes) == 3
    styles = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines[::2]}
    assert len(styles) == min(count, 24)
    figure.savefig(tmp_path / "figure.png", dpi=40)


def test_compared_runs_of_the_same_name_are_named_by_their_paths(small_run, tmp_path):
    run = small_run()
    other = tmp_path / "other" / "run"
    shutil.copytree(run, other)
    files, runs = write_comparison([run, other], tmp_path / "figures")
    assert [file.name for file in files] == ["compare.png", "compare.svg"]
    assert list(runs) == [str(run), str(other)]
    assert str(other) in texts(files[1])
    assert list(write_comparison([run, small_run_copy(run, tmp_path / "x")], tmp_path)[1]) == [
        "run",
        "x",
    ]
    for paths, message in (([run], "at least two runs"), ([run, run], "given twice")):
        with pytest.raises(InputError, match=message):
            write_comparison(paths, tmp_path)


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"versions": {"darksound": "9.9.9", "torch": "2.14.1"}}, "torch 2.4.1 and 2.14.1"),
        ({"machine": {"device": "NVIDIA H100", "threads": "1"}}, "device cpu and NVIDIA H100"),
        ({"machine": {"device": "cpu", "threads": "16"}}, None),
        ({"machine": {}}, None),
    ],
    ids=["torch", "device", "threads", "not recorded"],
)
def test_comparing_runs_warns_of_what_changes_last_digits(
    changes, differing, small_run, tmp_path, caplog
):
    run = small_run()
    other = small_run_copy(run, tmp_path / "other")
    first = {
        "versions": {"darksound": "9.9.9", "torch": "2.4.1"},
        "machine": {"device": "cpu", "threads": "2"},
    }
    for folder, values in ((run, first), (other, {**first, **changes})):
        content = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({**content, **values}))
    write_comparison([run, other], tmp_path / "figures")
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == (differing is not None)
    assert differing is None or f"({differing})" in warnings[0]


def small_run_copy(run, target):
    shutil.copytree(run, target)
    return target


def test_an_episode_shows_support_and_query_with_wrong_predictions_named():
    rng = np.random.default_rng(0)
    support = rng.random((3, 2, 3, 8, 16), dtype=np.float32)
    query = rng.random((3, 1, 3, 8, 16), dtype=np.float32)
    figure = episode_sheet(support, query, ["wren", "owl", "rail"], np.array([[0], [2], [2]]))
    left, right = figure.subfigs
    assert (left.get_suptitle(), right.get_suptitle()) == ("support", "query")
    assert [axes.get_ylabel() for axes in left.axes[::2]] == ["wren", "owl", "rail"]
    shown = np.asarray(left.axes[3].images[0].get_array())
    np.testing.assert_allclose(shown, support[1, 1].transpose(1, 2, 0))
    named = [[text.get_text() for text in axes.texts] for axes in right.axes]
    assert named == [[], ["rail"], []]
    colours = [axes.spines["left"].get_edgecolor() for axes in right.axes]
    assert colours[0] == colours[2] != colours[1]


def test_figures_of_activity_are_written_where_effort_and_times_are_known(tmp_path):
    names = [f"{site}/{hour}.wav" for site in "ab" for hour in (5, 6)]
    starts = [f"2024-05-01T0{hour}:00:00+00:00" for hour in (5, 6, 5, 6)]
    effort = {"root": "/r", "recording": names, "site": list("aabb"), "recorded_at": starts}
    rois = {**effort, "start_s": 1.0, "end_s": 2.0}
    run = write_run(tmp_path / "run", rois, [0, 0, 1, -1])
    table = as_effort_table(pd.DataFrame(effort).assign(used_s=1800.0))
    write_parquet(run / "effort.parquet", table, EFFORT_SCHEMA)
    place = {"site": ["a"], "latitude": [52.5], "longitude": [13.4], "time_zone": ["Europe/Berlin"]}
    write_parquet(run / "sites.parquet", as_site_table(place))
    reported = []
    files = write_figures(run, progress=lambda *args, **_: reported.append(args))
    written = [file.name for file in files if file.name.startswith("activity")]
    stems = ("activity", "activity-hours", "activity-clusters")
    assert written == [f"{stem}{suffix}" for stem in stems for suffix in (".png", ".svg")]
    assert reported[-1][1] == reported[-1][2]
    folder = run / "figures"
    assert "Lines: sunrise and sunset, dotted: dawn and dusk." in " ".join(
        texts(folder / "activity.svg")
    )
    assert {"all sites", "a", "b"} <= set(texts(folder / "activity-hours.svg"))
    assert {"cluster 0", "cluster 1"} <= set(texts(folder / "activity-clusters.svg"))
