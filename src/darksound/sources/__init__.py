"""All sources of ROIs, and one function that reads any of them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet, roi_ids
from darksound.settings import Settings
from darksound.sources.annotations.loading import ANNOTATIONS
from darksound.sources.contract import OnChunks, Source, make_request
from darksound.sources.folder import FOLDER, PUBLISHED
from darksound.sources.tables import TABLE
from darksound.store.readers import DispatchReader
from darksound.synthesis.demo import demo_rois, demo_root, is_demo

__all__ = ["SOURCES", "load_rois"]

DEMO = Source(
    written="demo[:train|val|test]",
    matches=is_demo,
    identity=demo_root,
    load=lambda spec, request: demo_rois(spec),
)

#: Asked in this order; names come before paths, so that a folder called demo is `./demo`.
SOURCES: tuple[Source, ...] = (DEMO, PUBLISHED, TABLE, ANNOTATIONS, FOLDER)


def load_rois(
    *specs: str | Path | Iterable[str | Path],
    settings: Settings | None = None,
    rois: str | None = None,
    root: str | Path | None = None,
    progress: Progress = silent,
    on_chunks: OnChunks | None = None,
) -> RoiSet:
    """The ROIs of one or several sources as one set.

    Args:
        specs: each `demo[:train|val|test]`, a published set such as `darksound-2023:test`, a
            folder of sound files, a .csv or .parquet table; or lists of these.
        settings: lengths, floors and folders; None for the defaults.
        rois: what becomes of a file without times, `auto`, `whole`, `windows`, `segment` or
            `annotations`; None for `settings.rois.mode`.
        root: what the recordings of tables are relative to; None for each table's folder.
        progress: told of sound that is segmented.
        on_chunks: given what the chunks of segmented recordings are like, a row a chunk: `root`,
            `recording`, `start_s`, `end_s`, `level_db`, `quality_flags`.

    Returns:
        Rows in the order of the sources, each source sorted by recording and time or as its
        table has them; inputs that could not be used are in `problems`.

    Raises:
        InputError: a source does not exist, is given twice, or has nothing that can be used.
        SettingsError: `rois` is no mode.
    """
    told = {} if on_chunks is None else {"on_chunks": on_chunks}
    request = make_request(settings, rois, root, progress, **told)
    wanted = _flat(specs)
    if not wanted:
        raise InputError(f"No data given. {_known()}")
    sources = [_source(spec) for spec in wanted]
    identities = [source.identity(spec) for source, spec in zip(sources, wanted, strict=True)]
    for number, (spec, identity) in enumerate(zip(wanted, identities, strict=True)):
        if identity in identities[:number]:
            raise InputError(f"{spec} is given twice (as {wanted[identities.index(identity)]}).")
    sets = [source.load(spec, request) for source, spec in zip(sources, wanted, strict=True)]
    return sets[0] if len(sets) == 1 else _combine(wanted, sets)


def _flat(specs: Sequence[str | Path | Iterable[str | Path]]) -> list[str]:
    out: list[str] = []
    for spec in specs:
        # A Path is never a name: Path("demo") is the folder ./demo.
        if isinstance(spec, Path):
            out.append(os.path.join(os.curdir, spec))
        elif isinstance(spec, str):
            out.append(spec)
        else:
            out += _flat(tuple(spec))
    return out


def _source(spec: str) -> Source:
    for source in SOURCES:
        if source.matches(spec):
            return source
    path = Path(spec)
    if path.exists():
        raise InputError(f"{spec} is neither a folder, a sound file nor a table. {_known()}")
    raise InputError(f"There is no data {spec!r}: no file or folder of that name. {_known()}")


def _known() -> str:
    return "Data may be " + "; ".join(source.written for source in SOURCES) + "."


def _combine(specs: Sequence[str], sets: Sequence[RoiSet]) -> RoiSet:
    table = pd.concat([part.table for part in sets], ignore_index=True)
    source = [spec for spec, part in zip(specs, sets, strict=True) for _ in range(len(part))]
    _refuse_overlap(table, source)
    problems = tuple(problem for part in sets for problem in part.problems)
    return RoiSet(_unique_ids(table), DispatchReader(), problems)


def _refuse_overlap(table: pd.DataFrame, source: Sequence[str]) -> None:
    paths = [os.path.join(*pair) for pair in zip(table["root"], table["recording"], strict=True)]
    places = table[["start_s", "end_s", "low_hz", "high_hz"]].assign(path=paths)
    # Bounds that are not known are the same, which NaN is not.
    places = places.fillna(-1.0)
    again = places.duplicated()
    if again.any():
        row = int(np.argmax(again))
        first = int(np.argmax((places == places.loc[row]).all(axis=1)))
        raise InputError(
            f"{paths[row]} comes both from {source[first]} and from {source[row]} "
            f"({int(again.sum())} such ROIs); give one of them."
        )


def _unique_ids(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ids that two roots share made anew, from the root's name or all of it."""
    for prefix in (table["root"].map(lambda root: Path(root).name), table["root"]):
        shared = table["roi_id"].duplicated(keep=False)
        if not shared.any():
            break
        rows = table[shared]
        names = (prefix[shared] + "/" + rows["recording"]).tolist()
        table = table.copy()
        table.loc[shared, "roi_id"] = roi_ids(
            names, rows["start_s"], rows["end_s"], rows["low_hz"], rows["high_hz"]
        )
    return table
