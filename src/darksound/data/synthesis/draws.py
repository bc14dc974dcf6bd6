"""Distributions that birds are drawn from."""

import numpy as np

__all__ = ["log_uniform"]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two others, every octave between them being as likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
