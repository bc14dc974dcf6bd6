"""The page as a file: its content and size, and that names are never markup."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.report.page.small_run import HOSTILE

from darksound.errors import InputError
from darksound.parallel import workers
from darksound.report.page import media as media_module
from darksound.report.page.clips import (
    RATE,
    ClipRequest,
    ThumbnailScale,
    render_clips,
    spectrogram,
)
from darksound.report.page.media import column, script_safe_json
from darksound.report.page.members import clip_order, cluster_members, nearest_clusters
from darksound.report.page.writing import write_page


def with_report(result, **keys):
    return replace(result, settings=result.settings.replace(report=keys))


def element(path, id):
    """Return the text of a script element of the page."""
    text = path.read_text(encoding="utf-8")
    (match,) = re.finditer(rf'id="{id}">(.*?)</script>', text, re.S)
    return match[1]


def data_of(path):
    return json.loads(element(path, "data"))


def array(encoded):
    raw = base64.b64decode(encoded["data"])
    return np.frombuffer(raw, np.dtype(f"<{encoded['kind']}"))


@settings(deadline=None)
@given(st.text(), st.sampled_from(["</script>", "<!--", "\u2028", "&lt;", '"', "\ud800"]))
def test_json_in_a_script_stays_data(text, barb):
    written = script_safe_json({text: [text + barb, float("nan")]})
    assert written.isascii()
    assert not set("<>&") & set(written)
    assert json.loads(written) == {text: [text + barb, None]}


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "u4", "f4", "f8"])
def test_columns_come_back(kind):
    values = np.array([0, 1, 200, 3])
    assert array(column(values, kind)).tolist() == values.tolist()


def test_hostile_names_are_not_markup(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 5
    assert text.count("</script") == 5
    assert "<img" not in text.partition("<script")[0]
    assert "<title>run &lt;b&gt;&amp; – darksound</title>" in text
    assert sorted(data_of(page)["names"]["recording"]) == sorted(HOSTILE)


def test_the_time_recorded_is_shown_beside_the_hours_with_a_roi(page):
    details = data_of(page)["details"]
    assert ["recorded", "20 min"] in details["facts"]
    assert details["recorded"] == "20 min"


def test_rois_that_were_left_out_are_counted_among_the_facts_of_the_run(result, page, tmp_path):
    assert "left_out" not in dict(data_of(page)["details"]["facts"])
    few = replace(result, manifest=replace(result.manifest, left_out=7))
    content = data_of(write_page(few, out=tmp_path / "page.html").path)
    assert dict(content["details"]["facts"])["left_out"] == 7


@pytest.mark.parametrize(("method", "title"), [("tsne", "t-SNE"), (None, None)])
def test_the_method_of_the_map_is_named_where_it_is_known(method, title, result, tmp_path):
    small = replace(result, map_method=method)
    assert data_of(write_page(small, out=tmp_path / "page.html").path)["map_title"] == title


def test_only_its_own_script_and_style_may_run(page):
    text = page.read_text(encoding="utf-8")
    (match,) = re.finditer(r'Content-Security-Policy" content="([^"]*)"', text)
    policy = match[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_every_roi_has_sound_and_thumbnail_within_the_size(page, result):
    media = data_of(page)["media"]
    assert sorted(array(media["rows"])) == list(range(len(result)))
    sounds, images = element(page, "sounds"), element(page, "images")
    assert len(sounds) == array(media["sounds"]).sum()
    first = base64.b64decode(sounds[: array(media["sounds"])[0]])
    wave, rate = soundfile.read(io.BytesIO(first))
    row = array(media["rows"])[0]
    duration = result.rois.durations[row]
    assert rate == RATE
    assert duration < len(wave) / rate < 1.6 * duration
    picture = Image.open(io.BytesIO(base64.b64decode(images[: array(media["images"])[0]])))
    assert (picture.format, picture.size) == ("WEBP", (192, 80))


def test_a_small_page_has_the_medoids_and_keeps_its_size(result, tmp_path, caplog):
    caplog.set_level("INFO")
    whole = write_page(result, tmp_path / "whole.html")
    budget = 1e-6 * whole.size - 0.04
    small = write_page(with_report(result, page_mb=budget), tmp_path / "small.html")
    assert small.size <= 1e6 * budget < whole.size
    assert 3 <= small.with_sound < small.rois == 36
    medoids = {members.medoid for members in cluster_members(result).values()}
    assert set(array(data_of(small.path)["media"]["rows"])[:3].tolist()) == medoids
    assert f"{small.with_sound} of 36 ROIs have sound" in caplog.text


def test_a_page_without_space_has_no_sound_and_logs_it(result, tmp_path, caplog):
    caplog.set_level("INFO")
    page = write_page(with_report(result, page_mb=0.01), tmp_path / "page.html")
    assert page.with_sound == 0
    assert "0 of 36 ROIs have sound" in caplog.text


def test_external_media_are_in_a_folder_under_row_numbers(result, tmp_path):
    page = write_page(with_report(result, external_media=True), tmp_path / "page.html")
    names = sorted(path.name for path in (tmp_path / "report_media").iterdir())
    expected = [f"{row:07d}.{suffix}" for row in range(36) for suffix in ("mp3", "webp")]
    assert names == expected
    assert page.with_sound == 36
    assert page.size < write_page(result, tmp_path / "whole.html").size / 1.5
    assert data_of(page.path)["media"]["folder"] == "report_media"


def test_the_page_is_independent_of_the_number_of_workers(result, page, tmp_path, monkeypatch):
    monkeypatch.setattr(media_module, "_JOB", 2)
    monkeypatch.setattr(workers, "worker_count", lambda compute: 3)
    again = write_page(result, tmp_path / "again.html")
    assert again.path.read_bytes() == page.read_bytes()


def test_a_missing_recording_is_reported(result, tmp_path, caplog):
    table = result.rois.table
    table = table.assign(recording=table["recording"].replace({HOSTILE[-1]: "gone.wav"}))
    rois = replace(result.rois, table=table)
    page = write_page(replace(result, rois=rois), tmp_path / "page.html")
    assert (page.with_sound, len(page.problems)) == (30, 6)
    causes = dict(data_of(page.path)["causes"])
    assert set(causes) == set(np.flatnonzero(table["recording"] == "gone.wav"))
    assert "gone.wav" in causes[35]
    assert "6 ROIs have neither sound nor thumbnail" in caplog.text


def test_a_run_of_noise_alone_has_a_page(result, tmp_path):
    clusters = result.clusters.assign(cluster=-1, probability=0.0)
    noise = with_report(replace(result, clusters=clusters), page_mb=0.01)
    data = data_of(write_page(noise, tmp_path / "page.html").path)
    assert (data["clusters"], data["noise"]["size"], data["coverage"]) == ([], 36, 0)


def test_members_have_the_highest_and_the_lowest_probabilities(result):
    labels = result.clusters["cluster"].to_numpy()
    probability = result.clusters["probability"].to_numpy()
    members = cluster_members(result)
    assert list(members) == [0, 1, 2]
    for number, cluster in members.items():
        rows = np.flatnonzero(labels == number)
        assert sorted(cluster.order) == rows.tolist()
        assert cluster.order[0] == cluster.medoid
        vectors = np.asarray(result.embeddings, np.float32)[rows]
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        squared = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=(1, 2))
        assert cluster.medoid == rows[np.argmin(squared)]
        others = np.setdiff1d(rows, [cluster.medoid])
        assert sorted(probability[cluster.typical]) == sorted(np.sort(probability[others])[-5:])
        assert not set(cluster.typical) & set(cluster.borderline)
        assert cluster.medoid not in cluster.borderline
        rest = np.setdiff1d(others, cluster.typical)
        assert probability[cluster.borderline].tolist() == np.sort(probability[rest])[:3].tolist()


def test_the_clip_order_takes_one_of_each_cluster_in_turn(result):
    members = cluster_members(result)
    order = clip_order(result, members)
    assert sorted(order) == list(range(36))
    labels = result.clusters["cluster"].to_numpy()
    assert labels[order[:3]].tolist() == [0, 1, 2]
    shown = {row for cluster in members.values() for row in (*cluster.typical, *cluster.borderline)}
    shown |= set(np.flatnonzero(labels == -1).tolist())
    assert set(order[3 : 3 + len(shown)].tolist()) == shown
    assert labels[order[3:7]].tolist() == [-1, 0, 1, 2]
    assert set(labels[order[3 + len(shown) :]].tolist()) == {0}


def test_nearest_clusters_are_ordered_by_the_distance_of_centres(result):
    members = cluster_members(result)
    for number, near in nearest_clusters(members, 5).items():
        centre = members[number].centre
        expected = sorted(
            (float(np.linalg.norm(centre - cluster.centre)), other)
            for other, cluster in members.items()
            if other != number
        )
        assert [other for other, _ in near] == [other for _, other in expected]
        np.testing.assert_allclose([far for _, far in near], [far for far, _ in expected], 1e-5)


@pytest.mark.parametrize("hertz", [1000, 4000, 9000])
def test_a_tone_is_at_its_frequency(hertz):
    scale = ThumbnailScale(span_s=1.0, low_hz=500, high_hz=11_500)
    wave = np.sin(2 * np.pi * hertz * np.arange(RATE // 2) / RATE).astype(np.float32)
    levels = spectrogram(wave, scale)
    from_top = (scale.high_hz - hertz) / (scale.high_hz - scale.low_hz) * scale.height
    loudest = levels.sum(axis=1).argmax() + 0.5
    assert abs(loudest - from_top) <= 1
    # The clip has half the width of the thumbnail and is centred.
    columns = np.flatnonzero(levels.any(axis=0))
    assert abs(columns[0] - 48) <= 2
    assert abs(columns[-1] - 143) <= 2


class _Reader:
    def read(self, root, recording, start_s, end_s, rate, *, channel="mean"):
        if recording == "short" and end_s > 1.0:
            raise InputError("the margin lies beyond the end")
        if recording == "broken":
            raise InputError("broken: damaged")
        wave = np.full(round((end_s - start_s) * rate), 0.001, np.float32)
        return wave, rate

    def stamp(self, root, recording):
        return ""

    def info(self, root, recording):
        raise AssertionError


def test_clips_near_the_end_of_a_file_have_no_margin():
    scale = ThumbnailScale(1.0, 500, 11_500)
    requests = [
        ClipRequest(0, "", "plain", 0.0, 1.0),
        ClipRequest(1, "", "short", 0.0, 1.0),
        ClipRequest(2, "", "broken", 0.0, 1.0),
    ]
    plain, short, broken = render_clips(requests, _Reader(), scale)
    assert soundfile.info(io.BytesIO(plain.sound)).duration == pytest.approx(1.1, abs=0.01)
    assert soundfile.info(io.BytesIO(short.sound)).duration == pytest.approx(1.0, abs=0.01)
    assert (broken.sound, broken.cause) == (b"", "broken: damaged")
    # Clips of faint recordings are scaled to the same peak.
    assert np.abs(soundfile.read(io.BytesIO(plain.sound))[0]).max() > 0.5


def test_progress_counts_the_clips_that_will_fit(result, tmp_path, monkeypatch):
    monkeypatch.setattr(media_module, "_JOB", 2)
    shown: list[tuple[int, int]] = []
    whole = write_page(result, tmp_path / "whole.html")
    none = write_page(with_report(result, page_mb=0.01), tmp_path / "none.html")
    half = (whole.size + none.size) / 2e6
    page = write_page(
        with_report(result, page_mb=half),
        tmp_path / "half.html",
        progress=lambda stage, done, total, values=None: shown.append((done, total)),
    )
    assert 0 < page.with_sound < whole.with_sound
    assert shown[-1] == (page.with_sound, page.with_sound)
    # At the size of the first clips, about as many fit as did in the end.
    assert all(done <= total <= 2 * page.with_sound for done, total in shown)
