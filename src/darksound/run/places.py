"""The tables of effort and of sites of a run, `effort.parquet` and `sites.parquet`."""

from pathlib import Path

import pandas as pd

from darksound.rois.effort import EFFORT_SCHEMA, SITE_SCHEMA, current_effort, read_columns
from darksound.rois.roi_set import RoiSet
from darksound.run.files import write_parquet
from darksound.run.mec_tables import damage_of

__all__ = ["EFFORT_FILE", "SITES_FILE", "read_places", "write_places"]

#: One row a recording that was looked at, also those without a ROI.
EFFORT_FILE = "effort.parquet"
#: One row a site, where a table of sites was given.
SITES_FILE = "sites.parquet"


def write_places(folder: Path, rois: RoiSet, stem: str = "") -> None:
    """Write effort, with the number of ROIs, and sites; remove the files where they are not known.

    Args:
        folder: the run directory, or the folder of a ROI table.
        rois: the ROIs.
        stem: name of a ROI table without its suffix, which the names of the files begin with.

    Raises:
        RunError: a file cannot be written.
    """
    prefix = f"{stem}." if stem else ""
    effort, sites = (folder / f"{prefix}{name}" for name in (EFFORT_FILE, SITES_FILE))
    current = current_effort(rois)
    if current is None:
        effort.unlink(missing_ok=True)
    else:
        write_parquet(effort, current, EFFORT_SCHEMA)
    if rois.sites is None:
        sites.unlink(missing_ok=True)
    else:
        write_parquet(sites, rois.sites)


def read_places(folder: Path) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Return the tables of effort and of sites in a run directory, None where there is no file.

    Raises:
        RunError: a file is damaged.
    """
    with damage_of(folder / EFFORT_FILE):
        effort = read_columns(folder / EFFORT_FILE, EFFORT_SCHEMA)
    with damage_of(folder / SITES_FILE):
        return effort, read_columns(folder / SITES_FILE, SITE_SCHEMA)
