"""The job of `darksound search`."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from darksound.catalogue.folder import read_content
from darksound.jobs.base import JobResult, seed_everything
from darksound.progress import Progress, silent
from darksound.report.exports.targets import new_folder, safe_name
from darksound.report.result import MecResult, read_run
from darksound.report.reviewing import group_rois, save_review
from darksound.report.search import HITS, SearchSet, find_hits, load_clip, write_hits
from darksound.report.tables import Table
from darksound.rois.review import Review, read_review
from darksound.settings import Settings

__all__ = ["REVIEW", "SEARCHES", "is_catalogue", "search_catalogue", "search_job"]

#: Folder in a run or catalogue with a folder a search.
SEARCHES = "searches"
#: The review with the hits as a group, in the folder of a search.
REVIEW = "review.csv"
_CATALOGUE = "catalogue.json"


def is_catalogue(folder: Path) -> bool:
    """Return whether a folder is a catalogue."""
    return (folder / _CATALOGUE).is_file()


def search_catalogue(folder: Path) -> SearchSet:
    """Return the core ROIs of a catalogue, with the ids and names of their call types.

    Raises:
        RunError, CheckpointError: it cannot be read.
    """
    content = read_content(folder)
    names = content.types.set_index("type_id")["name"]
    table = content.core.assign(name=content.core["type_id"].map(names))
    sounds = [None if pd.isna(name) else str(folder / name) for name in content.core["exemplar"]]
    return SearchSet(table, content.embeddings, content.learner, content.settings, sounds)


def search_job(
    folder: Path,
    clip: Path,
    settings: Settings,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    k: int = 10,
    max_distance: float | None = None,
    name: str | None = None,
    review: Path | None = None,
    out: Path | None = None,
    root: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> JobResult:
    """Search a run or a catalogue for the ROIs that sound like a clip.

    The folder of the search gets `hits.csv`, `query.wav`, a sound file a hit and, with a name,
    `review.csv`, in which the hits are a group of this name.

    Args:
        folder: directory of a run of `darksound mec` or `assign`, or a catalogue.
        clip: a sound file.
        settings: the section `compute` is used; all others are those of the run.
        start_s: where the call starts in the file; None: at its start.
        end_s: where it ends; None: at its end.
        k: number of ROIs.
        max_distance: largest distance; None: any.
        name: name of the group of the hits; None: no review is written. Runs only.
        review: a `review.csv` of the run: its names are shown, rejected ROIs are not found, and
            the group is added to it. It is not changed.
        out: folder of the search; None: in `searches` of the run, where an earlier search for the
            same clip is replaced.
        root: current folder of the run's recordings, if they were moved.
        overwrite: replace an earlier search in `out`.
        progress: called with the progress.

    Raises:
        InputError: the clip cannot be read, or the review is of another run.
        RunError: the folder is no run or catalogue, or `out` exists.
    """
    seed_everything(settings.seed)
    result: MecResult | None = None
    given: Review | None = None
    if is_catalogue(folder):
        searched = search_catalogue(folder)
    else:
        given = None if review is None else read_review(review)
        result = read_run(folder, root)
        searched = SearchSet.of_result(result, given)
    compute = settings.compute.model_dump(exclude_unset=True)
    searched = replace(searched, settings=searched.settings.replace(compute=compute))
    longest = float((searched.table["end_s"] - searched.table["start_s"]).max())
    query = load_clip(clip, start_s, end_s, longest_s=longest)
    hits = find_hits(searched, query, k, max_distance=max_distance, progress=progress)
    if hits.empty:
        n = len(searched.table)
        return JobResult((), f"None of the {n} ROIs is as near as that; raise --max-distance.")
    target = folder / SEARCHES / _folder_name(query.table) if out is None else out
    about = {"search": str(clip), "in": str(folder)}
    with new_folder(target, overwrite or out is None, about) as temporary:
        problems = write_hits(searched, query, hits, temporary)
        if name is not None and result is not None:
            grouped = group_rois(result, hits["roi_id"].tolist(), name, review=given)
            save_review(grouped, result, temporary / REVIEW)
    return JobResult(
        (_table(hits),), _message(hits, searched, target, name), problems, target / HITS
    )


def _folder_name(clip: pd.DataFrame) -> str:
    roi = clip.iloc[0]
    stem = Path(str(roi["recording"])).stem
    return safe_name(f"{stem}_{roi['start_s']:.2f}-{roi['end_s']:.2f}")


def _table(hits: pd.DataFrame) -> Table:
    group = "type_id" if "type_id" in hits.columns else "cluster"
    columns = ("", "distance", "call type", "name", "recording", "start", "s")
    rows = tuple(
        (
            str(hit["rank"]),
            f"{hit['distance']:.3f}",
            "noise" if hit[group] == -1 else str(hit[group]),
            str(hit.get("name") or ""),
            str(hit["recording"]),
            f"{hit['start_s']:.2f}",
            f"{hit['end_s'] - hit['start_s']:.2f}",
        )
        for _, hit in hits.iterrows()
    )
    return Table("Nearest ROIs", columns, rows)


def _message(hits: pd.DataFrame, searched: SearchSet, target: Path, name: str | None) -> str:
    text = (
        f"{len(hits)} of {len(searched.table)} ROIs, at distances of {hits['distance'].min():.3f} "
        f"to {hits['distance'].max():.3f} (0: the same, 1: unrelated). {HITS} and their sound are "
        f"in {target}."
    )
    if name is not None:
        text += f" The group {name!r} is in {target / REVIEW}: use it with --review."
    return text
