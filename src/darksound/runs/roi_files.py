"""The ROI table on disk, in the format that the suffix names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from darksound.atomic import replacing
from darksound.data.table import write_roi_table
from darksound.runs.contents import write_csv

__all__ = ["FORMATS"]


def _parquet(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as beside:
        write_roi_table(table, beside)


#: Writers by suffix; a file is whole or not there.
FORMATS: Mapping[str, Callable[[Path, pd.DataFrame], None]] = MappingProxyType(
    {".parquet": _parquet, ".csv": write_csv}
)
