"""What a run of MEC says of itself at its end: how clusters accumulate, what may mislead."""

import logging

import pandas as pd

from darksound.report.accumulation import accumulate
from darksound.report.confounders import confounders
from darksound.runs.contents import write_csv
from darksound.runs.directory import Run

__all__ = ["write_hindsight"]

_UNITS = ("recording", "hour")
logger = logging.getLogger(__name__)


def write_hindsight(run: Run, table: pd.DataFrame) -> None:
    """Write `accumulation.csv` and `confounders.csv`, and say what is to be minded.

    Args:
        run: the run.
        table: its ROIs and their clusters.
    """
    curves = [accumulate(table, unit).as_table() for unit in _UNITS]
    write_csv(run.path / "accumulation.csv", pd.concat(curves, ignore_index=True))
    found = confounders(table)
    write_csv(run.path / "confounders.csv", found)
    for sentence in found["warning"][(found["warning"] != "") & found["cluster"].isna()]:
        logger.warning("%s", sentence)
    lone = int(found["cluster"].notna().sum())
    if lone:
        logger.warning(
            "%d of %d clusters live in one recording only; confounders.csv names them.",
            lone,
            table["cluster"][table["cluster"] >= 0].nunique(),
        )
