"""The stages of a run, and how long they take as far as known before it."""

import math

from darksound.audio.embedding_models import InputKind, input_kind
from darksound.cluster.clusterers.linkage import linked_rois
from darksound.cluster.maps import map_method
from darksound.cluster.structure import uses_reducer
from darksound.jobs.estimate import Workload, episode_size, input_cost
from darksound.jobs.time_left import PlannedStage, TimeLeft
from darksound.meta.learners.base import Learner
from darksound.parallel.workers import worker_count
from darksound.progress import Progress
from darksound.settings import Settings

__all__ = ["planned_stages", "time_left"]

# Seconds of the stages on one core, whose ratios are used until a stage has been timed: a forward
# pass of a network on images or of a head on vectors, and its part for each parameter and pixel; a
# pass with gradients relative to one without; one clip of the report page.
_SECONDS_PER_PASS: dict[InputKind, float] = {"images": 1.4e-3, "waveforms": 2e-5, "table": 2e-5}
_SECONDS_PER_PARAMETER_PIXEL = 1.3e-14
_TRAINED_PER_PASS = 4.0
_SECONDS_PER_CLIP = 0.03
# Clips in a report page of the usual size.
_MAX_CLIPS = 2_500
# Seconds, measured by benchmarks/scale.py on two cores: one ROI that UMAP is fitted on; one that is
# placed and clustered; a pair of ROIs in DBCV; one on a map by t-SNE.
_SECONDS_PER_FITTED_ROI = 1.3e-3
_SECONDS_PER_CLUSTERED_ROI = 4e-4
_SECONDS_PER_VALIDITY_PAIR = 5e-9
_SECONDS_PER_MAPPED_ROI = 1e-2
# Compilation of UMAP, once a process.
_COMPILATION_S = 45.0
# Average linkage, its graph and its cuts, one pair of 5,000 ROIs.
_SECONDS_PER_LINKED_PAIR = 8e-7
# The distances that resamples share, one pair; and a resample, one pair of all ROIs.
_SECONDS_PER_SHARED_PAIR, _SECONDS_PER_RESAMPLED_PAIR = 4e-7, 5e-8
# The same of micro-clusters, whose members are drawn, and whose noise is clustered again.
_SECONDS_PER_CONDENSED_PAIR = 1.4e-7
# ROIs that are resampled at most where no distances are shared, and their share in a resample.
_MAX_RESAMPLED, _RESAMPLED_SHARE = 5000, 0.8
# Micro-clusters of a large set, and what is clustered again, one ROI.
_SECONDS_PER_CONDENSED_ROI = 4e-4
# The stage that computes what the backbone reads, by its kind.
_STORED_KINDS = {"images": "images", "waveforms": "vectors", "table": "vectors"}


def time_left(
    progress: Progress, n_rois: int, learner: Learner, settings: Settings, workload: Workload
) -> Progress:
    """Return a progress callback that logs how long the run still takes; see `TimeLeft`.

    Args:
        progress: receives all calls.
        n_rois: number of ROIs.
        learner: the learner to train or to embed with.
        settings: of the run.
        workload: what the run does.
    """
    return TimeLeft(progress, planned_stages(n_rois, learner, settings, workload))


def planned_stages(
    n_rois: int, learner: Learner, settings: Settings, workload: Workload
) -> list[PlannedStage]:
    """Return the stages of a run, in their order; see `time_left`."""
    n_parameters = sum(parameter.numel() for parameter in learner.parameters())
    n_pixels = math.prod(input_cost(settings).shape(settings)[1:])
    kind = input_kind(settings.backbone)
    pass_s = _SECONDS_PER_PASS[kind] + _SECONDS_PER_PARAMETER_PIXEL * n_parameters * n_pixels
    trained_s = _TRAINED_PER_PASS * pass_s
    stored_s = workload.images * input_cost(settings).seconds / worker_count(settings.compute)
    stages = [PlannedStage(_STORED_KINDS[kind], 1, stored_s)]
    repeats = settings.mec.iterations if workload.clusterings > 1 else 0
    fine_tuned = float(settings.mec.n_episodes * episode_size(settings))
    if workload.epochs:
        trained = workload.trained - repeats * fine_tuned
        epoch_s = trained * trained_s / workload.epochs
        stages.append(PlannedStage("epoch", workload.epochs, epoch_s, in_network=True))
    if not workload.clusterings:
        # Training keeps no embeddings.
        if workload.held:
            stages.append(PlannedStage("embedding", 1, n_rois * pass_s, in_network=True))
        return stages
    if settings.mec.epochs:
        fine_tuned = min(fine_tuned, settings.mec.epochs * n_rois)
    reducing_s, clustering_s = _clustering_seconds(n_rois, settings)
    # The loop converges after one fine-tuning at the earliest.
    least = repeats + 1 if settings.mec.converged_ami == "never" else min(repeats + 1, 2)
    calls = repeats + 1
    compilation_s = _COMPILATION_S if reducing_s else 0.0
    tuning_s = fine_tuned * trained_s
    stages += [
        PlannedStage("embedding", calls, n_rois * pass_s, least, True, in_network=True),
        PlannedStage("reducing", calls, reducing_s, least, True, compilation_s),
        PlannedStage("clustering", calls, clustering_s, least, True),
        PlannedStage("fine-tuning", calls - 1, tuning_s, least - 1, True, in_network=True),
    ]
    if workload.clusterings > 1:
        map_s, first_s = n_rois * _SECONDS_PER_MAPPED_ROI, 0.0
        if map_method(settings, n_rois) == "umap":
            map_s = min(n_rois, settings.reduction.max_fit_samples) * _SECONDS_PER_FITTED_ROI
            first_s = 0.0 if reducing_s else _COMPILATION_S
        stages.append(PlannedStage("map", 1, map_s, first_s=first_s))
        if settings.mec.resamples:
            stages.append(PlannedStage("resampling", 1, _resampling_seconds(n_rois, settings)))
        if settings.report.page:
            clips_s = min(n_rois, _MAX_CLIPS) * _SECONDS_PER_CLIP
            # The recordings of a table may not exist.
            least = 1 if input_cost(settings).seconds else 0
            stages.append(PlannedStage("clips", 1, clips_s, least))
    return stages


def _clustering_seconds(n_rois: int, settings: Settings) -> tuple[float, float]:
    """Return the time of reduction, and of clustering and validity, of all ROIs."""
    validity = _SECONDS_PER_VALIDITY_PAIR * min(n_rois, settings.mec.max_validity_samples) ** 2
    if not uses_reducer(settings):
        linked = linked_rois(n_rois, settings.clustering)
        linkage = _SECONDS_PER_LINKED_PAIR * linked**2
        if linked < n_rois:
            linkage += _SECONDS_PER_CONDENSED_ROI * n_rois
        return 0.0, linkage + validity
    fitted = min(n_rois, settings.reduction.max_fit_samples)
    return _SECONDS_PER_FITTED_ROI * fitted, _SECONDS_PER_CLUSTERED_ROI * n_rois + validity


def _resampling_seconds(n_rois: int, settings: Settings) -> float:
    """Return the time of the resamples, by which the stability of clusters is found."""
    resamples = settings.mec.resamples
    if uses_reducer(settings):
        n = min(n_rois, _MAX_RESAMPLED)
        clustered = _SECONDS_PER_CLUSTERED_ROI * _RESAMPLED_SHARE * n
        return _SECONDS_PER_FITTED_ROI * n + resamples * clustered
    linked = linked_rois(n_rois, settings.clustering)
    is_condensed = linked < n_rois
    resample_s = _SECONDS_PER_CONDENSED_PAIR if is_condensed else _SECONDS_PER_RESAMPLED_PAIR
    condensing_s = _SECONDS_PER_CONDENSED_ROI * n_rois if is_condensed else 0.0
    return (_SECONDS_PER_SHARED_PAIR + resamples * resample_s) * linked**2 + condensing_s
