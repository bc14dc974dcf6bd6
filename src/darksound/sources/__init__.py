"""Load ROIs from any source: the demo, published sets, folders, tables and annotations."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.rois.effort import merged_effort
from darksound.rois.roi_set import RoiSet, with_distinct_ids
from darksound.settings import Settings
from darksound.sources.annotations.loading import ANNOTATIONS
from darksound.sources.calls import keep_calls
from darksound.sources.contract import OnChunks, Source, make_options
from darksound.sources.folder import FOLDER, PUBLISHED
from darksound.sources.looked_at import with_effort
from darksound.sources.places import with_places
from darksound.sources.tables import TABLE
from darksound.store.readers import DispatchReader
from darksound.synthesis.demo import demo_rois
from darksound.synthesis.demo_splits import demo_root, is_demo
from darksound.system_errors import reading_error
from darksound.text import text_path

__all__ = ["SOURCES", "RoisLike", "Specs", "as_roi_set", "check_source", "load_rois"]

#: A name or path of data, or several.
Specs: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
#: ROIs, or data to load them from.
RoisLike: TypeAlias = RoiSet | Specs

#: Sources by name. The first that matches a specification loads it; names come before paths, so
#: that a folder called demo is `./demo`.
SOURCES: dict[str, Source] = {
    "demo": Source(
        syntax="demo[:train|val|test]",
        matches=is_demo,
        identity=demo_root,
        load=lambda spec, options: demo_rois(spec),
    ),
    "published": PUBLISHED,
    # CSV files of other programs are annotations; any other is a table.
    "annotations": ANNOTATIONS,
    "table": TABLE,
    "folder": FOLDER,
}

# Types that are iterable, but not lists of names and paths.
_NOT_SPECS = (bytes, bytearray, Mapping, pd.DataFrame)


def load_rois(
    *specs: Specs,
    settings: Settings | None = None,
    rois: str | None = None,
    root: str | Path | None = None,
    progress: Progress = silent,
    on_chunks: OnChunks | None = None,
) -> RoiSet:
    """Load the ROIs of one or several sources as one set.

    Args:
        specs: each `demo[:train|val|test]`, a published set such as `darksound-2023:test`, a
            folder of sound files, a sound file, a .csv or .parquet table, an annotation file; or
            lists of these.
        settings: ROI length, thresholds and folders; None for the defaults.
        rois: how a file without times is divided into ROIs: `auto`, `whole`, `windows`, `segment`
            or `annotations`; None for `settings.rois.mode`.
        root: folder that the recordings of tables are relative to; None for each table's folder.
        progress: called with the seconds of sound that are segmented.
        on_chunks: called with a table of the chunks of segmented recordings, a row a chunk:
            `root`, `recording`, `start_s`, `end_s`, `level_db`, `quality_flags`, `below_share` and
            `above_share` (of its energy, outside the searched band), `hint` (the likely cause where
            the recording gives no ROI).

    Returns:
        Rows in the order of the sources. Rows of one source are sorted by recording and time, or
        have the order of its table. Inputs that could not be used are in `problems`. ROIs of
        choruses, and ROIs whose call score is too low, are left out unless the settings
        `segmentation.keep_chorus` and `segmentation.min_call_score` keep them.

    Raises:
        InputError: a source does not exist, is given twice, or has no usable input; all ROIs are
            left out; the table of sites is wrong; or an argument has a type that is not data.
        SettingsError: `rois` is not a mode.

    Examples:
        >>> import darksound as ds
        >>> rois = ds.load_rois("demo:val", "demo:test")
        >>> len(rois)
        360
        >>> rois.table[["recording", "start_s", "label"]].head(2)
                              recording  start_s        label
        0  species-041/bird-1_rec-1.wav    0.922  species-041
        1  species-041/bird-1_rec-1.wav    4.798  species-041
    """
    options = make_options(settings, rois, root=root, progress=progress, on_chunks=on_chunks)
    names = _flat(specs, "")
    if not names:
        raise InputError(f"No data given. {_accepted_data()}")
    sources = [_source_of(name) for name in names]
    identities = [source.identity(name) for source, name in zip(sources, names, strict=True)]
    for number, (name, identity) in enumerate(zip(names, identities, strict=True)):
        if identity in identities[:number]:
            raise InputError(f"{name} is given twice (as {names[identities.index(identity)]}).")
    sets = [source.load(name, options) for source, name in zip(sources, names, strict=True)]
    combined = sets[0] if len(sets) == 1 else _combined(names, sets)
    placed = with_places(combined, options.settings, options.sites)
    return with_effort(keep_calls(placed, options.settings.segmentation))


def as_roi_set(
    rois: RoisLike,
    settings: Settings | None = None,
    *,
    root: str | Path | None = None,
    progress: Progress = silent,
) -> RoiSet:
    """Return a RoiSet unchanged, and load anything else with `load_rois`.

    Args:
        rois: a RoiSet, a name or path of data, or a list of names and paths.
        settings: see `load_rois`.
        root: see `load_rois`.
        progress: see `load_rois`.

    Raises:
        InputError: `rois` has another type, or the data cannot be loaded.
    """
    if isinstance(rois, RoiSet):
        return rois
    names = _flat((rois,), "a RoiSet, ")
    return load_rois(names, settings=settings, root=root, progress=progress)


def _flat(specs: Iterable[object], also_accepted: str) -> list[str]:
    """Return names and paths, also those of nested lists, in one list.

    Raises:
        InputError: one has another type.
    """
    names: list[str] = []
    for spec in specs:
        if isinstance(spec, str):
            names.append(spec)
        elif isinstance(spec, os.PathLike):
            # A Path is never the name of a set: Path("demo") is the folder ./demo.
            names.append(os.path.join(os.curdir, os.fspath(spec)))
        elif isinstance(spec, Iterable) and not isinstance(spec, _NOT_SPECS):
            names += _flat(spec, also_accepted)
        else:
            given = "None" if spec is None else f"an object of type {type(spec).__name__}"
            raise InputError(
                f"Cannot load ROIs from {given}; pass {also_accepted}a name such as 'demo:test', "
                f"a path, or a list of names and paths."
            )
    return names


def _source_of(spec: str) -> Source:
    try:
        for source in SOURCES.values():
            if source.matches(spec):
                return source
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{spec}: {reading_error(Path(spec), error)}.") from None
    if text_path(spec).exists():
        raise InputError(
            f"{spec} is neither a folder, a sound file nor a table. {_accepted_data()}"
        )
    raise InputError(
        f"There is no data {spec!r}: no file or folder of that name. {_accepted_data()}"
    )


def check_source(spec: str) -> None:
    """Check that data of this name or path exist.

    Raises:
        InputError: there are none; the message lists what data may be.
    """
    _source_of(spec).identity(spec)


def _accepted_data() -> str:
    return "Data may be " + "; ".join(source.syntax for source in SOURCES.values()) + "."


def _combined(specs: Sequence[str], sets: Sequence[RoiSet]) -> RoiSet:
    table = pd.concat([rois.table for rois in sets], ignore_index=True)
    spec_of_row = [spec for spec, rois in zip(specs, sets, strict=True) for _ in range(len(rois))]
    _check_no_overlap(table, spec_of_row)
    problems = tuple(problem for rois in sets for problem in rois.problems)
    table = with_distinct_ids(table, pd.Series(True, table.index))
    effort = merged_effort([with_effort(rois).effort for rois in sets])
    sites = [rois.sites for rois in sets if rois.sites is not None]
    every = pd.concat(sites, ignore_index=True).drop_duplicates("site") if sites else None
    return RoiSet(table, DispatchReader(), problems, effort, every)


def _check_no_overlap(table: pd.DataFrame, spec_of_row: Sequence[str]) -> None:
    """Raise if two sources have the same ROI.

    Raises:
        InputError: they have; the message names both.
    """
    paths = [os.path.join(*pair) for pair in zip(table["root"], table["recording"], strict=True)]
    keys = table[["start_s", "end_s", "low_hz", "high_hz"]].assign(path=paths)
    # Missing bounds must compare as equal, which NaN does not.
    keys = keys.fillna(-1.0)
    repeated = keys.duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        first = int(np.argmax((keys == keys.loc[row]).all(axis=1)))
        raise InputError(
            f"{paths[row]} comes both from {spec_of_row[first]} and from {spec_of_row[row]} "
            f"({int(repeated.sum())} such ROIs); give one of them."
        )
