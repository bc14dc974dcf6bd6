"""Fine-tuning on given labels: what the MEC loop does with its pseudo-labels."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from darksound.data.episodes import EpisodeSampler
from darksound.meta.descent import Descent
from darksound.meta.features import require_fit
from darksound.meta.learners import Learner
from darksound.meta.randomness import Purpose
from darksound.meta.steps import EpisodicRegime, make_optimizer, run_pass
from darksound.progress import Progress, silent
from darksound.settings import Settings

if TYPE_CHECKING:
    from darksound.data.store import Store

__all__ = ["fine_tune"]


def fine_tune(
    learner: Learner,
    images: "Store",
    rows: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    recordings: npt.ArrayLike | None,
    settings: Settings,
    *,
    tasks: int,
    learning_rate: float,
    key: tuple[int, ...],
    support_as_it_is: bool = False,
    progress: Progress = silent,
) -> None:
    """Train a learner in place on episodes drawn from rows with given labels.

    Args:
        learner: trained in place, left in evaluation mode.
        images: where the rows' images are.
        rows: `(n,)` rows of `images`.
        labels: `(n,)` class of each row, from 0.
        recordings: `(n,)` names, or None where they shall not matter.
        settings: for episodes, augmentation, optimiser, compute and the seed.
        tasks: how many episodes.
        learning_rate: of a fresh optimiser.
        support_as_it_is: alter queries alone.
        key: makes the episodes of this call its own, such as `(iteration,)`.
        progress: told of the episodes done, as `fine-tuning`.

    Raises:
        InputError: fewer than two classes are big enough for an episode.
        CheckpointError: the images are of another front end.
    """
    require_fit(learner, images)
    sampler = EpisodeSampler(labels, recordings, settings.episodes, rows)
    regime = EpisodicRegime(learner, images, sampler, settings, support_as_it_is)
    optimizer = make_optimizer(regime.module, settings, learning_rate)
    descend = Descent(optimizer, settings.compute)
    counters = (int(Purpose.FINE_TUNE), *key)
    run_pass(regime, descend, tasks, counters, progress, "fine-tuning")
