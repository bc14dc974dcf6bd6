"""Rows of tables and annotation files: which of them are ROIs, and why the others are not."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from darksound.audio.files import AudioInfo
from darksound.audio.names import composed
from darksound.errors import InputError
from darksound.parallel.workers import probe_recordings
from darksound.rois.effort import merged_effort
from darksound.rois.roi_set import TEXT_DTYPE, Problem, clean_labels
from darksound.sources.contract import LoadOptions
from darksound.sources.finding import RecordingFinder
from darksound.sources.looked_at import LookedAt, ProbedFiles, effort_rows, probe_files
from darksound.sources.places import fill_folder_sites
from darksound.sources.recordings import log_missing_times, with_origins
from darksound.sources.untimed import divide_files
from darksound.synthesis.demo_splits import is_demo
from darksound.text import text_path

__all__ = ["Place", "UsableRows", "row_problems", "usable_rows"]

logger = logging.getLogger(__name__)

#: Returns the file and number of a row, for messages, by its index.
Place = Callable[[int], str]

# A ROI is left out if less than this share of it lies within its file.
_MIN_SHARE_INSIDE = 0.5
_BOUNDS = ["low_hz", "high_hz"]


@dataclass(frozen=True)
class UsableRows:
    """The rows of a table that are ROIs.

    Attributes:
        table: ROIs in the order of the rows.
        problems: rows that were left out, and why.
        usable: whether any row could be used.
        effort: a row a recording, columns of `darksound.rois.effort.EFFORT_SCHEMA`; None for
            synthetic recordings.
    """

    table: pd.DataFrame
    problems: list[Problem]
    usable: bool
    effort: pd.DataFrame | None


def usable_rows(
    rows: pd.DataFrame,
    causes: "pd.Series[str]",
    place: Place,
    options: LoadOptions,
    without: Sequence[tuple[str, str]] = (),
) -> UsableRows:
    """Return the usable rows of a table, with the columns of their recordings' origins.

    Recordings are found by similar names, see `RecordingFinder`. Rows with the same recording,
    times and bounds are one ROI, with the first label that one of them has.

    Args:
        rows: `root`, `recording` and any further columns of the ROI table; the index is unique.
        causes: why each row is known to be unusable; missing where nothing is known.
        place: names the file and the row of an index.
        options: how rows without times are divided into ROIs.
        without: root and name of recordings that were looked at and have no rows.
    """
    causes = _row_causes(rows, causes)
    if "label" in rows.columns:
        rows = rows.assign(label=clean_labels(rows["label"]))
    problems = row_problems(rows, causes, place)
    valid = rows.loc[causes.isna()]
    found: list[pd.DataFrame] = []
    for root, rows_of_root in valid.groupby("root", sort=False):
        named, more_problems = _with_found_recordings(str(root), rows_of_root, place)
        found.append(named)
        problems += more_problems
    # Concatenated parts are sorted, so that the table keeps its order.
    valid = pd.concat(found).sort_index() if found else valid
    valid, more_problems = _without_repeats(valid, place)
    problems += more_problems
    parts = [
        _usable_rows_of_root(str(root), rows_of_root, options, place)
        for root, rows_of_root in valid.groupby("root", sort=False)
    ]
    if not parts:
        return UsableRows(valid.reset_index(drop=True), problems, False, None)
    problems += [problem for part in parts for problem in part.problems]
    # Windows of one row have the row's index. One may be a ROI that another row names.
    table = pd.concat([part.table for part in parts]).sort_index(kind="stable")
    if len(table) > len(valid):
        table, more_problems = _without_repeats(table, place)
        problems += more_problems
    table = table.reset_index(drop=True)
    effort = merged_effort([*_effort_without(without, options), *(part.effort for part in parts)])
    if effort is not None:
        effort = fill_folder_sites(effort, table, options.settings)
    return UsableRows(table, problems, any(part.usable for part in parts), effort)


def _effort_without(
    recordings: Sequence[tuple[str, str]], options: LoadOptions
) -> Iterator[pd.DataFrame]:
    """Yield the effort of recordings without ROIs, which were searched whole."""
    for root in dict.fromkeys(root for root, _ in recordings):
        names = [name for folder, name in recordings if folder == root]
        probed = probe_files(text_path(root), names, options.settings.compute)
        searched = {name: LookedAt(info.duration_s) for name, info in probed.infos.items()}
        yield effort_rows(text_path(root), pd.DataFrame({"recording": names}), probed, searched)


def row_problems(rows: pd.DataFrame, causes: "pd.Series[str]", place: Place) -> list[Problem]:
    """Return a problem for each row that has a cause."""
    problems = []
    for index, cause in causes.dropna().items():
        if isinstance(index, int):
            where, name = place(index), rows["recording"][index]
            problems.append(
                Problem(
                    where.rpartition(", row ")[0] if pd.isna(name) else str(name),
                    f"{where}: {cause.rstrip('.')}; left out.",
                )
            )
    return problems


def _row_causes(rows: pd.DataFrame, known: "pd.Series[str]") -> "pd.Series[str]":
    """Return why each row cannot be used, by the table alone; missing for rows that can."""
    causes = known.copy()

    def note(bad: "pd.Series[bool]", cause: str) -> None:
        causes[bad & causes.isna()] = cause

    note(rows["recording"].isna(), "names no recording")
    if "start_s" in rows.columns:
        start, end = rows["start_s"], rows["end_s"]
        timed = start.notna() | end.notna()
        note(timed & (start.isna() | end.isna()), "has only one of start_s and end_s")
        note(timed & ~np.isfinite(start + end), "has a time that is not finite")
        note(timed & (start < 0), "starts before the recording does")
        note(timed & (end <= start), "does not end after it starts")
    for name in rows.columns.intersection(_BOUNDS):
        bound = rows[name]
        largest = float(np.finfo(np.float32).max)
        note(bound.notna() & ~bound.between(0, largest), f"has a {name} that is not a frequency")
    if rows.columns.intersection(_BOUNDS).size == len(_BOUNDS):
        note(rows["low_hz"] > rows["high_hz"], "has a low_hz above its high_hz")
    return causes


def _with_found_recordings(
    root: str, rows: pd.DataFrame, place: Place
) -> tuple[pd.DataFrame, list[Problem]]:
    """Return the rows with their recordings as they are named on the disk."""
    if is_demo(root):
        return rows, []
    finder = RecordingFinder(text_path(root))
    found: dict[str, str] = {}
    failed: dict[str, str] = {}
    for name in rows["recording"].unique().tolist():
        try:
            found[name] = finder.find(name)
        except InputError as error:
            failed[name] = str(error)
    renamed = sum(name != other for name, other in found.items())
    if renamed:
        logger.info(
            "%d recordings have slightly other names in %s than in the table.", renamed, root
        )
    problems = row_problems(rows, rows["recording"].map(failed), place) if failed else []
    named = rows[~rows["recording"].isin(failed)] if failed else rows
    return named.assign(recording=named["recording"].map(found)), problems


def _without_repeats(rows: pd.DataFrame, place: Place) -> tuple[pd.DataFrame, list[Problem]]:
    """Return each ROI once, with the first label of it, and problems for rows of another label.

    Times are compared as in the ids of ROIs, in microseconds.
    """
    if "start_s" in rows.columns:
        times = {name: (rows[name] * 1e6).round().fillna(-1) for name in ("start_s", "end_s")}
    else:
        times = {}
    bounds = {
        name: rows[name].astype("float32").fillna(-1).round(3)
        for name in rows.columns.intersection(_BOUNDS)
    }
    names = {name: composed(name) for name in rows["recording"].unique().tolist()}
    keys = pd.DataFrame(
        {"root": rows["root"], "recording": rows["recording"].map(names), **times, **bounds}
    ).reset_index(drop=True)
    repeated = keys.duplicated().to_numpy()
    problems: list[Problem] = []
    if repeated.any():
        groups = keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()
        conflicting = np.zeros(len(rows), dtype=bool)
        if "label" in rows.columns:
            labels = rows["label"].reset_index(drop=True)
            first_labels = labels.groupby(groups).transform("first")
            conflicting = repeated & (labels.notna() & (labels != first_labels)).to_numpy(bool)
            rows = rows.assign(label=first_labels.to_numpy())
            first_rows = rows.index.to_numpy()[np.unique(groups, return_index=True)[1]]
            causes = pd.Series(
                [
                    f"repeats the recording and times of {place(first_rows[group])} with another "
                    f"label, {label!r}"
                    for group, label in zip(
                        groups[conflicting], labels[conflicting].tolist(), strict=True
                    )
                ],
                index=rows.index[conflicting],
                dtype=TEXT_DTYPE,
            )
            problems = row_problems(rows, causes, place)
        if n_equal := int((repeated & ~conflicting).sum()):
            logger.warning(
                "%d of %d rows repeat the recording, times and bounds of another one; each is "
                "used once.",
                n_equal,
                len(rows),
            )
        rows = rows.loc[~repeated]
    if "roi_id" in rows.columns:
        repeats_id = rows["roi_id"].notna() & rows["roi_id"].duplicated()
        if repeats_id.any():
            causes = pd.Series(None, index=rows.index, dtype=TEXT_DTYPE)
            causes[repeats_id] = "repeats an earlier roi_id"
            problems += row_problems(rows, causes, place)
            rows = rows[~repeats_id]
    return rows, problems


def _usable_rows_of_root(
    root: str, rows: pd.DataFrame, options: LoadOptions, place: Place
) -> UsableRows:
    """Return the usable rows of one root as `usable_rows` does, with the index of the table."""
    if is_demo(root):
        return UsableRows(rows, [], True, None)
    folder = text_path(root)
    compute = options.settings.compute
    timed = rows["start_s"].notna() if "start_s" in rows else pd.Series(False, rows.index)
    infos = probe_recordings(folder, rows["recording"][timed].unique().tolist(), compute)
    # Without any times, the columns may be missing.
    times = rows.loc[timed, ["recording", "start_s", "end_s"]] if timed.any() else pd.DataFrame()
    causes = pd.Series(
        [
            _time_cause(infos[name], start, end)
            for name, start, end in times.itertuples(index=False)
        ],
        index=rows.index[timed],
        dtype=TEXT_DTYPE,
    )
    problems = row_problems(rows, causes, place)
    usable = rows.loc[timed].loc[causes.isna()]
    if len(usable):
        usable = with_origins(usable, compute)
    if "recorded_at" in usable:
        times_of_recordings = usable.groupby("recording")["recorded_at"].first()
        log_missing_times({str(name): time for name, time in times_of_recordings.items()})
    searched = {
        name: LookedAt(info.duration_s)
        for name, info in infos.items()
        if isinstance(info, AudioInfo)
    }
    named = rows.loc[timed, ["recording"]].drop_duplicates()
    columns = usable.columns.intersection(["recording", "site", "recorder", "recorded_at"])
    first = usable[columns].drop_duplicates("recording")
    effort = effort_rows(
        folder, named.merge(first, on="recording", how="left"), ProbedFiles(infos, {}), searched
    )
    if timed.all():
        return UsableRows(usable, problems, len(usable) > 0, effort)
    files = rows.loc[~timed].assign(row=rows.index[~timed])
    untimed = divide_files(folder, files, options)
    both = pd.concat([usable, untimed.rows.set_index("row")])
    return UsableRows(
        both,
        problems + untimed.problems,
        untimed.usable or len(usable) > 0,
        merged_effort([effort, untimed.effort]),
    )


def _time_cause(info: AudioInfo | InputError, start_s: float, end_s: float) -> str | None:
    """Return why a ROI of these times cannot be used, else None."""
    if isinstance(info, InputError):
        return str(info)
    if info.duration_s - start_s < _MIN_SHARE_INSIDE * (end_s - start_s):
        return (
            f"the time from {start_s:g} to {end_s:g} s lies beyond the recording's end "
            f"at {info.duration_s:.3f} s"
        )
    return None
