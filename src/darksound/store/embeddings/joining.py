"""Which vector is of which ROI."""

from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.rois.roi_set import Problem, RoiSet
from darksound.store.embeddings.content import Embeddings

__all__ = ["join"]

_Rows = npt.NDArray[np.int64]
# Times that differ by less, in seconds, are the same: tools round them in their own ways.
_SAME_S = 0.02


def join(found: Embeddings, rois: RoiSet, what: str) -> tuple[_Rows, _Rows, list[Problem]]:
    """The ROIs that have a vector, in order, and the vector of each.

    By recording and times where the embeddings name them, else by row.

    Args:
        found: the embeddings.
        rois: the ROIs.
        what: how messages name the embeddings.

    Returns:
        Rows of the ROIs `(m,)`, rows of the vectors `(m,)`, and why other ROIs have none.

    Raises:
        InputError: no ROI has a vector, or by row there are not as many of one as of the other.
    """
    if not found.placed:
        return _by_row(found, rois, what)
    table = rois.table
    places = _places(found.rows)
    known = _same_recordings(table[["root", "recording"]], list(places))
    given, taken, problems = [], [], []
    columns = [table[name].tolist() for name in ("root", "recording", "start_s", "end_s")]
    for row, (root, recording, start_s, end_s) in enumerate(zip(*columns, strict=True)):
        here = places.get(known.get((root, recording), ""))
        position, cause = _nearest(here, start_s, end_s)
        if cause is not None:
            problems.append(Problem(recording, f"{what} has no embedding {cause}; left out."))
        elif not np.isfinite(found.vectors[position]).all():
            place = f"from {start_s:.3f} to {end_s:.3f} s"
            problems.append(Problem(recording, f"{what}: not finite {place}; left out."))
        else:
            given.append(row)
            taken.append(position)
    if not given:
        raise InputError(
            f"None of the {len(table)} ROIs has an embedding. The first: {problems[0].recording}: "
            f"{problems[0].cause} Its recordings are such as {found.rows['recording'].iloc[0]!r}."
        )
    return np.array(given, dtype=np.int64), np.array(taken, dtype=np.int64), problems


def _by_row(found: Embeddings, rois: RoiSet, what: str) -> tuple[_Rows, _Rows, list[Problem]]:
    if len(found.vectors) != len(rois):
        raise InputError(
            f"{what} holds {len(found.vectors)} embeddings without recordings and times, and "
            f"there are {len(rois)} ROIs; give as many in the same order, or a table that says "
            "what they are of (columns recording, start_s, end_s)."
        )
    rows = np.arange(len(rois))
    usable = np.isfinite(found.vectors).all(axis=1)
    names = rois.table["recording"].tolist()
    cause = f"{what}: an embedding that is not finite; left out."
    problems = [Problem(names[row], cause) for row in np.flatnonzero(~usable)]
    if not usable.any():
        raise InputError(f"{what}: none of its embeddings is finite.")
    return rows[usable], rows[usable], problems


_Here = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], _Rows]


def _places(rows: pd.DataFrame) -> dict[str, _Here]:
    """Starts, ends and row numbers of each recording, by its name in the file."""
    numbered = rows.assign(at=np.arange(len(rows)))
    return {
        str(name): (
            part["start_s"].to_numpy(np.float64),
            part["end_s"].to_numpy(np.float64),
            part["at"].to_numpy(),
        )
        for name, part in numbered.groupby("recording", sort=False)
    }


def _same_recordings(ours: pd.DataFrame, theirs: list[str]) -> dict[tuple[str, str], str]:
    """Name in the file of each recording of the ROIs, by root and recording.

    Two names are of one recording if one of them is the end of the other, suffixes of files
    aside, and no other recording has it.
    """
    pairs = list(dict.fromkeys(ours.itertuples(index=False, name=None)))
    whole = {pair: f"{pair[0]}/{pair[1]}" for pair in pairs}
    ends_of_ours, ends_of_theirs = _ends(list(whole.values())), _ends(theirs)
    named = {ends_of_ours[end]: name for name in theirs if (end := _bare(name)) in ends_of_ours}
    out: dict[tuple[str, str], str] = {}
    for pair in pairs:
        name = ends_of_theirs.get(_bare(pair[1])) or ends_of_theirs.get(_bare(whole[pair]))
        name = name or named.get(whole[pair])
        if name is not None:
            out[pair] = name
    return out


def _ends(names: list[str]) -> dict[str, str]:
    """Names by the ends of their paths; an end that two of them share stands for neither."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    for name in names:
        parts = _bare(name).split("/")
        for depth in range(len(parts)):
            end = "/".join(parts[depth:])
            if found.setdefault(end, name) != name:
                shared.add(end)
    whole = {_bare(name): name for name in names}
    return {end: name for end, name in found.items() if end not in shared} | whole


def _bare(name: str) -> str:
    """A path without the file's suffix, its separators those that are read everywhere."""
    return str(PurePosixPath(name.replace("\\", "/")).with_suffix(""))


def _nearest(here: _Here | None, start_s: float, end_s: float) -> tuple[int, str | None]:
    """The row of these times, or why there is none."""
    if here is None:
        return -1, "of this recording"
    starts, ends, rows = here
    off = np.maximum(np.abs(starts - start_s), np.abs(ends - end_s))
    best = int(np.argmin(off))
    if off[best] <= _SAME_S:
        return int(rows[best]), None
    return -1, (
        f"from {start_s:.3f} to {end_s:.3f} s (the nearest is from {starts[best]:.3f} to "
        f"{ends[best]:.3f} s)"
    )
