"""Matching embeddings to ROIs by recording and times."""

from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.audio.names import composed
from darksound.errors import InputError
from darksound.rois.roi_set import Problem, RoiSet
from darksound.store.embeddings.layout import Embeddings

__all__ = ["match_embeddings"]

# Starts, ends and row numbers of the embeddings of one recording.
_Windows = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]

# Times that differ by less, in seconds, are equal: tools round them in different ways.
_TIME_TOLERANCE_S = 0.02


def match_embeddings(
    embeddings: Embeddings, rois: RoiSet, source: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[Problem]]:
    """Return the ROIs that have an embedding, in order, and the row of the embedding of each.

    ROIs are matched by recording and times, or by row number if the embeddings have no times.

    Args:
        embeddings: any number of them.
        rois: the ROIs.
        source: names the embeddings in messages.

    Returns:
        Rows of the ROIs `(m,)`, rows of their embeddings `(m,)`, and a problem for each other ROI.

    Raises:
        InputError: no ROI has an embedding, or the numbers of ROIs and of embeddings without times
            differ.
    """
    if not embeddings.has_times:
        return _match_by_row(embeddings, rois, source)
    table = rois.table
    by_recording = _windows_by_recording(embeddings.rows)
    names = _match_recordings(table[["root", "recording"]], list(by_recording))
    roi_rows, embedding_rows, problems = [], [], []
    columns = [table[name].tolist() for name in ("root", "recording", "start_s", "end_s")]
    for row, (root, recording, start_s, end_s) in enumerate(zip(*columns, strict=True)):
        windows = by_recording.get(names.get((root, recording), ""))
        position, missing = _nearest(windows, start_s, end_s)
        if missing is not None:
            problems.append(Problem(recording, f"{source} has no embedding {missing}; skipped."))
        elif not np.isfinite(embeddings.vectors[position]).all():
            span = f"from {start_s:.3f} to {end_s:.3f} s"
            problems.append(
                Problem(recording, f"{source}: the embedding {span} is not finite; skipped.")
            )
        else:
            roi_rows.append(row)
            embedding_rows.append(position)
    if not roi_rows:
        example = embeddings.rows["recording"].iloc[0]
        raise InputError(
            f"None of the {len(table)} ROIs has an embedding. The first: {problems[0].recording}: "
            f"{problems[0].cause} Its recordings have names such as {example!r}."
        )
    return np.array(roi_rows, np.int64), np.array(embedding_rows, np.int64), problems


def _match_by_row(
    embeddings: Embeddings, rois: RoiSet, source: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[Problem]]:
    if len(embeddings.vectors) != len(rois):
        raise InputError(
            f"{source} holds {len(embeddings.vectors)} embeddings without recordings and times, "
            f"and there are {len(rois)} ROIs; write as many in the same order, or a table with "
            "their recordings and times (columns recording, start_s, end_s)."
        )
    finite = np.isfinite(embeddings.vectors).all(axis=1)
    names = rois.table["recording"].tolist()
    cause = f"{source}: an embedding is not finite; skipped."
    problems = [Problem(names[row], cause) for row in np.flatnonzero(~finite)]
    if not finite.any():
        raise InputError(f"{source}: none of its embeddings is finite.")
    rows = np.flatnonzero(finite)
    return rows, rows, problems


def _windows_by_recording(rows: pd.DataFrame) -> dict[str, _Windows]:
    """Return starts, ends and row numbers of each recording, by its name in the file."""
    numbered = rows.assign(row=np.arange(len(rows)))
    return {
        str(name): (
            part["start_s"].to_numpy(np.float64),
            part["end_s"].to_numpy(np.float64),
            part["row"].to_numpy(),
        )
        for name, part in numbered.groupby("recording", sort=False)
    }


def _match_recordings(rois: pd.DataFrame, file_names: list[str]) -> dict[tuple[str, str], str]:
    """Return the name in the file of each recording of the ROIs, by root and recording.

    Two names match if one is the end of the other, file suffixes aside, and no other recording
    matches as well. Names that differ in capitals match where no others do.
    """
    pairs = list(dict.fromkeys(rois.itertuples(index=False, name=None)))
    matches = _match_forms(pairs, file_names, composed)
    others = [pair for pair in pairs if pair not in matches]
    return matches | _match_forms(others, file_names, lambda name: composed(name).casefold())


def _match_forms(
    pairs: list[tuple[str, str]], file_names: list[str], form: Callable[[str], str]
) -> dict[tuple[str, str], str]:
    """Return the name in the file of each pair of root and recording, compared in one form."""
    if not pairs:
        return {}
    named: dict[str, str] = {}
    shared: set[str] = set()
    for name in file_names:
        if named.setdefault(form(name), name) != name:
            shared.add(form(name))
    forms = [name for name in named if name not in shared]
    paths = {pair: form(f"{pair[0]}/{pair[1]}") for pair in pairs}
    ends_of_paths, ends_of_forms = _ends(list(paths.values())), _ends(forms)
    by_path = {ends_of_paths[end]: name for name in forms if (end := _stem(name)) in ends_of_paths}
    matches: dict[tuple[str, str], str] = {}
    for pair in pairs:
        match = ends_of_forms.get(_stem(form(pair[1]))) or ends_of_forms.get(_stem(paths[pair]))
        match = match or by_path.get(paths[pair])
        if match is not None:
            matches[pair] = named[match]
    return matches


def _ends(names: list[str]) -> dict[str, str]:
    """Return names by the ends of their paths, without ends that several names share."""
    by_end: dict[str, str] = {}
    shared: set[str] = set()
    for name in names:
        parts = _stem(name).split("/")
        for depth in range(len(parts)):
            end = "/".join(parts[depth:])
            if by_end.setdefault(end, name) != name:
                shared.add(end)
    by_whole_path = {_stem(name): name for name in names}
    return {end: name for end, name in by_end.items() if end not in shared} | by_whole_path


def _stem(name: str) -> str:
    """Return a path without the suffix of the file, with forward slashes."""
    return str(PurePosixPath(name.replace("\\", "/")).with_suffix(""))


def _nearest(windows: _Windows | None, start_s: float, end_s: float) -> tuple[int, str | None]:
    """Return the row of the window with these times, and None; or why there is none."""
    if windows is None:
        return -1, "of this recording"
    starts, ends, rows = windows
    distance_s = np.maximum(np.abs(starts - start_s), np.abs(ends - end_s))
    best = int(np.argmin(distance_s))
    if distance_s[best] <= _TIME_TOLERANCE_S:
        return int(rows[best]), None
    return -1, (
        f"from {start_s:.3f} to {end_s:.3f} s (the nearest is from {starts[best]:.3f} to "
        f"{ends[best]:.3f} s)"
    )
