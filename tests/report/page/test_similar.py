"""Similar clips in the data of the page."""

import base64
import json
import re

import numpy as np

from darksound.cluster.neighbours import find_neighbours
from darksound.report.page.similar import similar_clips

KINDS = {"u1": np.uint8, "i2": np.int16, "i4": np.int32, "u4": np.uint32}


def values(column):
    return np.frombuffer(base64.b64decode(column["data"]), KINDS[column["kind"]])


def test_the_lists_have_the_nearest_clips_with_sound(result):
    rows = [3, 0, 20, 7, 33, 12, 8, 1, 30, 29, 28]
    content = similar_clips(result, rows)
    k = content["count"]
    assert k == 8
    index = values(content["index"]).reshape(-1, k)
    distance = values(content["distance"]).reshape(-1, k) / 127.5
    for clip, row in enumerate(rows):
        found = find_neighbours(result.embeddings, result.embeddings[[row]], len(result))
        near = [other for other in found.rows[0].tolist() if other in rows and other != row]
        assert [rows[i] for i in index[clip]] == near[:k]
        assert (np.diff(distance[clip]) >= 0).all()
    assert similar_clips(result, [])["count"] == 0
    assert similar_clips(result, [5])["count"] == 0


def test_the_page_has_the_lists_of_its_clips(page):
    text = page.read_text("utf-8")
    (content,) = re.findall(r'<script[^>]*id="data"[^>]*>(.*?)</script>', text, re.DOTALL)
    data = json.loads(content)
    n_clips = len(values(data["media"]["rows"]))
    assert len(values(data["similar"]["index"])) == 8 * n_clips
