"""The first line of a run: where it computes, on how much, and about how long that takes."""

import logging
import math
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch

from darksound.audio.embedders.registry import TABLE, VECTORS, embedding_dim, scheme_of
from darksound.audio.length import choose_roi_length
from darksound.cluster.methods import reduced
from darksound.data.rois import RoiSet
from darksound.meta.device import autocast, images_to, resolve_device, to_device
from darksound.meta.learners import Learner
from darksound.report.words import duration
from darksound.runs.needs import needs_of, refuse
from darksound.runs.work import Work
from darksound.settings import Settings

__all__ = ["announce", "announce_many"]

_log = logging.getLogger(__name__)

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
        RunError: memory or a disk is too small, and `compute.refuse` is on.
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
    _log.info(
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
    judging = _JUDGED_PAIR_S * min(rois, settings.mec.judge_at_most) ** 2
    if not reduced(settings, rois):
        return _LINKED_PAIR_S * rois**2 + judging
    fitted = min(rois, settings.reduction.fit_at_most)
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
