"""A process whose results depend on the seed alone."""

import os
import random

import numpy as np
import torch

__all__ = ["make_repeatable"]


def make_repeatable(seed: int) -> None:
    """Choose the same algorithms every time, and seed whatever global generators libraries use.

    Our own code draws from generators of its own; this is for what lies below it.
    """
    # Read by cuBLAS when it first starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
