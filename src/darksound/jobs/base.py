"""A process whose results depend on the seed alone."""

import os
import random
from dataclasses import dataclass

import numpy as np

from darksound.report.tables import Table

__all__ = ["Outcome", "make_repeatable"]


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    Attributes:
        tables: its results.
        sentence: what came out, where it is, and what may be done next.
        problems: number of inputs that were left out; `errors.csv` in the run names them.
    """

    tables: tuple[Table, ...]
    sentence: str
    problems: int = 0


def make_repeatable(seed: int) -> None:
    """Choose the same algorithms every time, and seed whatever global generators libraries use.

    Our own code draws from generators of its own; this is for what lies below it.
    """
    # Slow to import, and some jobs need no network.
    import torch

    # Read by cuBLAS when it first starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
