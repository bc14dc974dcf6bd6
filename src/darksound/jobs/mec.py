"""The job of `darksound mec`."""

import logging
from pathlib import Path

import pandas as pd

from darksound.atomic import write_bytes
from darksound.cluster.embedding_shards import ResumableEmbedding
from darksound.cluster.iteration import Iteration
from darksound.cluster.mec import mec
from darksound.cluster.state import MecState
from darksound.errors import InputError
from darksound.jobs.base import JobResult, seed_everything
from darksound.jobs.estimate import Workload, log_estimate
from darksound.jobs.inputs import (
    load_run_rois,
    resolve_run_settings,
    use_default_data,
)
from darksound.jobs.learner import (
    load_learner,
    log_initial_learner,
    needs_warm_up,
    warm_up_learner,
)
from darksound.jobs.report import report_page
from darksound.jobs.stages import time_left
from darksound.meta.device import describe_machine
from darksound.meta.learners.build import build_learner
from darksound.progress import Progress
from darksound.report.accumulation import accumulate
from darksound.report.activity import recorded_times
from darksound.report.activity_table import ACTIVITY_FILE, activity_table
from darksound.report.confounders import confounders
from darksound.report.figures import cluster_map, iterations_plot, png
from darksound.report.page.writing import PAGE_FILE
from darksound.report.result import MecResult
from darksound.report.tables import iterations_tables
from darksound.rois.review import Review, read_review, transfer_review
from darksound.run.directory import Run
from darksound.run.files import PROBLEMS_FILE, write_csv
from darksound.run.manifest import fingerprint, recorded_seconds
from darksound.run.mec_files import (
    read_mec_state,
    remove_mec_state,
    write_mec_files,
    write_mec_state,
)
from darksound.settings import Settings
from darksound.system_errors import reading_error
from darksound.text import text_path

__all__ = ["REVIEW", "load_review", "mec_run", "write_diagnostics", "write_review"]

logger = logging.getLogger(__name__)

#: The review of the run's own clusters, transferred from the review that it was started with.
REVIEW = "review.csv"
# A copy of the review that the run was started with.
_INPUT_REVIEW = "review-given.csv"
_SAMPLING_UNITS = ("recording", "hour")


def write_diagnostics(run: Run, result: MecResult) -> None:
    """Write `accumulation.csv`, `activity.csv` and `confounders.csv`, and log warnings.

    Args:
        run: the run.
        result: its result.
    """
    table = result.table
    recorded = recorded_times(table, result.effort, result.sites)
    curves = [accumulate(table, unit, recorded).as_table() for unit in _SAMPLING_UNITS]
    write_csv(run.path / "accumulation.csv", pd.concat(curves, ignore_index=True))
    write_csv(run.path / ACTIVITY_FILE, activity_table(table, recorded))
    rows = confounders(table)
    write_csv(run.path / "confounders.csv", rows)
    for warning in rows["warning"][(rows["warning"] != "") & rows["cluster"].isna()]:
        logger.warning("%s", warning)
    # Rows that name a cluster are those of clusters in a single recording.
    n_single = int(rows["cluster"].notna().sum())
    if n_single:
        logger.warning(
            "%d of %d clusters occur in one recording only; see confounders.csv.",
            n_single,
            table["cluster"][table["cluster"] >= 0].nunique(),
        )


def load_review(run: Run) -> Review | None:
    """Return the review that the run was started with; None without a review.

    The run keeps a copy, so that later changes of the file have no effect on a resumed run.

    Raises:
        InputError: it cannot be read, or contradicts itself.
    """
    if run.inputs.review is None:
        return None
    copy = run.path / _INPUT_REVIEW
    if not copy.exists():
        source = text_path(run.inputs.review)
        read_review(source)  # raises an error with the name of the user's file
        try:
            write_bytes(copy, source.read_bytes())
        except OSError as error:
            raise InputError(f"{source}: {reading_error(source, error)}.") from None
    return read_review(copy)


def write_review(run: Run, review: Review, table: pd.DataFrame) -> Path:
    """Write the review with the cluster numbers of this run; return its path.

    Args:
        run: the run.
        review: the review that the run was started with.
        table: its ROIs with the columns of their clusters.
    """
    path = run.path / REVIEW
    write_csv(path, transfer_review(review, table))
    return path


def mec_run(run: Run, progress: Progress) -> JobResult:
    """Group ROIs into call types.

    Write the files of a MEC run (see `darksound.run.mec_files`), `accumulation.csv`,
    `activity.csv`, `confounders.csv`, `map.png`, `iterations.png`, with a review `review.csv`, and
    `report.html` unless `report.page` is off.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.mec`.
        RunError: the run cannot be resumed.
    """
    seed_everything(run.settings.seed)
    review = load_review(run)
    use_default_data(run, "test", demo="demo")
    inputs = run.inputs
    checkpoint_learner = load_learner(inputs.checkpoint, run.settings)
    settings = resolve_run_settings(run, checkpoint_learner, progress)
    rois = load_run_rois(run, settings, progress, review)
    run.record_data(len(rois), fingerprint(rois), recorded_seconds(rois))
    run.record_machine(describe_machine(settings))
    learner = build_learner(settings) if checkpoint_learner is None else checkpoint_learner
    warm_up = checkpoint_learner is None and needs_warm_up(settings)
    if checkpoint_learner is None:
        log_initial_learner(settings, warm_up)
    workload = _workload(len(rois), settings, warm_up)
    workload += Workload.of_windows(rois, settings, settings.mec.iterations + 1)
    log_estimate(rois, learner, settings, workload, run.path)
    progress = time_left(progress, len(rois), learner, settings, workload)
    if warm_up:
        learner = warm_up_learner(settings, run.path / "warm-up", progress)

    def save_iteration(iteration: Iteration, state: MecState) -> None:
        write_mec_state(run.path, state)
        run.journal.append("iteration", **iteration.as_row())

    embeddings = ResumableEmbedding(run.path / "embedding")
    outcome = mec(
        rois,
        learner,
        settings,
        progress=progress,
        on_iteration=save_iteration,
        resume=read_mec_state(run.path),
        review=review,
        embedding_function=embeddings,
    )
    write_mec_files(run.path, outcome)
    result = MecResult.from_outcome(outcome)
    _write_plots(run.path, result)
    table = result.table
    write_diagnostics(run, result)
    new_review = None if review is None else write_review(run, review, table)
    run.record_problems(result.rois.problems)
    if settings.report.page:
        report_page(run.path, settings, review=new_review, progress=progress)
    # Removed last, because an interrupted run resumes from it.
    remove_mec_state(run.path)
    embeddings.remove()
    return JobResult(
        iterations_tables(result.iterations),
        _message(run, result),
        result.rois.problems,
        run.path / PROBLEMS_FILE,
    )


def _workload(n_rois: int, settings: Settings, warm_up: bool) -> Workload:
    loop = settings.mec
    episode_size = settings.episodes.n_way * (settings.episodes.n_shot + settings.episodes.n_query)
    # Without fine-tuning no image is altered, and the embeddings are initial and best at once.
    copies = 5 if loop.iterations else 3
    versions = settings.augmentation.versions if loop.iterations else 0
    workload = Workload(
        images=n_rois * (1 + versions),
        embedded=n_rois * (loop.iterations + 1),
        trained=loop.iterations * loop.n_episodes * episode_size,
        # With the first iteration, its map, and the map of the kept one.
        clusterings=loop.iterations + 2 + bool(loop.iterations),
        # Initial, last, best and current embeddings, and the normalised ones.
        held=copies,
        written=copies,
    )
    if warm_up:
        workload += Workload.of_warm_up(settings)
    return workload


def _write_plots(folder: Path, result: MecResult) -> None:
    figure = cluster_map(result.clusters, result.labels, method=result.map_title)
    write_bytes(folder / "map.png", png(figure))
    write_bytes(folder / "iterations.png", png(iterations_plot(result.iterations)))


def _message(run: Run, result: MecResult) -> str:
    page = f" Open the report: {run.path / PAGE_FILE}." if run.settings.report.page else ""
    types = "" if result.types is None else f"{result.types.sentence}. "
    return (
        f"{types}Kept iteration {result.kept}: {result.n_clusters} clusters in "
        f"{result.n_superclusters} superclusters that cover "
        f"{100 * result.coverage:.0f} % of {len(result)} ROIs. The result is in {run.path}."
        f"{page}"
    )
