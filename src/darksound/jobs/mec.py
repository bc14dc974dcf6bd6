"""The job of `darksound mec`."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from darksound.atomic import write_bytes
from darksound.cluster.embedding_shards import KeptEmbeddings
from darksound.cluster.iteration import Iteration, iteration_table
from darksound.cluster.mec import mec
from darksound.cluster.result import MecResult
from darksound.cluster.state import MecState
from darksound.errors import InputError
from darksound.jobs.base import Outcome, make_repeatable
from darksound.jobs.estimate import Work, announce
from darksound.jobs.inputs import names_rois, run_rois, take_up_backbone
from darksound.jobs.learner import given_learner, warm_up_is_due, warmed_up
from darksound.jobs.report import report_page
from darksound.meta.checkpoints import save_checkpoint
from darksound.meta.learners import Learner, build_learner
from darksound.progress import Progress
from darksound.report.accumulation import accumulate
from darksound.report.circumstances import confounders
from darksound.report.figures import cluster_map, iterations_plot, png
from darksound.report.page.writing import FILE as PAGE
from darksound.report.tables import iterations_tables
from darksound.rois.review import Review, carried_on, read_review
from darksound.run.directory import Run
from darksound.run.files import read_mec_state, write_csv, write_mec_state
from darksound.run.manifest import fingerprint
from darksound.settings import Settings

__all__ = ["DEFAULT_DATA", "REVIEW", "carry_on", "given_review", "mec_run", "write_hindsight"]

_UNITS = ("recording", "hour")
logger = logging.getLogger(__name__)


def write_hindsight(run: Run, table: pd.DataFrame) -> None:
    """Write `accumulation.csv` and `confounders.csv`, and say what is to be minded.

    Args:
        run: the run.
        table: its ROIs and their clusters.
    """
    curves = [accumulate(table, unit).as_table() for unit in _UNITS]
    write_csv(run.path / "accumulation.csv", pd.concat(curves, ignore_index=True))
    found = confounders(table)
    write_csv(run.path / "confounders.csv", found)
    for sentence in found["warning"][(found["warning"] != "") & found["cluster"].isna()]:
        logger.warning("%s", sentence)
    lone = int(found["cluster"].notna().sum())
    if lone:
        logger.warning(
            "%d of %d clusters live in one recording only; confounders.csv names them.",
            lone,
            table["cluster"][table["cluster"] >= 0].nunique(),
        )


#: The review of the run's own clusters, as far as it is known from the one that it was given.
REVIEW = "review.csv"
_GIVEN = "review-given.csv"


def given_review(run: Run) -> Review | None:
    """The review that the run was begun with, whatever became of the file since; None without.

    Raises:
        InputError: it cannot be read, or contradicts itself.
    """
    if run.inputs.review is None:
        return None
    kept = run.path / _GIVEN
    if not kept.exists():
        source = Path(run.inputs.review)
        read_review(source)  # refuses it by the name that it was given by
        try:
            write_bytes(kept, source.read_bytes())
        except OSError as error:
            raise InputError(f"{source}: cannot be read ({error.strerror}).") from None
    return read_review(kept)


def carry_on(run: Run, review: Review, table: pd.DataFrame) -> Path:
    """Write the review as one of the run's own clusters; its path.

    Args:
        run: the run.
        review: what its clusters were made with.
        table: its ROIs and their clusters.
    """
    path = run.path / REVIEW
    write_csv(path, carried_on(review, table))
    return path


#: What is clustered where nothing was named: the test split of the published set.
DEFAULT_DATA = "darksound-2023:test"
_STATE = "state.safetensors"


def mec_run(run: Run, progress: Progress) -> Outcome:
    """Group ROIs into call types.

    Leaves clusters.parquet, rois.parquet, embeddings.npy, iterations.csv, accumulation.csv,
    confounders.csv, map.png, iterations.png, report.html unless `report.page` is off, review.csv
    where a review was given, and the learner of the kept iteration in `checkpoints/`.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.mec`.
        RunError: the run cannot be gone on with.
    """
    make_repeatable(run.settings.seed)
    review = given_review(run)
    if not run.inputs.data and not names_rois(run.settings):
        run.note_inputs(replace(run.inputs, data=(DEFAULT_DATA,)))
    inputs = run.inputs
    given = given_learner(inputs.checkpoint, run.settings)
    settings = take_up_backbone(run, given)
    rois = run_rois(run, settings, progress)
    if review is not None:
        review.hold_against(rois.table["roi_id"])
    run.note_data(len(rois), fingerprint(rois))
    learner = given if given is not None else build_learner(settings)
    warms_up = given is None and warm_up_is_due(settings)
    announce(rois, learner, settings, _work(len(rois), settings, warms_up), run.path)
    if warms_up:
        learner = warmed_up(settings, run.path / "warm-up", progress)

    def keep(iteration: Iteration, state: MecState) -> None:
        write_mec_state(run.path / _STATE, state)
        write_csv(run.path / "iterations.csv", iteration_table(state.iterations, state.kept))
        run.journal.append("iteration", **iteration.as_row())

    kept = KeptEmbeddings(run.path / "embedding")
    result = mec(
        rois,
        learner,
        settings,
        progress=progress,
        on_iteration=keep,
        resume=read_mec_state(run.path / _STATE),
        review=review,
        embedding=kept,
    )
    _write(run, result)
    table = result.table
    write_hindsight(run, table)
    own_review = None if review is None else carry_on(run, review, table)
    run.journal.append("result", kept=result.kept, notes=list(result.notes))
    run.note_problems(result.rois.problems)
    if settings.report.page:
        report_page(run.path, settings, review=own_review, progress=progress)
    # Until now a run that was stopped goes on from it.
    (run.path / _STATE).unlink(missing_ok=True)
    kept.remove()
    return Outcome(
        iterations_tables(result.iterations), _sentence(run, result), len(result.rois.problems)
    )


def _work(rois: int, settings: Settings, warms_up: bool) -> Work:
    loop = settings.mec
    episode = settings.episodes.n_way * (settings.episodes.n_shot + settings.episodes.n_query)
    work = Work(
        images=rois * (1 + settings.augmentation.versions),
        embedded=rois * (loop.iterations + 1),
        trained=loop.iterations * loop.n_episodes * episode,
        clusterings=loop.iterations + 2,
        # First, last, best and those in the making, and normalised.
        held=5,
        written=5,
    )
    if warms_up:
        work += Work.of_training(1000, settings, loop.warm_up_epochs)
    return work


def _write(run: Run, result: MecResult) -> None:
    part = run.path / f".result.{os.getpid()}.part"
    result.save(part)
    for file in sorted(part.iterdir()):
        os.replace(file, run.path / file.name)
    part.rmdir()
    _save_learner(run, result.learner, result)
    labels = result.rois.labels
    write_bytes(run.path / "map.png", png(cluster_map(result.clusters, labels)))
    write_bytes(run.path / "iterations.png", png(iterations_plot(result.iterations)))


def _save_learner(run: Run, learner: Learner, result: MecResult) -> None:
    kept = result.iterations[result.iterations["kept"]].iloc[0]
    metrics = {str(name): float(value) for name, value in kept.items() if name != "kept"}
    save_checkpoint(run.path / "checkpoints", "best", learner, metrics=metrics)


def _sentence(run: Run, result: MecResult) -> str:
    kept = result.iterations[result.iterations["kept"]].iloc[0]
    page = f" Look and listen: {run.path / PAGE}." if run.settings.report.page else ""
    return (
        f"Kept iteration {result.kept}: {int(kept['n_clusters'])} clusters that cover "
        f"{100 * kept['coverage']:.0f} % of {len(result.rois)} ROIs. The result is in {run.path}."
        f"{page}"
    )
