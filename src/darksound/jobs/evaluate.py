"""The job of `darksound evaluate`."""

from matplotlib.figure import Figure

from darksound.atomic import write_bytes
from darksound.cluster.evaluation import Evaluation, evaluate
from darksound.errors import InputError
from darksound.jobs.base import JobResult, seed_everything
from darksound.jobs.estimate import Workload, log_estimate
from darksound.jobs.inputs import load_run_rois, resolve_run_settings, use_default_data
from darksound.jobs.learner import load_learner
from darksound.jobs.stages import time_left
from darksound.meta.backbones.build import usable_untrained
from darksound.meta.device import describe_machine
from darksound.meta.learners.build import build_learner
from darksound.progress import Progress
from darksound.report.figures import confusion_matrix, png
from darksound.report.spectrogram_sheets import episode_sheet
from darksound.report.tables import evaluation_table, per_class_table
from darksound.run.directory import Run
from darksound.run.files import PROBLEMS_FILE, write_csv, write_json
from darksound.run.manifest import fingerprint

__all__ = ["evaluate_run"]


def evaluate_run(run: Run, progress: Progress) -> JobResult:
    """Evaluate a learner; write its figures of merit and its confusion matrix.

    The files are `evaluation.json`, `evaluation.csv`, `per_class.csv`, `confusion.csv`,
    `confusion.png` and, unless the learner's inputs are vectors, `episode.png`.

    Without data it uses the split `test` of the published set.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.evaluate`.
        RunError: the run cannot be resumed.
    """
    seed_everything(run.settings.seed)
    inputs = run.inputs
    checkpoint_learner = load_learner(inputs.checkpoint, run.settings)
    if checkpoint_learner is None and not usable_untrained(run.settings.backbone):
        raise InputError(
            "There is no learner to evaluate; name a training run or a weights file, an embedding "
            "model with --backbone, or a table with --embeddings."
        )
    use_default_data(run, "test", demo="demo:test")
    settings = resolve_run_settings(run, checkpoint_learner, progress)
    learner = build_learner(settings) if checkpoint_learner is None else checkpoint_learner
    rois = load_run_rois(run, settings, progress)
    run.record_data(len(rois), fingerprint(rois))
    run.record_machine(describe_machine(settings))
    workload = Workload(images=len(rois), embedded=2 * len(rois), clusterings=1, held=3)
    workload += Workload.of_windows(rois, settings, 2)
    log_estimate(rois, learner, settings, workload, run.path)
    progress = time_left(progress, len(rois), learner, settings, workload)
    evaluation = evaluate(rois, learner, settings, progress=progress)
    _write(run, evaluation)
    figure = _episode_figure(evaluation)
    if figure is not None:
        write_bytes(run.path / "episode.png", png(figure))
    run.record_problems(evaluation.rois.problems)
    return JobResult(
        (evaluation_table(evaluation), per_class_table(evaluation.few_shot.classes)),
        f"The evaluation is in {run.path}.",
        evaluation.rois.problems,
        run.path / PROBLEMS_FILE,
    )


def _write(run: Run, evaluation: Evaluation) -> None:
    few_shot = evaluation.few_shot
    confusion = few_shot.confusion
    write_json(run.path / "evaluation.json", evaluation.as_json())
    write_csv(run.path / "evaluation.csv", evaluation.table)
    write_csv(run.path / "per_class.csv", few_shot.classes.reset_index(names="class"))
    write_csv(run.path / "confusion.csv", confusion.reset_index(names="class"))
    figure = confusion_matrix(confusion.to_numpy(), [str(name) for name in confusion.index])
    write_bytes(run.path / "confusion.png", png(figure))


def _episode_figure(evaluation: Evaluation) -> Figure | None:
    """Return the images of the first episode; None where inputs are vectors."""
    images, first = evaluation.images, evaluation.few_shot.first
    if images.kind != "images":
        return None
    episode = first.episode
    by_class = (episode.n_way, -1, *images.shape)
    return episode_sheet(
        images.batch(episode.support).numpy().reshape(by_class),
        images.batch(episode.query).numpy().reshape(by_class),
        [str(name) for name in episode.classes],
        first.predicted.numpy().reshape(episode.n_way, -1),
    )
