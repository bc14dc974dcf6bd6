"""Learners made ready to embed fast, and batches loaded before they are asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

from darksound.meta.learners import Learner

__all__ = ["ahead", "for_inference"]

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
    copy.backbone.fold()
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
