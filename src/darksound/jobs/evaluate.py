"""The job of `darksound evaluate`."""

from darksound.atomic import write_bytes
from darksound.cluster.evaluation import Evaluation, evaluate
from darksound.errors import InputError
from darksound.jobs.base import Outcome, make_repeatable
from darksound.jobs.estimate import Work, announce
from darksound.jobs.inputs import names_rois, run_rois, take_up_backbone
from darksound.jobs.learner import given_learner
from darksound.meta.backbones import hears_from_the_start
from darksound.meta.learners import build_learner
from darksound.progress import Progress
from darksound.report.figures import confusion_matrix, png
from darksound.report.tables import evaluation_table, per_class_table
from darksound.run.directory import Run
from darksound.run.files import write_csv, write_json
from darksound.run.manifest import fingerprint

__all__ = ["evaluate_run"]


def evaluate_run(run: Run, progress: Progress) -> Outcome:
    """Judge a learner; leaves evaluation.json and .csv, per_class.csv, confusion.csv and .png.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.evaluate`.
        RunError: the run cannot be gone on with.
    """
    make_repeatable(run.settings.seed)
    inputs = run.inputs
    given = given_learner(inputs.checkpoint, run.settings)
    if given is None and not hears_from_the_start(run.settings):
        raise InputError(
            "Nothing to evaluate; name a training run, a weights file, or an embedder with "
            "--backbone or --embeddings."
        )
    if not inputs.data and not names_rois(run.settings):
        raise InputError("Nothing to evaluate on; name labelled ROIs with --data.")
    settings = take_up_backbone(run, given)
    learner = given if given is not None else build_learner(settings)
    rois = run_rois(run, settings, progress)
    run.note_data(len(rois), fingerprint(rois))
    work = Work(images=len(rois), embedded=2 * len(rois), clusterings=1, held=3)
    announce(rois, learner, settings, work, run.path)
    evaluation = evaluate(learner, rois, settings, progress=progress)
    _write(run, evaluation)
    run.note_problems(evaluation.rois.problems)
    return Outcome(
        (evaluation_table(evaluation), per_class_table(evaluation.few_shot.classes)),
        f"The evaluation is in {run.path}.",
        len(evaluation.rois.problems),
    )


def _write(run: Run, evaluation: Evaluation) -> None:
    few_shot = evaluation.few_shot
    confusion = few_shot.confusion
    write_json(run.path / "evaluation.json", evaluation.as_json())
    write_csv(run.path / "evaluation.csv", evaluation.table())
    write_csv(run.path / "per_class.csv", few_shot.classes.reset_index(names="class"))
    write_csv(run.path / "confusion.csv", confusion.reset_index(names="class"))
    figure = confusion_matrix(confusion.to_numpy(), [str(name) for name in confusion.index])
    write_bytes(run.path / "confusion.png", png(figure))
