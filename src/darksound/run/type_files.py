"""The table of call types of a run of `darksound assign`, `types.csv`."""

from pathlib import Path

import pandas as pd

from darksound.rois.spreadsheets import unescape
from darksound.run.files import write_csv
from darksound.run.mec_tables import damage_of

__all__ = ["KNOWN", "NEW", "TYPE_COLUMNS", "UNKNOWN", "read_types", "write_types"]

#: What a ROI is: of a known type, of a type that was found among the unknown, or neither.
KNOWN, NEW, UNKNOWN = "known", "new", "unknown"
#: A row a cluster. `probability` is the mean of its ROIs. `nearest` is the id of the known type
#: that a new one is most like, `margin` the mean of how far its ROIs are above the threshold of
#: their nearest type, negative below.
TYPE_COLUMNS = (
    "cluster",
    "type_id",
    "status",
    "name",
    "rois",
    "probability",
    "nearest",
    "margin",
    "catalogue",
    "catalogue_version",
)
_FILE = "types.csv"
_TEXT = ("type_id", "status", "name", "nearest", "catalogue")


def write_types(folder: Path, types: pd.DataFrame | None) -> None:
    """Write the table into a run directory; remove the file where there is none.

    Raises:
        RunError: the file cannot be written.
    """
    if types is None:
        (folder / _FILE).unlink(missing_ok=True)
    else:
        write_csv(folder / _FILE, types[list(TYPE_COLUMNS)])


def read_types(folder: Path) -> pd.DataFrame | None:
    """Return the table of a run directory; None where there is none.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / _FILE
    if not path.exists():
        return None
    with damage_of(path):
        table = pd.read_csv(path, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False)
        lacking = [name for name in TYPE_COLUMNS if name not in table.columns]
        if lacking:
            raise ValueError(f"it lacks the column(s) {', '.join(lacking)}")
        if not set(table["status"]) <= {KNOWN, NEW} or table["cluster"].duplicated().any():
            raise ValueError("a status is unknown, or a cluster has two rows")
        numbers = {"cluster": "int64", "rois": "int64", "catalogue_version": "int64"}
        table = table.astype({**numbers, "probability": "float64", "margin": "float64"})
        for name in _TEXT:
            table[name] = [unescape(cell) for cell in table[name]]
        return table[list(TYPE_COLUMNS)]
