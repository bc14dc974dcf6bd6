"""The page as a file: what is in it, how large it is, and that names stay text."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.report.page.small_run import HOSTILE

from darksound.errors import InputError
from darksound.report.page import media as media_module
from darksound.report.page.clips import RATE, Scale, Stretch, glimpses, spectrogram
from darksound.report.page.encoding import column, script_safe_json
from darksound.report.page.members import cluster_members, nearest_clusters, showing_order
from darksound.report.page.writing import write_page


def with_report(result, **keys):
    return replace(result, settings=result.settings.replace(report=keys))


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def array(given_column):
    raw = base64.b64decode(given_column["data"])
    return np.frombuffer(raw, np.dtype(f"<{given_column['kind']}"))


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


def test_no_name_is_markup(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 4
    assert text.count("</script") == 4
    assert "<img" not in text.partition("<script")[0]
    assert "<title>run &lt;b&gt;&amp; – darksound</title>" in text
    assert sorted(data_of(page)["names"]["recording"]) == sorted(HOSTILE)


def test_only_its_own_script_and_style_may_run(page):
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    policy = policy.replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_every_roi_has_sound_and_picture_where_there_is_room(page, result):
    told = data_of(page)["media"]
    assert sorted(array(told["rows"])) == list(range(len(result)))
    text = page.read_text(encoding="utf-8")
    sounds = re.search(r'id="sounds">(.*?)</script>', text, re.S)[1]
    images = re.search(r'id="images">(.*?)</script>', text, re.S)[1]
    assert len(sounds) == array(told["sounds"]).sum()
    first = base64.b64decode(sounds[: array(told["sounds"])[0]])
    wave, rate = soundfile.read(io.BytesIO(first))
    row = array(told["rows"])[0]
    duration = result.rois["end_s"][row] - result.rois["start_s"][row]
    assert rate == RATE
    assert duration < len(wave) / rate < 1.6 * duration
    picture = Image.open(io.BytesIO(base64.b64decode(images[: array(told["images"])[0]])))
    assert (picture.format, picture.size) == ("WEBP", (192, 80))


def test_a_small_budget_holds_the_medoids_and_is_kept(result, tmp_path, caplog):
    caplog.set_level("INFO")
    whole = write_page(result, tmp_path / "whole.html")
    budget = 1e-6 * whole.size - 0.04
    small = write_page(with_report(result, page_mb=budget), tmp_path / "small.html")
    assert small.size <= 1e6 * budget < whole.size
    assert 3 <= small.heard < small.rois == 36
    medoids = {members.medoid for members in cluster_members(result).values()}
    assert set(array(data_of(small.path)["media"]["rows"])[:3].tolist()) == medoids
    assert f"{small.heard} of 36 ROIs have sound" in caplog.text


def test_a_page_without_room_has_no_sound_and_says_so(result, tmp_path, caplog):
    caplog.set_level("INFO")
    page = write_page(with_report(result, page_mb=0.01), tmp_path / "page.html")
    assert page.heard == 0
    assert "0 of 36 ROIs have sound" in caplog.text


def test_external_media_lie_in_a_folder_under_names_of_our_own(result, tmp_path):
    page = write_page(with_report(result, external_media=True), tmp_path / "page.html")
    names = sorted(path.name for path in (tmp_path / "report_media").iterdir())
    expected = [f"{row:07d}.{suffix}" for row in range(36) for suffix in ("mp3", "webp")]
    assert names == expected
    assert page.heard == 36
    assert page.size < write_page(result, tmp_path / "whole.html").size / 1.5
    assert data_of(page.path)["media"]["beside"] == "report_media"


def test_the_page_does_not_depend_on_who_is_first(result, page, tmp_path, monkeypatch):
    def backwards(function, jobs, settings):
        for place in reversed(range(len(jobs))):
            yield place, function(jobs[place])

    monkeypatch.setattr(media_module, "in_any_order", backwards)
    again = write_page(result, tmp_path / "again.html")
    assert again.path.read_bytes() == page.read_bytes()


def test_a_recording_that_is_gone_is_told_of(result, tmp_path, caplog):
    rois = result.rois.assign(recording=result.rois["recording"].replace({HOSTILE[-1]: "gone.wav"}))
    page = write_page(replace(result, rois=rois), tmp_path / "page.html")
    assert (page.heard, page.unreadable) == (30, 6)
    causes = dict(data_of(page.path)["causes"])
    assert set(causes) == set(np.flatnonzero(rois["recording"] == "gone.wav"))
    assert "gone.wav" in causes[35]
    assert "6 ROIs have neither sound nor picture" in caplog.text


def test_a_run_of_noise_alone_has_a_page(result, tmp_path):
    clusters = result.clusters.assign(cluster=-1, probability=0.0)
    own = with_report(replace(result, clusters=clusters), page_mb=0.01)
    told = data_of(write_page(own, tmp_path / "page.html").path)
    assert (told["clusters"], told["noise"]["size"], told["coverage"]) == ([], 36, 0)


def test_members_are_the_surest_and_the_least_sure(result):
    labels = result.clusters["cluster"].to_numpy()
    sure = result.clusters["probability"].to_numpy()
    found = cluster_members(result)
    assert list(found) == [0, 1, 2]
    for number, own in found.items():
        rows = np.flatnonzero(labels == number)
        assert sorted(own.order) == rows.tolist()
        assert own.order[0] == own.medoid
        vectors = np.asarray(result.embeddings, np.float32)[rows]
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        squared = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=(1, 2))
        assert own.medoid == rows[np.argmin(squared)]
        others = np.setdiff1d(rows, [own.medoid])
        assert sorted(sure[own.typical]) == sorted(np.sort(sure[others])[-5:])
        assert not set(own.typical) & set(own.borderline)
        assert own.medoid not in own.borderline
        rest = np.setdiff1d(others, own.typical)
        assert sure[own.borderline].tolist() == np.sort(sure[rest])[:3].tolist()


def test_the_showing_order_goes_round_the_clusters(result):
    members = cluster_members(result)
    order = showing_order(result, members)
    assert sorted(order) == list(range(36))
    labels = result.clusters["cluster"].to_numpy()
    assert labels[order[:3]].tolist() == [0, 1, 2]
    shown = {row for own in members.values() for row in (*own.typical, *own.borderline)}
    shown |= set(np.flatnonzero(labels == -1).tolist())
    assert set(order[3 : 3 + len(shown)].tolist()) == shown
    assert labels[order[3:7]].tolist() == [-1, 0, 1, 2]
    assert set(labels[order[3 + len(shown) :]].tolist()) == {0}


def test_nearest_clusters_are_by_distance_of_their_centres(result):
    members = cluster_members(result)
    for number, near in nearest_clusters(members, 5).items():
        centre = members[number].centre
        expected = sorted(
            (float(np.linalg.norm(centre - own.centre)), other)
            for other, own in members.items()
            if other != number
        )
        assert [other for other, _ in near] == [other for _, other in expected]
        np.testing.assert_allclose([far for _, far in near], [far for far, _ in expected], 1e-5)


@pytest.mark.parametrize("hertz", [1000, 4000, 9000])
def test_a_tone_lies_at_its_frequency(hertz):
    scale = Scale(span_s=1.0, low_hz=500, high_hz=11_500)
    wave = np.sin(2 * np.pi * hertz * np.arange(RATE // 2) / RATE).astype(np.float32)
    levels = spectrogram(wave, scale)
    from_top = (scale.high_hz - hertz) / (scale.high_hz - scale.low_hz) * scale.height
    loudest = levels.sum(axis=1).argmax() + 0.5
    assert abs(loudest - from_top) <= 1
    # Half as long as the picture is wide, it lies in the middle.
    heard = np.flatnonzero(levels.any(axis=0))
    assert abs(heard[0] - 48) <= 2
    assert abs(heard[-1] - 143) <= 2


class _Reader:
    def read(self, root, recording, start_s, end_s, rate):
        if recording == "short" and end_s > 1.0:
            raise InputError("the margin lies beyond the end")
        if recording == "broken":
            raise InputError("broken: damaged")
        wave = np.full(round((end_s - start_s) * rate), 0.001, np.float32)
        return wave, rate

    def stamp(self, root, recording):
        return ""


def test_glimpses_do_without_a_margin_that_is_not_there():
    scale = Scale(1.0, 500, 11_500)
    stretches = [
        Stretch(0, "", "plain", 0.0, 1.0),
        Stretch(1, "", "short", 0.0, 1.0),
        Stretch(2, "", "broken", 0.0, 1.0),
    ]
    plain, short, broken = glimpses(stretches, _Reader(), scale)
    assert soundfile.info(io.BytesIO(plain.sound)).duration == pytest.approx(1.1, abs=0.01)
    assert soundfile.info(io.BytesIO(short.sound)).duration == pytest.approx(1.0, abs=0.01)
    assert (broken.sound, broken.cause) == (b"", "broken: damaged")
    # Faint recordings are as loud as others.
    assert np.abs(soundfile.read(io.BytesIO(plain.sound))[0]).max() > 0.5
