from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.audio.files import FileReader
from darksound.errors import InputError
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.store.embeddings.layout import Embeddings
from darksound.store.embeddings.matching import match_embeddings


def _rois(windows: list[tuple[str, float, float]], root: str = "/data/spring") -> RoiSet:
    names, starts, ends = zip(*windows, strict=True)
    table = {"root": [root] * len(windows), "recording": names, "start_s": starts, "end_s": ends}
    return RoiSet(as_roi_table(table), FileReader())


def _embeddings(windows: list[tuple[str, float, float]]) -> Embeddings:
    rows = pd.DataFrame(windows, columns=["recording", "start_s", "end_s"])
    vectors = np.arange(len(windows) * 3, dtype=np.float32).reshape(-1, 3)
    return Embeddings(vectors, rows, Path("/elsewhere"))


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1))
def test_every_roi_gets_the_vector_of_its_own_times(order, present):
    windows = [(f"{i % 3}.wav", i // 3 * 3.0, i // 3 * 3.0 + 3) for i in range(12)]
    selected = [i for i in order if i in present]
    embeddings = _embeddings([windows[i] for i in selected])
    rows, taken, problems = match_embeddings(embeddings, _rois(windows), "table")
    assert rows.tolist() == sorted(present)
    assert [selected[t] for t in taken] == sorted(present)
    assert len(problems) == 12 - len(present)


@pytest.mark.parametrize(
    "name",
    [
        "wren/a.wav",
        "/data/spring/wren/a.wav",
        "spring/wren/a.wav",
        "/mnt/old/wren/a.wav",
        "wren\\a.wav",
        "C:\\birds\\wren\\a.wav",
        "wren/a",
        "a.wav",
        "a",
    ],
)
def test_a_recording_matches_by_any_of_its_names(name):
    embeddings = _embeddings([("owl/b.wav", 0, 3), (name, 0, 3)])
    rows, taken, _ = match_embeddings(embeddings, _rois([("wren/a.wav", 0.0, 3.0)]), "table")
    assert (rows.tolist(), taken.tolist()) == ([0], [1])


@pytest.mark.parametrize("name", ["wren/Gru\u0308n.wav", "WREN/GRÜN.WAV", "d:\\Wren\\Grün"])
def test_capitals_and_the_form_of_accents_do_not_matter(name):
    embeddings = _embeddings([("owl/b.wav", 0, 3), (name, 0, 3)])
    rows, taken, _ = match_embeddings(embeddings, _rois([("wren/Grün.wav", 0.0, 3.0)]), "table")
    assert (rows.tolist(), taken.tolist()) == ([0], [1])
    both = _embeddings([("Wren/Grün.wav", 0, 3), ("wren/Grün.wav", 0, 3)])
    assert match_embeddings(both, _rois([("wren/Grün.wav", 0.0, 3.0)]), "table")[1].tolist() == [1]


def test_a_name_that_two_recordings_share_matches_neither():
    embeddings = _embeddings([("/x/owl/a.wav", 0, 3), ("/x/wren/a.wav", 0, 3)])
    with pytest.raises(InputError, match=r"None of the 1 ROIs .*a.wav"):
        match_embeddings(embeddings, _rois([("crake/a.wav", 0.0, 3.0)]), "table")
    rows, taken, _ = match_embeddings(embeddings, _rois([("wren/a.wav", 0.0, 3.0)]), "table")
    assert (rows.tolist(), taken.tolist()) == ([0], [1])
    bare = _embeddings([("a.wav", 0, 3), ("owl/b.wav", 0, 3)])
    windows = [("owl/a.wav", 0.0, 3.0), ("wren/a.wav", 0.0, 3.0), ("owl/b.wav", 0.0, 3.0)]
    assert match_embeddings(bare, _rois(windows), "table")[0].tolist() == [2]


def test_a_file_of_the_same_name_in_another_folder_does_not_match():
    with pytest.raises(InputError, match="None of the 1 ROIs"):
        match_embeddings(
            _embeddings([("owl/a.wav", 0, 3)]), _rois([("wren/a.wav", 0.0, 3.0)]), "table"
        )


def test_rounded_times_match_and_other_times_do_not():
    embeddings = _embeddings([("a.wav", 0.0, 3.0), ("a.wav", 3.0, 6.0)])
    rois = _rois([("a.wav", 3.004, 6.0), ("a.wav", 1.0, 4.0), ("b.wav", 0.0, 3.0)])
    rows, taken, problems = match_embeddings(embeddings, rois, "table.csv")
    assert (rows.tolist(), taken.tolist()) == ([0], [1])
    assert "from 1.000 to 4.000 s (the nearest is from 0.000 to 3.000 s)" in problems[0].cause
    assert "table.csv has no embedding of this recording" in problems[1].cause


def test_vectors_that_are_not_finite_are_skipped():
    embeddings = _embeddings([("a.wav", 0.0, 3.0), ("a.wav", 3.0, 6.0)])
    embeddings.vectors[0, 1] = np.nan
    rois = _rois([("a.wav", 0.0, 3.0), ("a.wav", 3.0, 6.0)])
    for variant in (embeddings, Embeddings(embeddings.vectors, pd.DataFrame(), embeddings.root)):
        rows, taken, problems = match_embeddings(variant, rois, "table")
        assert (rows.tolist(), taken.tolist()) == ([1], [1])
        assert len(problems) == 1


def test_without_times_there_must_be_as_many_embeddings_as_rois():
    bare = Embeddings(np.ones((3, 2), np.float32), pd.DataFrame(), Path())
    with pytest.raises(InputError, match=r"3 embeddings without recordings and times.* 1 ROIs"):
        match_embeddings(bare, _rois([("a.wav", 0.0, 3.0)]), "x.npy")
