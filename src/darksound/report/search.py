"""Search for the ROIs that sound like a clip."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.atomic import write_text
from darksound.audio.embedding_models import input_kind
from darksound.audio.geometry import with_roi_length
from darksound.audio.names import recording_path, recording_text
from darksound.cluster.embedding import check_finite, embed
from darksound.cluster.neighbours import find_neighbours
from darksound.errors import DarksoundError, InputError, RunError, failure_cause
from darksound.meta.learners.base import Learner
from darksound.progress import Progress, silent
from darksound.report.exports.clips import write_clip
from darksound.report.exports.targets import safe_name
from darksound.report.result import MecResult, as_result
from darksound.rois.review import Review, apply_review, read_review
from darksound.rois.roi_set import Problem, RoiSet, as_roi_table
from darksound.rois.spreadsheets import csv_text
from darksound.settings import Settings, adopt_checkpoint
from darksound.store.building import build_store
from darksound.store.readers import DispatchReader

__all__ = ["HITS", "SearchSet", "find_hits", "load_clip", "search", "write_hits"]

#: Table of the hits in the folder of a search.
HITS = "hits.csv"
_QUERY = "query"
# A clip without times is one call: it may be this long, or as long as the longest ROI.
_LONGEST_CLIP_S = 30.0
_COLUMNS = (
    *("roi_id", "root", "recording", "start_s", "end_s", "low_hz", "high_hz"),
    *("cluster", "type_id", "name", "probability", "label", "site", "recorded_at"),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SearchSet:
    """ROIs that can be searched.

    Attributes:
        table: `n` ROIs with `roi_id`, `root`, `recording`, `start_s`, `end_s`, and what is known of
            them.
        embeddings: `(n, dim)`, also memory-mapped.
        learner: that computed the embeddings.
        settings: of the run.
        sounds: `(n,)` file with the sound of each ROI where its recording is gone; None for none.
    """

    table: pd.DataFrame
    embeddings: npt.NDArray[np.floating[Any]]
    learner: Learner
    settings: Settings
    sounds: Sequence[str | None] | None = None

    @classmethod
    def of_result(cls, result: MecResult, review: Review | None = None) -> "SearchSet":
        """Return the ROIs of a result, those that a review rejects left out.

        Raises:
            InputError: the review is of another run.
            CheckpointError: the learner cannot be loaded.
        """
        table = apply_review(result.table, review)
        rows = table.index.to_numpy()
        embeddings = result.embeddings if len(rows) == len(result) else result.embeddings[rows]
        table = table.drop(columns="cluster").rename(columns={"group": "cluster"})
        settings = with_roi_length(result.settings, result.rois.durations)
        return cls(table.reset_index(drop=True), embeddings, result.learner, settings)


def load_clip(
    path: str | Path,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    longest_s: float = _LONGEST_CLIP_S,
) -> RoiSet:
    """Return the ROI to search for.

    Args:
        path: a sound file.
        start_s: where the call starts; None: at the start of the file.
        end_s: where it ends; None: at the end of the file.
        longest_s: the longest clip without times.

    Raises:
        InputError: the file cannot be read, has no such stretch, or is too long for one call.
    """
    path = Path(path)
    reader = DispatchReader()
    root, name = path.resolve().parent, recording_text(path.name)
    length = reader.info(str(root), name).duration_s
    start, end = start_s or 0.0, length if end_s is None else end_s
    if not 0 <= start < end or start >= length:
        raise InputError(
            f"{path} is {length:.2f} s long, so it has no call from {start:g} to {end:g} s; "
            "correct the start and the end."
        )
    if start_s is None and end_s is None and length > max(longest_s, _LONGEST_CLIP_S):
        raise InputError(
            f"{path} is {length:.0f} s long, too long for one call; name its start and end in "
            "seconds (--start, --end)."
        )
    columns = {"root": [str(root)], "recording": [name], "start_s": [start]}
    return RoiSet(as_roi_table({**columns, "end_s": [min(end, length)]}), reader)


def find_hits(
    searched: SearchSet,
    clip: RoiSet,
    k: int = 10,
    *,
    max_distance: float | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Return the ROIs that are nearest to a clip.

    The clip is embedded with the learner and the front end of the searched ROIs.

    Args:
        searched: the ROIs.
        clip: one ROI, see `load_clip`.
        k: number of ROIs.
        max_distance: largest distance; None: any.
        progress: called with the progress of the embedding.

    Returns:
        Up to k rows, the nearest first: `rank` from 1, `distance` (cosine distance of centred
        embeddings: 0 the same, 1 unrelated, 2 opposite), and columns of the ROIs. The index has
        their rows.

    Raises:
        InputError: the clip cannot be read, or the run has embeddings from a table.
        CheckpointError: the learner's weights are damaged.
    """
    settings = adopt_checkpoint(searched.settings, searched.learner.settings)
    if input_kind(settings.backbone) == "table":
        raise InputError(
            "The embeddings of this run are from a table of another tool, so a clip cannot be "
            "embedded alike; search a run with an embedding model of darksound."
        )
    store = build_store(clip, settings, progress, windows=True)
    query = check_finite(embed(store, searched.learner, store.settings, progress))
    if query.shape[1] != searched.embeddings.shape[1]:
        raise RunError(
            f"The learner gives embeddings of {query.shape[1]} dimensions, and those of the ROIs "
            f"have {searched.embeddings.shape[1]}; files of two runs were mixed."
        )
    found = find_neighbours(searched.embeddings, query, k)
    rows, distances = found.rows[0], found.distances[0].astype(np.float64)
    if max_distance is not None:
        rows, distances = rows[distances <= max_distance], distances[distances <= max_distance]
    columns = [name for name in _COLUMNS if name in searched.table.columns]
    hits: pd.DataFrame = searched.table.iloc[rows][columns]
    hits.insert(0, "rank", np.arange(1, len(rows) + 1))
    hits.insert(1, "distance", distances.round(4))
    return hits


def write_hits(
    searched: SearchSet, clip: RoiSet, hits: pd.DataFrame, folder: Path
) -> tuple[Problem, ...]:
    """Write the clip, the sound of the hits, and their table with the path of each.

    Args:
        searched: the ROIs that were searched.
        clip: the clip, as `query.wav`.
        hits: as `find_hits` returned them.
        folder: an existing folder.

    Returns:
        Hits whose sound cannot be read; they are in the table without a path.
    """
    problems: list[Problem] = []
    _copy(clip.table.iloc[0], clip, folder / f"{_QUERY}.wav")
    paths = []
    reader = RoiSet(searched.table, DispatchReader())
    for row, (_, hit) in zip(hits.index.tolist(), hits.iterrows(), strict=True):
        name = _clip_name(hit)
        try:
            source = None if searched.sounds is None else searched.sounds[row]
            _copy(_from_file(hit, source), reader, folder / name)
        except RunError:
            raise
        except (DarksoundError, OSError, RuntimeError, ValueError) as error:
            recording = recording_path(str(hit["root"]), str(hit["recording"]))
            cause = failure_cause(f"{recording} from {hit['start_s']:.3f} s", error)
            problems.append(Problem(str(hit["recording"]), cause))
            (folder / name).unlink(missing_ok=True)
            name = ""
        paths.append(name)
    write_text(folder / HITS, csv_text(hits.assign(clip=paths)))
    return tuple(problems)


def _copy(roi: "pd.Series[Any]", rois: RoiSet, path: Path) -> None:
    write_clip(rois.reader, roi, path, "wav")


def _from_file(hit: "pd.Series[Any]", source: str | None) -> "pd.Series[Any]":
    """Return the hit, or the whole of the file `source` if there is one."""
    if source is None:
        return hit
    path = Path(source)
    length = DispatchReader().info(str(path.parent), path.name).duration_s
    whole = hit.copy()
    whole[["root", "recording", "start_s", "end_s"]] = [str(path.parent), path.name, 0.0, length]
    return whole


def _clip_name(hit: "pd.Series[Any]") -> str:
    """Return a name that sorts by distance and says of which cluster and recording the hit is."""
    group = hit.get("name") or hit.get("type_id") or ""
    stem = Path(str(hit["recording"])).stem
    parts = (f"{hit['rank']:03d}", f"{hit['distance']:.2f}", str(group).replace(" ", "-"), stem)
    name = "_".join(part for part in parts if part)
    return f"{safe_name(name, 80)}_{round(1000 * hit['start_s']):08d}.wav"


def search(
    run: MecResult | str | Path,
    clip: str | Path,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    k: int = 10,
    max_distance: float | None = None,
    review: Review | str | Path | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Find the ROIs of a run that sound like a clip.

    The clip is embedded with the run's own learner and front end, and compared with every ROI.

    Args:
        run: the result of MEC, or its run directory.
        clip: a sound file.
        start_s: where the call starts in the file, in seconds; None: at its start.
        end_s: where it ends; None: at its end.
        k: number of ROIs.
        max_distance: largest distance; None: any.
        review: a review of the run, or its file: its names are shown, and rejected ROIs are not
            found.
        progress: called with the progress of the embedding.

    Returns:
        Up to k rows, the nearest first: `rank`, `distance` (cosine distance of centred embeddings:
        0 the same, 1 unrelated, 2 opposite), `roi_id`, `recording`, `start_s`, `end_s`, `cluster`,
        `name` and more. `darksound.group_rois` makes a group of them.

    Raises:
        InputError: the clip cannot be read, or is too long for one call, or the review is of
            another run.
        RunError: it is not a MEC run.
        CheckpointError: its learner cannot be loaded.

    Examples:
        >>> import darksound as ds, soundfile
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> roi = result.rois.table.iloc[3]
        >>> wave, rate = result.rois.reader.read(
        ...     roi["root"], roi["recording"], roi["start_s"], roi["end_s"], None
        ... )
        >>> soundfile.write("call.wav", wave, rate)
        >>> hits = ds.search(result, "call.wav", k=5)
        >>> len(hits), bool((hits["cluster"] == result.clusters["cluster"][3]).all())
        (5, True)
    """
    result = as_result(run)
    given = read_review(review) if isinstance(review, str | Path) else review
    searched = SearchSet.of_result(result, given)
    longest = float(result.rois.durations.max(initial=0))
    query = load_clip(clip, start_s, end_s, longest_s=longest)
    hits = find_hits(searched, query, k, max_distance=max_distance, progress=progress)
    return hits.reset_index(drop=True)
