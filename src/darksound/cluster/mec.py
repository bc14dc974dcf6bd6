"""Meta-Embedded Clustering: ROIs and a learner in, clusters out."""

from copy import deepcopy

from darksound.cluster.assign import assign_noise
from darksound.cluster.constraints import NOTHING_SAID
from darksound.cluster.embedding import Embed, embed
from darksound.cluster.iteration import iteration_table
from darksound.cluster.loop import OnIteration, run_loop
from darksound.cluster.notes import Notebook
from darksound.cluster.result import MecResult, cluster_table
from darksound.cluster.state import MecState
from darksound.cluster.structure import lay_out
from darksound.errors import InputError
from darksound.meta.learners import Learner
from darksound.progress import Progress, silent
from darksound.rois.review import Review
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings, adopt
from darksound.store.building import build_store
from darksound.store.contract import Store

__all__ = ["mec", "mec_on_images"]


def mec(
    rois: RoiSet,
    learner: Learner,
    settings: Settings | None = None,
    *,
    progress: Progress = silent,
    on_iteration: OnIteration | None = None,
    resume: MecState | None = None,
    review: Review | None = None,
    embedding: Embed = embed,
) -> MecResult:
    """Group ROIs into call types (Poutaraud et al. 2024, doi 10.1016/j.ecoinf.2024.102687).

    Each iteration embeds all ROIs, reduces and clusters the embeddings, and fine-tunes the
    learner on episodes drawn from the ROIs that the clusterer is sure of. The iteration to keep
    is chosen without labels; labels, where there are any, are only used to report on it.

    Args:
        rois: what to group; ROIs that cannot be read are left out and listed as problems.
        learner: where to start from; it is not changed.
        settings: of all stages; front end, backbone and learner are the learner's own. The
            default settings where None.
        progress: called as work goes on.
        on_iteration: called after each iteration with its figures and a state to resume from.
        resume: a state that `on_iteration` was given; the same ROIs, learner and settings then
            end in the same result as without a stop.
        review: what a person said of an earlier run's clusters: rejected ROIs are left out, and
            the others that were reviewed are grouped as the review says, in every iteration.
        embedding: takes the place of `embed` and gives the same, such as `KeptEmbeddings`.

    Raises:
        InputError: there are no ROIs, or none that can be read, or the review is of other ROIs.
        CheckpointError: the learner's weights are broken.
        SettingsError: a setting is impossible or contradicts the learner's.
        RunError: `resume` is of another run.
    """
    if not len(rois):
        raise InputError("There are no ROIs to cluster; look at the data source.")
    if review is not None:
        rois = review.without_rejected(rois)
    ours = adopt(settings or Settings(), learner.settings)
    versions = ours.augmentation.versions if ours.mec.iterations else 0
    images = build_store(rois, ours, progress, versions=versions)
    return mec_on_images(
        *(images, learner, ours),
        progress=progress,
        on_iteration=on_iteration,
        resume=resume,
        review=review,
        embedding=embedding,
    )


def mec_on_images(
    images: Store,
    learner: Learner,
    settings: Settings,
    *,
    progress: Progress = silent,
    on_iteration: OnIteration | None = None,
    resume: MecState | None = None,
    review: Review | None = None,
    embedding: Embed = embed,
) -> MecResult:
    """`mec` on images that are there already, made with the learner's front end.

    ROIs that `review` rejects are to be left out of the images before.

    Raises:
        CheckpointError: the learner's weights are broken.
        SettingsError: a setting is impossible.
        RunError: `resume` is of another run.
        InputError: the review is of other ROIs.
    """
    state = run_loop(
        *(images, learner, settings),
        progress=progress,
        on_iteration=on_iteration,
        resume=resume,
        truth=NOTHING_SAID if review is None else review.truth(images.rois.table["roi_id"]),
        embedding=embedding,
    )
    kept = state.best
    network = deepcopy(learner)
    network.load_state_dict(kept.weights)
    notes = Notebook(state.notes)
    if kept.clustering.n_clusters < 2 and kept.clustering.coverage < 1:
        notes("Noise ROIs were assigned to no cluster, since fewer than two clusters were found.")
    assignment = assign_noise(network, images, kept.clustering, settings, progress)
    progress("map", 0, 1)
    coordinates = lay_out(kept.embeddings, settings)
    progress("map", 1, 1)
    return MecResult(
        rois=images.rois,
        clusters=cluster_table(images.rois, kept.clustering, assignment, coordinates),
        iterations=iteration_table(state.iterations, state.kept),
        embeddings=kept.embeddings,
        kept=state.kept,
        learner=network,
        notes=notes.sentences,
    )
