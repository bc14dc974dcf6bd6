"""The job of `darksound assign`."""

from pathlib import Path

import numpy as np
import pandas as pd

from darksound.atomic import write_bytes
from darksound.catalogue.assigning import assign
from darksound.catalogue.folder import read_content
from darksound.cluster.embedding_shards import ResumableEmbedding
from darksound.cluster.metrics import NOISE
from darksound.errors import InputError
from darksound.jobs.base import JobResult, seed_everything
from darksound.jobs.estimate import Workload, log_estimate
from darksound.jobs.inputs import load_run_rois, resolve_run_settings, table_lists_rois
from darksound.jobs.mec import REVIEW, write_diagnostics
from darksound.jobs.report import report_page
from darksound.jobs.stages import time_left
from darksound.meta.device import describe_machine
from darksound.progress import Progress
from darksound.report.figures import cluster_map, png
from darksound.report.page.writing import PAGE_FILE
from darksound.report.result import MecResult
from darksound.report.tables import Table
from darksound.rois.review import COLUMNS
from darksound.run.directory import Run
from darksound.run.files import PROBLEMS_FILE, write_csv
from darksound.run.manifest import fingerprint, recorded_seconds
from darksound.run.mec_files import write_mec_files
from darksound.run.type_files import KNOWN, NEW, UNKNOWN
from darksound.text import text_path

__all__ = ["ASSIGNMENTS", "assign_run", "assignment_table"]

#: Table of all ROIs with the status, the type and its probability.
ASSIGNMENTS = "assignments.csv"


def assign_run(run: Run, progress: Progress) -> JobResult:
    """Assign ROIs to the call types of a catalogue, and find new types among the others.

    Write the files of a MEC run (see `darksound.run.mec_files`) with `types.csv`,
    `assignments.csv`, `review.csv` with the names of the known types, `map.png`, the diagnostics of
    `darksound mec`, and `report.html` unless `report.page` is off.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.Catalogue.assign`.
        RunError: the catalogue or the run cannot be read.
    """
    seed_everything(run.settings.seed)
    inputs = run.inputs
    assert inputs.checkpoint is not None
    content = read_content(text_path(inputs.checkpoint))
    run.update_settings(content.settings_with(run.settings))
    settings = resolve_run_settings(run, content.learner, progress)
    if not inputs.data and not table_lists_rois(settings.backbone):
        raise InputError("There are no data to assign; name recordings or ROIs with --data.")
    rois = load_run_rois(run, settings, progress)
    run.record_data(len(rois), fingerprint(rois), recorded_seconds(rois))
    run.record_machine(describe_machine(settings))
    workload = Workload(
        images=len(rois), embedded=len(rois), clusterings=2, held=4, written=3
    ) + Workload.of_windows(rois, settings, 1)
    log_estimate(rois, content.learner, settings, workload, run.path)
    progress = time_left(progress, len(rois), content.learner, settings, workload)
    embeddings = ResumableEmbedding(run.path / "embedding")
    outcome = assign(content, rois, settings, embedding_function=embeddings, progress=progress)
    write_mec_files(run.path, outcome)
    result = MecResult.from_outcome(outcome)
    table = assignment_table(result)
    write_csv(run.path / ASSIGNMENTS, table)
    review = _write_review(run.path, result)
    figure = cluster_map(result.clusters, result.labels, method=result.map_title)
    write_bytes(run.path / "map.png", png(figure))
    write_diagnostics(run, result)
    run.record_problems(result.rois.problems)
    if settings.report.page:
        report_page(run.path, settings, review=review, progress=progress)
    embeddings.remove()
    return JobResult(
        (_types_table(result),),
        _message(run, result, table, len(content)),
        result.rois.problems,
        run.path / PROBLEMS_FILE,
    )


def assignment_table(result: MecResult) -> pd.DataFrame:
    """Return a row a ROI: where it is, its status, its type and the probability of that.

    The type of an unknown ROI is empty. `p_unknown` is the probability that it is of no known type.

    Args:
        result: of `darksound.Catalogue.assign`.
    """
    types = result.call_types
    assert types is not None
    clusters, by_cluster = result.clusters["cluster"], types.set_index("cluster")
    places = result.rois.table[["roi_id", "recording", "start_s", "end_s"]]
    inside = clusters != NOISE
    columns = {
        name: clusters.map(by_cluster[name]).where(inside, other)
        for name, other in (("status", UNKNOWN), ("type_id", ""), ("name", ""))
    }
    probability = result.clusters["probability"].where(inside, np.nan)
    p_unknown = result.clusters["outlier_score"]
    return places.assign(**columns, probability=probability.round(4), p_unknown=p_unknown.round(4))


def _write_review(folder: Path, result: MecResult) -> Path | None:
    """Write a review with the names of known types; return its path, None without any."""
    types, table = result.call_types, result.table
    assert types is not None
    named = types[types["name"] != ""].set_index("cluster")["name"]
    rows = table[table["cluster"].isin(named.index)]
    if rows.empty:
        return None
    names = rows["cluster"].map(named)
    filled = rows.assign(group=rows["cluster"], name=names, rejected="false", verdict="")
    write_csv(folder / REVIEW, filled[list(COLUMNS)])
    return folder / REVIEW


def _types_table(result: MecResult) -> Table:
    assert result.call_types is not None
    rows = [
        (
            str(row["status"]),
            str(row["type_id"]),
            str(row["name"]),
            str(row["rois"]),
            f"{row['probability']:.2f}",
            str(row["nearest"]),
        )
        for _, row in result.call_types.sort_values(["status", "cluster"]).iterrows()
    ]
    columns = ("status", "type", "name", "ROIs", "mean probability", "nearest known type")
    return Table("Call types", columns, tuple(rows))


def _message(run: Run, result: MecResult, table: pd.DataFrame, n_types: int) -> str:
    counts = table["status"].value_counts()
    n_known, n_new = (
        int((result.call_types["status"] == status).sum())  # type: ignore[index]
        for status in (KNOWN, NEW)
    )
    page = f" Open the report: {run.path / PAGE_FILE}." if run.settings.report.page else ""
    return (
        f"Of {len(result)} ROIs, {counts.get(KNOWN, 0)} are of {n_known} of the {n_types} known "
        f"call types, {counts.get(NEW, 0)} of {n_new} new ones, and {counts.get(UNKNOWN, 0)} are "
        f"unknown. The result is in {run.path}.{page}"
    )
