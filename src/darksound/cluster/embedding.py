"""Embeddings of ROIs by a learner."""

import numpy as np
import numpy.typing as npt

from darksound.data.store import Store
from darksound.meta.features import compute_features
from darksound.meta.learners import Learner
from darksound.progress import Progress, silent
from darksound.settings import Settings

__all__ = ["embed"]


def embed(
    learner: Learner, images: Store, settings: Settings, progress: Progress = silent
) -> npt.NDArray[np.float32]:
    """Vectors `(n, dim)` of all ROIs of a store, row i of row i.

    In evaluation mode and batches, each ROI from its unaltered image alone. Values are not
    finite where the learner's weights are not.

    Raises:
        CheckpointError: the images are of another front end than the learner's.
        SettingsError: the device asked for is not there.
    """
    vectors = compute_features(learner, images, None, settings, embed=True, progress=progress)
    array: npt.NDArray[np.float32] = vectors.numpy()
    return array
