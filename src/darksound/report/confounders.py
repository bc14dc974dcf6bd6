"""How far clusters are explained by where and when sound was recorded, and not by what sings."""

import numpy as np
import pandas as pd

from darksound.cluster.metrics import adjusted_mutual_information
from darksound.report.circumstances import KINDS, circumstances

__all__ = ["COLUMNS", "confounders"]

#: What `confounders` says; see there.
COLUMNS = ("what", "cluster", "groups", "rois", "ami", "warning")
# From here on a circumstance shares more with the clusters than it leaves.
_STRONG = 0.5


def confounders(table: pd.DataFrame) -> pd.DataFrame:
    """Agreement of the clusters with recording, recorder, site, date and hour, and warnings.

    AMI is over the clustered ROIs of which the circumstance is known, 0 where clusters have
    nothing to do with it and 1 where they are the same; missing where there is but one group.

    Args:
        table: ROIs with their `cluster`, as `RunResult.table`.

    Returns:
        First a row for each circumstance: `what`, how many `groups` (recordings, recorders, ...)
        and `rois`, `ami`, and a `warning` where it is 0.5 or more. Then a row for each `cluster`
        of two ROIs or more that lives in one recording only, with its warning; none where there
        is but one recording. What does not apply is missing, `warning` empty.
    """
    clustered = table[table["cluster"] >= 0]
    about = circumstances(clustered)
    rows = [_agreement(what, about[what], clustered["cluster"]) for what in KINDS]
    if about["recording"].nunique() > 1:
        rows += _lone(clustered["cluster"], about["recording"])
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    types = {"what": "str", "cluster": "Int64", "ami": "float64", "warning": "str"}
    return found.astype(types)


def _agreement(
    what: str, groups: "pd.Series[str]", clusters: "pd.Series[int]"
) -> dict[str, object]:
    known = groups.notna()
    codes, names = pd.factorize(groups[known])
    ami, warning = float("nan"), ""
    if len(names) > 1:
        found = np.asarray(clusters[known], dtype=np.int64)
        ami = adjusted_mutual_information(found, codes.astype(np.int64))
    if ami >= _STRONG:
        warning = (
            f"Clusters go with the {what} (AMI {ami:.2f}): they may tell apart {what}s rather "
            "than call types. Listen across."
        )
    return {
        "what": what,
        "cluster": pd.NA,
        "groups": len(names),
        "rois": int(known.sum()),
        "ami": ami,
        "warning": warning,
    }


def _lone(clusters: "pd.Series[int]", recordings: "pd.Series[str]") -> list[dict[str, object]]:
    """A row for each cluster of one recording."""
    by_cluster = recordings.groupby(clusters)
    sizes, counts, first = by_cluster.size(), by_cluster.nunique(), by_cluster.first()
    lone = sizes.index[(counts == 1) & (sizes > 1)]
    return [
        {
            "what": "recording",
            "cluster": int(number),
            "groups": 1,
            "rois": int(sizes[number]),
            "ami": float("nan"),
            "warning": f"Cluster {number} ({sizes[number]} ROIs) lives in one recording only: "
            f"{first[number]}.",
        }
        for number in lone
    ]
