"""The estimate before a run: device, time, memory and disk space, and a check that it fits."""

import logging
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import torch

from darksound.audio.embedding_models import InputKind, embedding_dim, input_kind
from darksound.audio.geometry import ROI_LENGTHS, choose_roi_length
from darksound.cluster.clusterers.linkage import linked_rois
from darksound.cluster.structure import uses_reducer
from darksound.device import resolve_device
from darksound.meta.learners.base import Learner
from darksound.meta.training_memory import training_bytes
from darksound.parallel.resources import check_disk, check_memory, folder_size, format_bytes
from darksound.parallel.workers import PROCESS_BYTES, process_count, worker_count
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.store.pieces import count_windows
from darksound.store.shard_file import cache_folder

__all__ = [
    "InputCost",
    "ResourceEstimate",
    "Workload",
    "check_resources",
    "episode_size",
    "estimate_resources",
    "input_cost",
    "log_estimate",
    "log_estimate_of_count",
    "step_size",
]

logger = logging.getLogger(__name__)

# Memory in bytes, measured by benchmarks/scale.py: what UMAP and HDBSCAN add once per process,
# compiled code included, per ROI that UMAP is fitted on, and per ROI that is clustered.
_CLUSTERING_BYTES = 0.35e9
_BYTES_PER_FITTED_ROI = 5_000
_BYTES_PER_CLUSTERED_ROI = 2_000
_BYTES_OF_DISTANCE_BLOCKS = 0.4e9
# Average linkage holds three copies of all distances, and up to twice as much for those in the
# graph and to find the finest cut.
_BYTES_PER_LINKED_PAIR = 5 * 8
# Neighbours of a ROI of a large set, and a number of its centred embedding, which is in memory in
# single and in double precision.
_BYTES_PER_CONDENSED_ROI, _BYTES_PER_CENTRED_NUMBER = 1_500, 12
# One ROI in the tables in memory, and in the files of a run (measured by benchmarks/exports.py).
_TABLE_BYTES_PER_ROI = 1_500
_FILE_BYTES_PER_ROI = 400
# The report page, which is below 25 MB by default, and the figures.
_PAGE_BYTES = 30e6
# Coordinates on the principal components that large sets are reduced to.
_PCA_BYTES_PER_ROI = 4 * 60
# One thread that computes images.
_THREAD_BYTES = 50e6
_NATIVE_HZ = 48_000
_ITEM_BYTES = {"uint8": 1, "float16": 2}

# Seconds on one core: one ROI through the default front end or through BirdNET, reading included.
_SECONDS_PER_IMAGE = 0.006
_SECONDS_PER_WAVEFORM = 0.04
# ROIs of the demo's training and validation splits, rounded.
_DEMO_ROIS = 1_000


@dataclass(frozen=True)
class Workload:
    """Upper limits of the work of a run.

    Attributes:
        images: images to compute, or embeddings by an embedding model, if none are cached.
        embedded: forward passes of one ROI.
        trained: forward and backward passes of one ROI.
        epochs: of the training that these are part of.
        clusterings: clusterings of all ROIs.
        held: copies of all embeddings in memory at the same time.
        written: copies of all embeddings in the run directory at the same time.
    """

    images: int = 0
    embedded: int = 0
    trained: int = 0
    epochs: int = 0
    clusterings: int = 0
    held: int = 0
    written: int = 0

    @classmethod
    def of_training(cls, n_rois: int, settings: Settings, epochs: int) -> "Workload":
        """Return the workload of training on so many ROIs."""
        training = settings.training
        return cls(
            images=n_rois * (1 + settings.augmentation.versions),
            embedded=epochs * training.validation_episodes * episode_size(settings),
            trained=epochs * training.episodes_per_epoch * step_size(settings),
            epochs=epochs,
        )

    @classmethod
    def of_warm_up(cls, settings: Settings) -> "Workload":
        """Return the workload of training on the demo."""
        return cls.of_training(_DEMO_ROIS, settings, settings.mec.warm_up_epochs)

    @classmethod
    def of_windows(cls, rois: RoiSet, settings: Settings, passes: int) -> "Workload":
        """Return the workload of the windows of long ROIs, each embedded so many times."""
        if input_kind(settings.backbone) != "images" or not len(rois):
            return cls()
        chosen, durations = settings.audio.roi_s, rois.durations
        roi_s = choose_roi_length(durations) if chosen == "auto" else chosen
        n_windows = int(count_windows(durations, roi_s, settings.front_end).sum())
        return cls(images=n_windows, embedded=passes * n_windows)

    def __add__(self, other: "Workload") -> "Workload":
        return Workload(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class ResourceEstimate:
    """What a run needs in bytes, in addition to what this process uses already.

    Attributes:
        memory: peak memory.
        cache: growth of the cache, if nothing is cached yet.
        files: files in the run directory.
    """

    memory: float
    cache: float
    files: float

    def __str__(self) -> str:
        disk = format_bytes(self.cache + self.files)
        return f"{format_bytes(self.memory)} of memory and {disk} on disk"


def episode_size(settings: Settings) -> int:
    """Return the number of ROIs of an episode."""
    episodes = settings.episodes
    return episodes.n_way * (episodes.n_shot + episodes.n_query)


def step_size(settings: Settings) -> int:
    """Return the number of ROIs of a training step."""
    training = settings.training
    return training.batch_size if training.regime == "classical" else episode_size(settings)


def _image_shape(settings: Settings) -> tuple[int, ...]:
    roi_s, front_end = settings.audio.roi_s, settings.front_end
    width = front_end.n_frames if roi_s == "auto" else front_end.frames(roi_s)
    return (3, front_end.n_bands, width)


def _cached_image_bytes(settings: Settings) -> float:
    front_end, audio = settings.front_end, settings.audio
    seconds = ROI_LENGTHS[-1] if audio.roi_s == "auto" else audio.roi_s
    width = front_end.frames(seconds)
    if front_end.hop != "auto":
        rate = _NATIVE_HZ if audio.sample_rate == "native" else audio.sample_rate
        width = round(rate * seconds / front_end.hop) + 1
    return 3.0 * front_end.n_bands * width * _ITEM_BYTES[settings.compute.cache_dtype]


def _embedding_shape(settings: Settings) -> tuple[int, ...]:
    return (embedding_dim(settings.backbone, settings.embedding_model, settings.compute),)


def _cached_embedding_bytes(settings: Settings) -> float:
    return 4.0 * embedding_dim(settings.backbone, settings.embedding_model, settings.compute)


@dataclass(frozen=True)
class InputCost:
    """The cost of the backbone's input for one ROI.

    Attributes:
        shape: shape of the input.
        cached_bytes: bytes in the cache.
        seconds: time on one core.
        worker_bytes: memory of each process that computes inputs.
    """

    shape: Callable[[Settings], tuple[int, ...]]
    cached_bytes: Callable[[Settings], float]
    seconds: float
    worker_bytes: float


_INPUT_COSTS: dict[InputKind, InputCost] = {
    "images": InputCost(_image_shape, _cached_image_bytes, _SECONDS_PER_IMAGE, PROCESS_BYTES),
    "waveforms": InputCost(_embedding_shape, _cached_embedding_bytes, _SECONDS_PER_WAVEFORM, 0.0),
    "table": InputCost(_embedding_shape, lambda settings: 0.0, 0.0, 0.0),
}


def input_cost(settings: Settings) -> InputCost:
    """Return the cost of the backbone's input."""
    return _INPUT_COSTS[input_kind(settings.backbone)]


def estimate_resources(
    n_rois: int, dim: int, settings: Settings, workload: Workload
) -> ResourceEstimate:
    """Return the memory and disk space that a run needs.

    Args:
        n_rois: number of ROIs.
        dim: length of their embeddings.
        settings: of the front end, the cache, reduction and clustering.
        workload: what the run does.
    """
    embedding_bytes = 4.0 * n_rois * dim
    cost = input_cost(settings)
    memory = n_rois * _TABLE_BYTES_PER_ROI + workload.held * embedding_bytes
    if workload.clusterings:
        memory += _CLUSTERING_BYTES + _clustering_bytes(n_rois, dim, settings)
    if workload.images:
        threads = worker_count(settings.compute)
        processes = process_count(workload.images * cost.seconds, threads)
        # Threads end when processes have taken over.
        memory += max(threads * _THREAD_BYTES, processes * cost.worker_bytes)
    cache = workload.images * cost.cached_bytes(settings)
    files = workload.written * embedding_bytes + n_rois * _FILE_BYTES_PER_ROI + _PAGE_BYTES
    return ResourceEstimate(memory, cache, files)


def _clustering_bytes(n_rois: int, dim: int, settings: Settings) -> float:
    """Return the peak memory of reduction, linkage and validity, which run one after another."""
    fitted = min(n_rois, settings.reduction.max_fit_samples)
    reduction = fitted * _BYTES_PER_FITTED_ROI
    reduction += n_rois * (_BYTES_PER_CLUSTERED_ROI + _PCA_BYTES_PER_ROI)
    # Validity copies its ROIs in double precision, and computes distances in blocks.
    validity = 8.0 * dim * min(n_rois, settings.mec.max_validity_samples)
    validity += _BYTES_OF_DISTANCE_BLOCKS
    if uses_reducer(settings):
        return max(reduction, validity)
    linked = linked_rois(n_rois, settings.clustering)
    linkage = _BYTES_PER_LINKED_PAIR * linked**2
    if linked < n_rois:
        linkage += (_BYTES_PER_CONDENSED_ROI + _BYTES_PER_CENTRED_NUMBER * dim) * n_rois
    return max(reduction, validity, linkage)


def check_resources(
    n_rois: int, estimate: ResourceEstimate, settings: Settings, run_dir: Path
) -> None:
    """Check that a run fits in memory and on disk, unless `compute.preflight_check` is off.

    Args:
        n_rois: number of ROIs.
        estimate: what the run needs.
        settings: name the cache folder; the message suggests which of them to change.
        run_dir: the run directory.

    Raises:
        RunError: memory or a disk is too small; the message says what to change.
    """
    if not settings.compute.preflight_check:
        return
    subject = f"A run on {n_rois:,} ROIs"
    check_memory(
        subject,
        estimate.memory,
        "use fewer ROIs, close other programs, lower reduction.max_fit_samples (now "
        f"{settings.reduction.max_fit_samples:,}) or --workers",
    )
    cache = cache_folder(settings.compute)
    # Files of other ROIs in the cache are subtracted too, so that a run that fits never fails here.
    missing = max(0.0, estimate.cache - folder_size(cache))
    check_disk(
        subject,
        {cache: missing, run_dir: max(0.0, estimate.files - folder_size(run_dir))},
        "delete files, choose another folder with --set compute.cache_dir=FOLDER or --out, "
        f"lower augmentation.sound_versions (now {settings.augmentation.sound_versions})",
    )


def log_estimate(
    rois: RoiSet,
    learner: Learner,
    settings: Settings,
    workload: Workload,
    run_dir: Path | None = None,
) -> None:
    """Log device, precision, number of ROIs, memory and disk space; check that the run fits.

    How long it takes is measured while it runs, see `darksound.jobs.stages`.

    Args:
        rois: the ROIs; if the ROI length is `auto`, it is chosen from their durations.
        learner: the learner to train or to embed with.
        settings: of the run.
        workload: what the run does.
        run_dir: the run directory; None: do not check.

    Raises:
        SettingsError: the device does not exist.
        RunError: memory or a disk is too small, and `compute.preflight_check` is on.
    """
    if settings.audio.roi_s == "auto" and len(rois):
        settings = settings.replace(audio={"roi_s": choose_roi_length(rois.durations)})
    log_estimate_of_count(len(rois), learner, settings, workload, run_dir)


def log_estimate_of_count(
    n_rois: int,
    learner: Learner,
    settings: Settings,
    workload: Workload,
    run_dir: Path | None = None,
) -> None:
    """Do the same as `log_estimate` for a number of ROIs."""
    device, dtype = resolve_device(settings.compute)
    precision = "float32" if dtype is None else str(dtype).removeprefix("torch.")
    estimate = estimate_resources(n_rois, learner.embedding_dim, settings, workload)
    cost = input_cost(settings)
    if workload.trained:
        step = training_bytes(learner, cost.shape(settings), step_size(settings), settings.compute)
        estimate = replace(estimate, memory=estimate.memory + step)
    input_s = workload.images * cost.seconds
    logger.info(
        "%s, %s, %d ROIs, up to %s%s.",
        _device_name(device),
        precision,
        n_rois,
        estimate,
        ", less if some is cached" if input_s > 5 else "",
    )
    if run_dir is not None:
        check_resources(n_rois, estimate, settings, run_dir)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU ({torch.get_num_threads()} threads)"
    return device.type
