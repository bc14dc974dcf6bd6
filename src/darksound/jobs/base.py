"""The result of a job, and seeding of the process."""

import os
import random
from dataclasses import dataclass

import numpy as np

from darksound.report.tables import Table

__all__ = ["JobResult", "seed_everything"]


@dataclass(frozen=True)
class JobResult:
    """What a job prints at its end.

    Attributes:
        tables: the results as tables.
        message: what was done, where the files are, and what to do next.
        n_skipped: number of skipped inputs; `errors.csv` in the run lists them.
    """

    tables: tuple[Table, ...]
    message: str
    n_skipped: int = 0


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch; use deterministic algorithms.

    darksound itself draws from generators of its own; this is for the libraries that it uses.
    """
    # Imported here because it is slow, and some jobs do not need it.
    import torch

    # cuBLAS reads this variable when it is initialised.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
