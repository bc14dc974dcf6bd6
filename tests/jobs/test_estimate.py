"""What a run needs is told before it starts, and what cannot fit is refused with the remedy."""

import logging

import pytest

from darksound.errors import RunError
from darksound.jobs import estimate as needs_module
from darksound.jobs.estimate import Work, announce_many, needs_of, refuse
from darksound.meta.learners.build import build_learner
from darksound.parallel import resources as room
from darksound.parallel.resources import format_bytes
from darksound.segmentation.recordings import tell_cost
from darksound.settings import Settings, load_settings

GB = 10**9


def settings(tmp_path, *assignments: str) -> Settings:
    own = (f"compute.cache_dir={tmp_path / 'cache'}", "compute.device=cpu", "compute.workers=2")
    return load_settings(assignments=[*own, *assignments])


def work(n: int) -> Work:
    return Work(images=3 * n, embedded=6 * n, clusterings=7, held=5, written=5)


def test_needs_grow_with_rois_and_the_cache_holds_every_image(tmp_path):
    ours = settings(tmp_path)
    small, large = (needs_of(n, 256, ours, work(n)) for n in (1_000, 1_000_000))
    front = ours.front_end
    assert small.cache == 3 * 1_000 * 3 * front.n_bands * front.frames(6.0)
    assert large.cache == 1000 * small.cache
    assert large.memory > 5 * 4 * 256 * 1_000_000 > small.memory
    assert large.files > 5 * 4 * 256 * 1_000_000
    half = needs_of(1_000, 256, settings(tmp_path, "compute.cache_dtype=float16"), work(1_000))
    assert half.cache == 2 * small.cache


def test_a_table_of_embeddings_needs_no_cache(tmp_path):
    ours = settings(tmp_path, "backbone.name=embeddings:made.parquet")
    assert needs_of(1_000, 256, ours, work(1_000)).cache == 0


def test_fewer_rois_fitted_need_less_memory(tmp_path):
    few = settings(tmp_path, "reduction.max_fit_samples=10000")
    n = 1_000_000
    assert (
        needs_of(n, 64, few, work(n)).memory < needs_of(n, 64, settings(tmp_path), work(n)).memory
    )


def test_all_distances_of_many_rois_need_much_memory(tmp_path):
    few, many = (
        needs_of(n, 64, settings(tmp_path, "clustering.max_linkage_samples=20000"), work(n)).memory
        for n in (5_000, 20_000)
    )
    assert few < 2 * GB < 12 * GB < many
    assert needs_of(20_000, 64, settings(tmp_path), work(20_000)).memory < 2 * GB


@pytest.mark.parametrize(
    ("memory", "disk", "message"),
    [
        (
            GB,
            10**15,
            r"1,000,000 ROIs needs .* GB of memory, and 1\.0 GB are free; take",
        ),
        (
            10**15,
            GB,
            r"1,000,000 ROIs needs .* GB on the disk of .*1\.0 GB are free; make",
        ),
    ],
)
def test_what_cannot_fit_is_refused_with_the_remedy(memory, disk, message, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda: memory)
    monkeypatch.setattr(room, "free_disk", lambda folder: disk)
    ours, n = settings(tmp_path), 1_000_000
    needed = needs_of(n, 256, ours, work(n))
    with pytest.raises(RunError, match=message) as caught:
        refuse(n, needed, ours, tmp_path)
    assert "--set compute.preflight_check=false" in str(caught.value)
    refuse(n, needed, settings(tmp_path, "compute.preflight_check=false"), tmp_path)
    refuse(10, needs_of(10, 8, ours, Work(embedded=10)), ours, tmp_path)


def test_what_is_cached_already_is_not_asked_for_again(tmp_path, monkeypatch):
    ours = settings(tmp_path)
    needed = needs_of(1_000, 8, ours, Work(images=1_000))
    monkeypatch.setattr(room, "free_disk", lambda folder: needed.files + 1)
    with pytest.raises(RunError, match="on the disk"):
        refuse(1_000, needed, ours, tmp_path / "run")
    monkeypatch.setattr(needs_module, "folder_size", lambda folder: needed.cache)
    refuse(1_000, needed, ours, tmp_path / "run")


def test_the_first_line_says_memory_and_disk_and_comes_before_the_refusal(
    tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, "darksound")
    monkeypatch.setattr(room, "free_memory", lambda: 10**6)
    ours = settings(tmp_path)
    learner = build_learner(ours)
    with pytest.raises(RunError, match="of memory"):
        announce_many(5_000, learner, ours, work(5_000), tmp_path)
    (line,) = caplog.messages
    expected = needs_of(5_000, learner.embedding_dim, ours, work(5_000))
    assert f"{format_bytes(expected.memory)} of memory" in line
    assert f"{format_bytes(expected.cache + expected.files)} on disk" in line


def test_segmentation_tells_what_it_takes_and_refuses_what_cannot_fit(
    tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, "darksound")
    tell_cost(7200, 3, 40, settings(tmp_path))
    (line,) = caplog.messages
    assert line.startswith("CPU (2 workers), 2.0 hours of sound in 3 recordings, about ")
    monkeypatch.setattr(room, "free_memory", lambda: 10**6)
    with pytest.raises(RunError, match=r"lower --workers, or skip this check"):
        tell_cost(7200, 3, 40, settings(tmp_path))
    tell_cost(7200, 3, 40, settings(tmp_path, "compute.preflight_check=false"))
    caplog.clear()
    tell_cost(7200, 3, 40, settings(tmp_path, "compute.dask=tcp://elsewhere:8786"))
    assert not caplog.messages
