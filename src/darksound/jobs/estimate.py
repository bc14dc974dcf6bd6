"""The first line of a run: where it computes, on how much, and about how long that takes."""

import logging
import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import astuple, dataclass
from pathlib import Path

import torch

from darksound.audio.embedding_models import TABLE, VECTORS, embedding_dim, scheme_of
from darksound.audio.roi_length import ROI_LENGTHS, choose_roi_length
from darksound.cluster.structure import reduced
from darksound.meta.device import autocast, images_to, resolve_device, to_device
from darksound.meta.learners import Learner
from darksound.parallel.resources import folder_size, refuse_disk, refuse_memory, said
from darksound.parallel.workers import worker_count
from darksound.progress import duration
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.store.shard_file import cache_folder

__all__ = ["Needs", "Work", "announce", "announce_many", "needs_of", "refuse"]


@dataclass(frozen=True)
class Work:
    """How much there is to do, at most.

    Attributes:
        images: to be made, or vectors, as far as the cache does not have them.
        embedded: images that pass the network.
        trained: images that pass it forward and back.
        clusterings: of all ROIs.
        held: copies of all embeddings in memory at once.
        written: copies of all embeddings in the run's directory at once.
    """

    images: int = 0
    embedded: int = 0
    trained: int = 0
    clusterings: int = 0
    held: int = 0
    written: int = 0

    @classmethod
    def of_training(cls, rois: int, settings: Settings, epochs: int) -> "Work":
        """Training on that many ROIs."""
        training, episodes = settings.training, settings.episodes
        episode = episodes.n_way * (episodes.n_shot + episodes.n_query)
        batch = training.batch_size if training.regime == "classical" else episode
        return cls(
            images=rois * (1 + settings.augmentation.versions),
            embedded=epochs * training.validation_episodes * episode,
            trained=epochs * training.episodes_per_epoch * batch,
        )

    def __add__(self, other: "Work") -> "Work":
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


# Measured by benchmarks/scale.py: what UMAP and HDBSCAN add once a process, compiled code included,
# for each ROI that UMAP is fitted on, and for each ROI that is reduced and clustered.
_STRUCTURE = 0.35e9
_FITTED_EACH = 5_000
_CLUSTERED_EACH = 2_000
# Average linkage keeps all distances three times, and at its finest cut as much again.
_LINKED_PAIR = 4 * 8
# A ROI in tables, in memory and in the files of a run (measured by benchmarks/exports.py); the
# page of a run, which stays below 25 MB by default, and pictures.
_TABLE_EACH = 1_500
_FILES_EACH = 400
_PICTURES = 30e6
# A worker that makes images: Python with torch and librosa.
_WORKER = 0.4e9
# ROIs that a worker is given at once.
_CHUNK = 32
# Axes that embeddings of many ROIs are turned onto, and their coordinates.
_AXES_EACH = 4 * 60
_NATIVE_HZ = 48_000


@dataclass(frozen=True)
class Needs:
    """What a run takes beyond what this process has taken, in bytes.

    Attributes:
        memory: at its peak.
        cache: that the cache may grow by, as far as it does not have it.
        files: in the directory of the run.
    """

    memory: float
    cache: float
    files: float

    def __str__(self) -> str:
        return f"{said(self.memory)} of memory and {said(self.cache + self.files)} on disk"


def needs_of(rois: int, dim: int, settings: Settings, work: Work) -> Needs:
    """An estimate from the number of ROIs, the length of their embeddings and what is to be done.

    Args:
        rois: how many.
        dim: length of an embedding.
        settings: front end, cache, reduction.
        work: what is to be done.
    """
    vectors = 4.0 * rois * dim
    memory = rois * _TABLE_EACH + work.held * vectors
    if work.clusterings:
        fitted = min(rois, settings.reduction.max_fit_samples)
        # Validity takes the ROIs that it judges by in double precision, beside blocks of distances.
        judged = 8.0 * dim * min(rois, settings.mec.max_validity_samples)
        structure = fitted * _FITTED_EACH + rois * (_CLUSTERED_EACH + _AXES_EACH)
        linked = 0.0 if reduced(settings, rois) else _LINKED_PAIR * rois**2
        memory += _STRUCTURE + max(structure, judged + 0.4e9, linked)
    if work.images and scheme_of(settings) not in (*VECTORS, TABLE):
        memory += min(worker_count(settings), 1 + work.images // _CHUNK) * _WORKER
    files = work.written * vectors + rois * _FILES_EACH + _PICTURES
    return Needs(memory, work.images * _cached_each(settings), files)


def refuse(rois: int, needs: Needs, settings: Settings, place: Path) -> None:
    """Refuse what cannot fit, unless `compute.preflight_check` is off.

    Args:
        rois: how many.
        needs: what they take.
        settings: in force.
        place: directory of the run.

    Raises:
        RunError: memory or a disk is too small; the message says what to change.
    """
    if not settings.compute.preflight_check:
        return
    what = f"A run on {rois:,} ROIs"
    refuse_memory(
        what,
        needs.memory,
        "take fewer ROIs, close other programs, lower reduction.max_fit_samples (now "
        f"{settings.reduction.max_fit_samples:,}) or --workers",
    )
    cache = cache_folder(settings)
    # What is cached of other ROIs counts too, so that nothing that fits is refused.
    missing = max(0.0, needs.cache - folder_size(cache))
    refuse_disk(
        what,
        {cache: missing, place: max(0.0, needs.files - folder_size(place))},
        "make room, name another folder with --set compute.cache_dir=FOLDER or --out, lower "
        f"augmentation.sound_versions (now {settings.augmentation.sound_versions})",
    )


def _cached_each(settings: Settings) -> float:
    """Bytes that the cache keeps of a ROI."""
    scheme = scheme_of(settings)
    if scheme == TABLE:
        return 0.0
    if scheme in VECTORS:
        return 4.0 * embedding_dim(settings)
    front, audio = settings.front_end, settings.audio
    seconds = ROI_LENGTHS[-1] if audio.roi_s == "auto" else audio.roi_s
    frames = front.frames(seconds)
    if front.hop != "auto":
        rate = _NATIVE_HZ if audio.sample_rate == "native" else audio.sample_rate
        frames = round(rate * seconds / front.hop) + 1
    return 3.0 * front.n_bands * frames * _ITEM_BYTES[settings.compute.cache_dtype]


_ITEM_BYTES = {"uint8": 1, "float16": 2}


logger = logging.getLogger(__name__)

# Measured on a server of 2023: a ROI through the default front end, or through BirdNET, with its
# reading, on one core; by benchmarks/scale.py on two: UMAP's compilation, once a process, a ROI
# that UMAP is fitted on, one that is placed and clustered, and a pair of ROIs in DBCV.
_IMAGE_S = 0.006
_VECTOR_S = 0.04
_COMPILATION_S = 50.0
_FITTED_EACH_S = 1.3e-3
_CLUSTERED_EACH_S = 4e-4
_JUDGED_PAIR_S = 5e-9
# Average linkage and its cuts, a pair of 5,000 ROIs.
_LINKED_PAIR_S = 5e-7
_TRIAL_IMAGES = 16
_TRIAL_S = 0.2


def announce(
    rois: RoiSet, learner: Learner, settings: Settings, work: Work, place: Path | None = None
) -> None:
    """Log device, precision, number of ROIs and an estimate; refuse what cannot fit.

    The time is from a short trial of the learner and from measured constants.

    Args:
        rois: the ROIs; where the ROI length is `auto`, their durations decide.
        learner: that is to work.
        settings: in force.
        work: what is to be done.
        place: directory of the run; None: nothing is refused.

    Raises:
        SettingsError: the device asked for is not there.
        RunError: memory or a disk is too small, and `compute.preflight_check` is on.
    """
    if settings.audio.roi_s == "auto" and len(rois):
        settings = settings.replace(audio={"roi_s": choose_roi_length(rois.durations)})
    announce_many(len(rois), learner, settings, work, place)


def announce_many(
    rois: int, learner: Learner, settings: Settings, work: Work, place: Path | None = None
) -> None:
    """`announce` of so many ROIs, whichever they are; arguments and errors as there."""
    device, dtype = resolve_device(settings.compute)
    precision = "float32" if dtype is None else str(dtype).removeprefix("torch.")
    seconds = _estimate(rois, learner, settings, work)
    needs = needs_of(rois, learner.embedding_dim, settings, work)
    cached = ", less where some is cached" if work.images * _making_s(settings) > 5 else ""
    logger.info(
        "%s, %s, %d ROIs, about %s, %s%s.",
        _named(device),
        precision,
        rois,
        duration(max(seconds, 1.0)),
        needs,
        cached,
    )
    if place is not None:
        refuse(rois, needs, settings, place)


def _estimate(rois: int, learner: Learner, settings: Settings, work: Work) -> float:
    forward, both = _trial(learner, settings)
    workers = settings.compute.workers
    hands = torch.get_num_threads() if workers == "auto" else workers
    return (
        work.images * _making_s(settings) / hands
        + work.embedded * forward
        + work.trained * both
        + (_COMPILATION_S if work.clusterings else 0)
        + work.clusterings * _structure_s(rois, settings)
    )


def _structure_s(rois: int, settings: Settings) -> float:
    """Seconds of reduction, clustering and validity of all ROIs."""
    judging = _JUDGED_PAIR_S * min(rois, settings.mec.max_validity_samples) ** 2
    if not reduced(settings, rois):
        return _LINKED_PAIR_S * rois**2 + judging
    fitted = min(rois, settings.reduction.max_fit_samples)
    return _FITTED_EACH_S * fitted + _CLUSTERED_EACH_S * rois + judging


def _making_s(settings: Settings) -> float:
    """Seconds that one core takes to make what the learner learns from of a ROI."""
    scheme = scheme_of(settings)
    if scheme == TABLE:
        return 0.0
    return _VECTOR_S if scheme in VECTORS else _IMAGE_S


def _trial(learner: Learner, settings: Settings) -> tuple[float, float]:
    """Seconds an image through the network: forward, and forward and back."""
    device, dtype = resolve_device(settings.compute)
    # A copy, since training changes what batch norm remembers.
    network = to_device(deepcopy(learner), device).train()
    images = images_to(torch.full((_TRIAL_IMAGES, *_row_shape(settings)), 0.5), device)

    def forward() -> torch.Tensor:
        with autocast(device, dtype):
            return network.embed(images).float()

    def back() -> None:
        torch.autograd.backward(forward().sum())

    back()  # the first pass pays for what is set up once
    return _timed(forward, device), _timed(back, device)


def _row_shape(settings: Settings) -> tuple[int, ...]:
    if scheme_of(settings) in VECTORS:
        return (embedding_dim(settings),)
    roi_s, front_end = settings.audio.roi_s, settings.front_end
    frames = front_end.n_frames if roi_s == "auto" else front_end.frames(roi_s)
    return (3, front_end.n_bands, frames)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds an image, by the fastest of a few trials: others may be using the machine too."""
    fastest, spent = math.inf, 0.0
    while spent < _TRIAL_S:
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken = time.perf_counter() - began
        fastest, spent = min(fastest, taken), spent + taken
    return fastest / _TRIAL_IMAGES


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU ({torch.get_num_threads()} threads)"
    return device.type
