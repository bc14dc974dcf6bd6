"""The job of `darksound embed`."""

import shutil
from pathlib import Path

from darksound.cluster.embedding_shards import embed_in
from darksound.errors import InputError, RunError
from darksound.jobs.base import Outcome, make_repeatable
from darksound.jobs.estimate import Work, announce
from darksound.jobs.inputs import names_rois, run_rois, take_up_backbone
from darksound.jobs.learner import given_learner, warm_up_is_due, warmed_up
from darksound.meta.learners import build_learner
from darksound.progress import Progress
from darksound.run.directory import Run
from darksound.run.files import write_embeddings
from darksound.run.manifest import fingerprint
from darksound.store.building import build_store

__all__ = ["embed_run"]


def embed_run(run: Run, progress: Progress) -> Outcome:
    """Embed ROIs into the file that was asked for, or `embeddings.parquet` in the run.

    What is embedded is kept in pieces in the run until all is, so that a run that was stopped goes
    on where it was.

    Raises:
        InputError, SettingsError, CheckpointError: the data, settings or learner cannot be used.
        RunError: the file exists already, or the run cannot be gone on with.
        WorkerError: the workers of a Dask cluster cannot do it, or died.
    """
    make_repeatable(run.settings.seed)
    inputs = run.inputs
    target = run.path / "embeddings.parquet" if inputs.target is None else Path(inputs.target)
    if not inputs.data and not names_rois(run.settings):
        raise InputError("Nothing to embed; name ROIs with --data.")
    # A resumed run began when the file was not there: it is its own.
    if inputs.target is not None and target.exists() and not run.manifest.times_resumed:
        raise RunError(f"{target} exists already; remove it, or give another --out.")
    given = given_learner(inputs.checkpoint, run.settings)
    settings = take_up_backbone(run, given)
    rois = run_rois(run, settings, progress)
    run.note_data(len(rois), fingerprint(rois))
    learner = given if given is not None else build_learner(settings)
    work = Work(images=len(rois), embedded=len(rois), held=1, written=2)
    announce(rois, learner, settings, work, run.path)
    if given is None and warm_up_is_due(settings):
        learner = warmed_up(settings, run.path / "warm-up", progress)
    images = build_store(rois, settings, progress)
    kept = run.path / "embedding"
    shards = embed_in(kept, learner, images, images.settings, progress)
    write_embeddings(target, images.rois.table, shards.dim, shards)
    shutil.rmtree(kept)
    run.note_problems(images.rois.problems)
    return Outcome(
        (),
        f"{shards.n} embeddings of {shards.dim} dimensions are in {target}.",
        len(images.rois.problems),
    )
