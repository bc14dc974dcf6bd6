"""Sites and effort of a set of ROIs, whichever source it came from."""

import logging

import pandas as pd

from darksound.rois.roi_set import TEXT_DTYPE, RoiSet, as_text
from darksound.settings import Settings
from darksound.sources.folder_meaning import folder_sites
from darksound.sources.looked_at import with_effort
from darksound.sources.site_list import SiteList
from darksound.sources.site_matching import find_sites
from darksound.text import path_text, text_path

__all__ = ["fill_folder_sites", "sites_of_folders", "with_places"]

logger = logging.getLogger(__name__)

_KEYS = ["root", "recording"]
# Sites are named after recorders, or after the folders that were given, if at least this share of
# the recordings have a time.
_MIN_TIMED = 0.5
_MAX_LISTED = 4


def with_places(rois: RoiSet, settings: Settings, sites: SiteList | None = None) -> RoiSet:
    """Return the set with the effort of its recordings, and with their sites as far as known.

    With a table of sites, recordings that belong to none of its rows have no site. Else a table's
    column counts before folders; if neither names a site, and the meaning of folders is to be
    decided, sites are the folders that were given, or the recorders, where there are several.

    Args:
        rois: of any source.
        settings: `rois.folders` is used.
        sites: the table of sites.

    Raises:
        InputError: a recording belongs to several sites of the table.
    """
    rois = with_effort(rois)
    assert rois.effort is not None
    effort = rois.effort.copy()
    if sites is not None:
        effort["site"] = find_sites(effort, sites)
    elif settings.rois.folders == "auto" and effort["site"].isna().all():
        effort["site"] = _other_sites(effort)
    # The same site for all ROIs of a recording, unless their table has several.
    by_recording = effort.set_index(_KEYS)["site"]
    keys = pd.MultiIndex.from_frame(rois.table[_KEYS])
    of_rois = pd.Series(by_recording.reindex(keys).to_numpy(), rois.table.index, dtype=TEXT_DTYPE)
    if sites is None:
        of_rois = rois.table["site"].where(rois.table["site"].notna(), of_rois).astype(TEXT_DTYPE)
    table = rois.table.assign(site=of_rois)
    known = rois.sites if sites is None else sites.sites
    return rois.replace(table=table, effort=effort, sites=known)


def _other_sites(effort: pd.DataFrame) -> "pd.Series[str]":
    """Return the given folders, or the recorders, as sites if there are several; else nothing."""
    unknown: pd.Series[str] = pd.Series(None, index=effort.index, dtype=TEXT_DTYPE)
    if effort["recorded_at"].notna().mean() < _MIN_TIMED:
        return unknown
    roots = effort["root"].map(lambda root: path_text(text_path(root).name))
    for what, names in (("folders", roots), ("recorders", effort["recorder"])):
        values = sorted(names.dropna().unique().tolist())
        if len(values) > 1 and (what == "recorders" or len(values) == effort["root"].nunique()):
            listed = ", ".join(values[:_MAX_LISTED])
            logger.info(
                "Sites are named after the %s (%d: %s%s), since nothing else names them; --sites "
                "FILE names them, --folders none does not.",
                what,
                len(values),
                listed,
                ", ..." if len(values) > _MAX_LISTED else "",
            )
            return as_text(names)
    return unknown


def fill_folder_sites(
    effort: pd.DataFrame, table: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """Return the effort of a table of ROIs with sites by folders, unless it has sites.

    Folders are no sites if they are labels of the ROIs in them.

    Args:
        effort: of the recordings.
        table: the rows, with `label` and `site` if they have any.
        settings: `rois.folders` is used.
    """
    wanted = settings.rois.folders
    if wanted in ("label", "none") or effort["site"].notna().any() or effort.empty:
        return effort
    sites = pd.Series(folder_sites(effort["recording"].tolist()), effort.index, dtype=TEXT_DTYPE)
    if wanted == "site":
        roots = effort["root"].map(lambda root: path_text(text_path(root).name))
        return effort.assign(site=sites.where(sites.notna(), roots).astype(TEXT_DTYPE))
    return effort if _are_labels(table) else effort.assign(site=sites)


def sites_of_folders(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the sites `(n,)` of ROIs by folders, none if folders are labels of the ROIs in them.

    Args:
        table: the ROI table.
    """
    names = [None] * len(table) if _are_labels(table) else folder_sites(table["recording"].tolist())
    return pd.Series(names, table.index, dtype=TEXT_DTYPE)


def _are_labels(table: pd.DataFrame) -> bool:
    if "label" not in table:
        return False
    labels = table["label"].dropna()
    folders = [name.split("/")[:-1] for name in table["recording"][labels.index]]
    return any(label in parts for label, parts in zip(labels, folders, strict=True))
