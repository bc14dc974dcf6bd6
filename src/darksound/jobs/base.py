"""The result of a job, and seeding of the process."""

import os
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from darksound.report.tables import Table
from darksound.rois.roi_set import Problem

__all__ = ["JobResult", "seed_everything"]

# What comes between a cause and what to do.
_REMEDY = re.compile(r"[;.]\s")
# Number of causes in the last line of a command; the file of a run lists all.
_N_CAUSES = 3


@dataclass(frozen=True)
class JobResult:
    """What a job prints at its end.

    Attributes:
        tables: the results as tables.
        message: what was done, where the files are, and what to do next.
        problems: inputs that were left out or used in part.
        listed_in: the file that lists them all; None where the message does.
    """

    tables: tuple[Table, ...]
    message: str
    problems: tuple[Problem, ...] = ()
    listed_in: Path | None = None

    @property
    def warning(self) -> str | None:
        """Return how many inputs were left out or used in part, and why; None if there are none."""
        if not self.problems:
            return None
        n_inputs = len({problem.recording for problem in self.problems})
        causes = list(dict.fromkeys(map(_cause, self.problems)))
        were = "1 input was" if n_inputs == 1 else f"{n_inputs} inputs were"
        text = f"{were} left out or used in part: {'; '.join(causes[:_N_CAUSES])}."
        more = len(causes) - _N_CAUSES
        if more > 0:
            text += f" And {more} more."
        if self.listed_in is None:
            return text
        return f"{text} {'It is' if n_inputs == 1 else 'All are'} listed in {self.listed_in}"


def _cause(problem: Problem) -> str:
    """Return the cause of a problem as a clause that names the input, without the remedy."""
    name, cause = problem.recording, problem.cause
    text = cause if name in cause else f"{name}: {cause}"
    # Names may have semicolons and full stops too.
    end = text.index(name) + len(name)
    for match in _REMEDY.finditer(text, end):
        clause = text[end : match.start()]
        if clause.count("(") == clause.count(")"):
            return text[: match.start()]
    return text.rstrip(".")


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
