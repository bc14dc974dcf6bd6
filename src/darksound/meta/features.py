"""Features of many ROIs at once, in evaluation mode."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from darksound.audio.embedding_models import check_same_model
from darksound.errors import CheckpointError
from darksound.meta.device import autocast, images_to, resolve_device, staged, to_device
from darksound.meta.learners.base import Learner
from darksound.progress import Progress, silent
from darksound.settings import Settings

if TYPE_CHECKING:
    from darksound.store.contract import Store

__all__ = ["ahead", "compute_features", "for_inference", "require_fit", "settle"]

Job = TypeVar("Job")
Result = TypeVar("Result")

# Results that wait until they are asked for.
_AHEAD = 2


@torch.no_grad()
def for_inference(learner: Learner, dtype: torch.dtype | None) -> Learner:
    """A copy in evaluation mode that gives the same, faster: batch norm folded into convolutions,
    and weights already in the type that autocast would bring them to at each batch.

    Args:
        learner: on the device where it will be used.
        dtype: of autocast; None where networks run in float32.
    """
    copy = deepcopy(learner).eval()
    copy.backbone.fold_batch_norm()
    for module in copy.backbone.modules() if dtype is not None else ():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.to(dtype)
    return copy


def ahead(make: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """`make` of each job, in order, made by a thread while what came before is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting: deque[Future[Result]] = deque()
        for job in jobs:
            waiting.append(thread.submit(make, job))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def require_fit(learner: Learner, images: "Store") -> None:
    """See that a store holds what the learner was made for.

    Images must come from its front end, of which only the ROI length may differ, and only where
    the hop follows it; vectors from its embedder.

    Raises:
        CheckpointError: naming what differs.
    """
    _FITS[images.kind](learner, images)


def _same_embedder(learner: Learner, images: "Store") -> None:
    theirs = images.settings
    check_same_model(learner.settings.embedding_model, theirs.embedding_model, theirs.backbone.name)


def _same_front_end(learner: Learner, images: "Store") -> None:
    ours, theirs = learner.settings, images.settings
    differing = [
        f"{section}.{key} ({value!r} against {getattr(getattr(theirs, section), key)!r})"
        for section in ("audio", "front_end")
        for key, value in getattr(ours, section)
        if value != getattr(getattr(theirs, section), key)
        and not (key == "roi_s" and ours.front_end.hop == "auto")
    ]
    if differing:
        raise CheckpointError(
            f"The learner was made for images of another front end: {'; '.join(differing)}. "
            f"Make the images with the learner's settings, or train a learner on these."
        )


_FITS = MappingProxyType({"images": _same_front_end, "vectors": _same_embedder})


def settle(learner: Learner, images: "Store") -> None:
    """Let the backbone learn what it must know of the data before it is first used on any."""
    if learner.backbone.is_fitted:
        return
    step, n = learner.settings.compute.batch_size, len(images)
    starts = range(0, n, step)
    learner.backbone.fit(images.batch(np.arange(s, min(s + step, n))) for s in starts)


def compute_features(
    learner: Learner,
    images: "Store",
    rows: npt.NDArray[np.int64] | None,
    settings: Settings,
    *,
    embed: bool = False,
    progress: Progress = silent,
    stage: str = "embedding",
) -> Tensor:
    """Features of unaltered ROIs, each from its own image alone.

    Args:
        learner: moved to the device of the settings; its mode does not matter and stays.
        images: where the ROIs' images are.
        rows: `(n,)` which of them, in this order; None for all.
        settings: for `compute`.
        embed: vectors for clustering in place of what the learner compares.
        progress: told of the ROIs done.
        stage: under this name.

    Returns:
        float32 `(n, ...)` on the CPU.

    Raises:
        CheckpointError: the images are of another front end.
    """
    require_fit(learner, images)
    settle(learner, images)
    rows = np.arange(len(images)) if rows is None else rows
    device, dtype = resolve_device(settings.compute)
    to_device(learner, device)
    fast = for_inference(learner, dtype)
    forward = fast.embed if embed else fast.features
    step = settings.compute.batch_size
    jobs = [rows[start : start + step] for start in range(0, len(rows), step)]
    batches = ahead(lambda some: staged(images.batch(some), device), jobs)
    parts: list[Tensor] = []
    done = 0
    progress(stage, 0, len(rows))
    with torch.inference_mode(), autocast(device, dtype):
        for batch in batches:
            parts.append(forward(images_to(batch, device)).float().cpu())
            done += len(batch)
            progress(stage, done, len(rows))
    # A clone outside inference mode, so that the result may take part in training.
    return torch.cat(parts).clone() if parts else torch.zeros(0, learner.embedding_dim)
