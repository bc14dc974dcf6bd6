"""The ROIs to check that the page asks about one after the other."""

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.report.result import MecResult
from darksound.report.review_plan import plan_of_run, probability_bands

__all__ = ["planned_rows", "stratum_codes"]

Ints = npt.NDArray[np.int64]


def planned_rows(result: MecResult) -> Ints:
    """Return the rows of the ROIs of the plan: that of the run, else one of 20 ROIs a cluster.

    Without a plan it is the one that `darksound review-plan` draws by default.
    """
    try:
        plan = plan_of_run(result)
    except InputError:  # there are no clusters
        return np.zeros(0, dtype=np.int64)
    row_of = {roi_id: row for row, roi_id in enumerate(result.rois.table["roi_id"])}
    rows = [row_of[roi_id] for roi_id in plan["roi_id"] if roi_id in row_of]
    return np.array(rows, dtype=np.int64)


def stratum_codes(result: MecResult) -> Ints:
    """Return the stratum of each ROI `(n,)` as a number, see `probability_bands`."""
    table = result.table
    bands = probability_bands(table)
    names = sorted(set(bands))
    codes = bands.map({name: code for code, name in enumerate(names)})
    return np.asarray(codes, dtype=np.int64)
