"""The job of `darksound embed`."""

import shutil

from darksound.cluster.embedding import check_finite
from darksound.cluster.embedding_shards import embed_to_shards
from darksound.errors import InputError
from darksound.jobs.base import JobResult, seed_everything
from darksound.jobs.estimate import Workload, log_estimate
from darksound.jobs.inputs import (
    load_run_rois,
    output_file,
    record_writing,
    resolve_run_settings,
    table_lists_rois,
)
from darksound.jobs.learner import (
    load_learner,
    log_initial_learner,
    needs_warm_up,
    warm_up_learner,
)
from darksound.jobs.stages import time_left
from darksound.meta.device import describe_machine
from darksound.meta.learners.build import build_learner
from darksound.progress import Progress
from darksound.run.directory import Run
from darksound.run.files import PROBLEMS_FILE, write_embeddings
from darksound.run.manifest import fingerprint
from darksound.store.building import build_store

__all__ = ["embed_run"]


def embed_run(run: Run, progress: Progress) -> JobResult:
    """Embed ROIs; write the file of `--out`, or `embeddings.parquet` in the run.

    Finished shards are stored in the run until all are finished, so that the run can be resumed.

    Raises:
        InputError, SettingsError, CheckpointError: the data, settings or learner cannot be used.
        RunError: the file exists already, or the run cannot be resumed.
        WorkerError: the workers of a Dask cluster do not have the right packages, or died.
    """
    seed_everything(run.settings.seed)
    inputs = run.inputs
    if not inputs.data and not table_lists_rois(run.settings.backbone):
        raise InputError("There are no data to embed; name ROIs with --data.")
    path = output_file(run, "embeddings.parquet")
    checkpoint_learner = load_learner(inputs.checkpoint, run.settings)
    settings = resolve_run_settings(run, checkpoint_learner, progress)
    rois = load_run_rois(run, settings, progress)
    run.record_data(len(rois), fingerprint(rois))
    run.record_machine(describe_machine(settings))
    learner = build_learner(settings) if checkpoint_learner is None else checkpoint_learner
    workload = Workload(images=len(rois), embedded=len(rois), held=1, written=2)
    workload += Workload.of_windows(rois, settings, 1)
    warm_up = checkpoint_learner is None and needs_warm_up(settings)
    if checkpoint_learner is None:
        log_initial_learner(settings, warm_up)
    if warm_up:
        workload += Workload.of_warm_up(settings)
    log_estimate(rois, learner, settings, workload, run.path)
    progress = time_left(progress, len(rois), learner, settings, workload)
    if warm_up:
        learner = warm_up_learner(settings, run.path / "warm-up", progress)
    images = build_store(rois, settings, progress, windows=True)
    shards_folder = run.path / "embedding"
    shards = embed_to_shards(images, learner, images.settings, shards_folder, progress=progress)
    record_writing(run)
    write_embeddings(path, images.rois.table, shards.dim, map(check_finite, shards))
    shutil.rmtree(shards_folder)
    run.record_problems(images.rois.problems)
    return JobResult(
        (),
        f"{shards.n} embeddings of {shards.dim} dimensions are in {path}.",
        images.rois.problems,
        run.path / PROBLEMS_FILE,
    )
