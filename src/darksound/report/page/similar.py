"""The most similar clips of each clip, as the script of the page reads them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from darksound.cluster.neighbours import neighbours_within
from darksound.report.page.media import column
from darksound.report.result import MecResult

__all__ = ["similar_clips"]

# Similar clips that are listed for a clip.
_N_SIMILAR = 8
# Clips, in the order in which they get sound, that are compared: the time grows with the square.
_MAX_CLIPS = 20_000
# Cosine distances lie between 0 and 2.
_STEPS = 255 / 2


def similar_clips(result: MecResult, rows: Sequence[int]) -> dict[str, Any]:
    """Return the nearest clips of each clip, by the centred cosine distance of embeddings.

    Args:
        result: the result of MEC.
        rows: rows with sound, in their order in the page. Only the first 20,000 are compared.

    Returns:
        `count`, the number k of clips of each list; `index` of `(n_clips, k)` numbers of clips, the
        nearest first; `distance` of `(n_clips, k)` distances, 0 to 2 in 255 steps.
    """
    compared = np.asarray(rows[:_MAX_CLIPS], dtype=np.int64)
    found = neighbours_within(result.embeddings, compared, _N_SIMILAR)
    position = np.zeros(len(result), dtype=np.int64)
    position[compared] = np.arange(len(compared))
    index = position[found.rows]
    return {
        "count": int(found.rows.shape[1]),
        "index": column(index, "i2" if len(compared) < 2**15 else "i4"),
        "distance": column(np.round(found.distances * _STEPS), "u1"),
    }
