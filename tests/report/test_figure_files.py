"""Figures for publications, as files."""

import logging
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from tests.report.conftest import write_run, write_sound

from darksound.report.accumulation import accumulate
from darksound.report.figure_files import write_figures
from darksound.report.figures import accumulation_plot, label_matrix, sizes_plot
from darksound.report.result import read_run
from darksound.report.spectrogram_sheets import sheets, typical_clips
from darksound.rois.text import TEXT_DTYPE

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
    names = ["map", "iterations", "sizes", "accumulation", "labels", "sheet-01"]
    assert [file.name for file in files] == [f"{n}{s}" for n in names for s in (".png", ".svg")]
    assert files[0].parent == run / "figures"
    assert reported[0] == ("figures", 0, 6)
    assert reported[-1] == ("figures", 6, 6)
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
