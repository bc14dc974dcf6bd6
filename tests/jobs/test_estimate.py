"""The estimate before a run, and the error if a run does not fit."""

import logging

import numpy as np
import pytest
from tests.meta.conftest import NoReader

from darksound.errors import RunError
from darksound.jobs import estimate as estimate_module
from darksound.jobs.estimate import (
    Workload,
    check_resources,
    estimate_resources,
    log_estimate_of_count,
)
from darksound.meta.learners.build import build_learner
from darksound.parallel import resources
from darksound.parallel.resources import format_bytes
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.segmentation.recordings import check_segmentation_resources
from darksound.settings import Settings, load_settings

GB = 10**9


def make_settings(tmp_path, *assignments: str) -> Settings:
    common = (f"compute.cache_dir={tmp_path / 'cache'}", "compute.device=cpu", "compute.workers=2")
    return load_settings(assignments=[*common, *assignments])


def workload(n: int) -> Workload:
    return Workload(images=3 * n, embedded=6 * n, clusterings=7, held=5, written=5)


def test_estimate_grows_with_rois_and_counts_every_cached_image(tmp_path):
    settings = make_settings(tmp_path)
    small, large = (estimate_resources(n, 256, settings, workload(n)) for n in (1_000, 1_000_000))
    front = settings.front_end
    assert small.cache == 3 * 1_000 * 3 * front.n_bands * front.frames(6.0)
    assert large.cache == 1000 * small.cache
    assert large.memory > 5 * 4 * 256 * 1_000_000 > small.memory
    assert large.files > 5 * 4 * 256 * 1_000_000
    half = estimate_resources(
        1_000, 256, make_settings(tmp_path, "compute.cache_dtype=float16"), workload(1_000)
    )
    assert half.cache == 2 * small.cache


def test_table_of_embeddings_needs_no_cache(tmp_path):
    settings = make_settings(tmp_path, "backbone.name=embeddings:made.parquet")
    assert estimate_resources(1_000, 256, settings, workload(1_000)).cache == 0


def test_fewer_fitted_rois_need_less_memory(tmp_path):
    umap = "clustering.method=hdbscan"
    few = make_settings(tmp_path, umap, "reduction.max_fit_samples=10000")
    n = 1_000_000
    assert (
        estimate_resources(n, 64, few, workload(n)).memory
        < estimate_resources(n, 64, make_settings(tmp_path, umap), workload(n)).memory
    )


def test_linkage_of_many_rois_needs_much_memory(tmp_path):
    few, many = (
        estimate_resources(
            n, 64, make_settings(tmp_path, "clustering.max_linkage_samples=20000"), workload(n)
        ).memory
        for n in (5_000, 20_000)
    )
    assert few < 2.2 * GB < 12 * GB < many
    assert estimate_resources(20_000, 64, make_settings(tmp_path), workload(20_000)).memory < 3 * GB


@pytest.mark.parametrize(
    ("memory", "disk", "message"),
    [
        (
            GB,
            10**15,
            r"1,000,000 ROIs needs .* GB of memory, and 1\.0 GB are free; use",
        ),
        (
            10**15,
            GB,
            r"1,000,000 ROIs needs .* GB on the disk of .*1\.0 GB are free; delete",
        ),
    ],
)
def test_run_that_does_not_fit_is_an_error_with_remedy(
    memory, disk, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(resources, "free_memory", lambda: memory)
    monkeypatch.setattr(resources, "free_disk", lambda folder: disk)
    settings, n = make_settings(tmp_path), 1_000_000
    estimate = estimate_resources(n, 256, settings, workload(n))
    with pytest.raises(RunError, match=message) as error:
        check_resources(n, estimate, settings, tmp_path)
    assert "--set compute.preflight_check=false" in str(error.value)
    check_resources(n, estimate, make_settings(tmp_path, "compute.preflight_check=false"), tmp_path)
    check_resources(
        10, estimate_resources(10, 8, settings, Workload(embedded=10)), settings, tmp_path
    )


def test_cached_files_are_subtracted(tmp_path, monkeypatch):
    settings = make_settings(tmp_path)
    estimate = estimate_resources(1_000, 8, settings, Workload(images=1_000))
    monkeypatch.setattr(resources, "free_disk", lambda folder: estimate.files + 1)
    with pytest.raises(RunError, match="on the disk"):
        check_resources(1_000, estimate, settings, tmp_path / "run")
    monkeypatch.setattr(estimate_module, "folder_size", lambda folder: estimate.cache)
    check_resources(1_000, estimate, settings, tmp_path / "run")


def test_memory_and_disk_are_logged_before_the_error(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "darksound")
    monkeypatch.setattr(resources, "free_memory", lambda: 10**6)
    settings = make_settings(tmp_path)
    learner = build_learner(settings)
    with pytest.raises(RunError, match="of memory"):
        log_estimate_of_count(5_000, learner, settings, workload(5_000), tmp_path)
    (line,) = caplog.messages
    expected = estimate_resources(5_000, learner.embedding_dim, settings, workload(5_000))
    assert f"{format_bytes(expected.memory)} of memory" in line
    assert f"{format_bytes(expected.cache + expected.files)} on disk" in line


def test_memory_of_training_steps_is_in_the_estimate(tmp_path, caplog):
    caplog.set_level(logging.INFO, "darksound")
    settings = make_settings(tmp_path, "backbone.name=small")
    learner, work = build_learner(settings), Workload(embedded=100)
    log_estimate_of_count(100, learner, settings, work)
    log_estimate_of_count(100, learner, settings, work + Workload(trained=100))
    without, with_steps = (line.partition("up to ")[2] for line in caplog.messages)
    assert without.startswith("less than 1 MB of memory")
    # The small CNN keeps 3.4 MB an image in float32, and more where convolutions are in bfloat16.
    assert 1.75 * 48 * 3.4 < float(with_steps.partition(" MB of memory")[0]) < 1000


def test_segmentation_logs_its_estimate_and_checks_memory(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "darksound")
    check_segmentation_resources(7200, 3, 40, make_settings(tmp_path).compute)
    (line,) = caplog.messages
    assert line.startswith("CPU (2 workers), 2.0 hours of sound in 3 recordings, about ")
    monkeypatch.setattr(resources, "free_memory", lambda: 10**6)
    with pytest.raises(RunError, match=r"lower --workers, or skip this check"):
        check_segmentation_resources(7200, 3, 40, make_settings(tmp_path).compute)
    check_segmentation_resources(
        7200, 3, 40, make_settings(tmp_path, "compute.preflight_check=false").compute
    )
    caplog.clear()
    check_segmentation_resources(
        7200, 3, 40, make_settings(tmp_path, "compute.dask=tcp://elsewhere:8786").compute
    )
    assert not caplog.messages


def test_windows_of_long_rois_are_part_of_the_workload():
    starts = np.arange(4.0) * 100
    table = {"root": "here", "recording": "a.wav", "start_s": starts}
    rois = RoiSet(
        as_roi_table({**table, "end_s": starts + np.array([0.5, 1.0, 2.5, 60.0])}), NoReader()
    )
    settings = Settings().replace(audio={"roi_s": 1.0})
    assert Workload.of_windows(rois, settings, 2) == Workload(images=13, embedded=26)
    loudest = settings.replace(front_end={"long_rois": "loudest"})
    assert Workload.of_windows(rois, loudest, 2) == Workload()
    assert (
        Workload.of_windows(rois, settings.replace(backbone={"name": "birdnet"}), 2) == Workload()
    )
