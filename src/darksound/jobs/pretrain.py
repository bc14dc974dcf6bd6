"""The job of `darksound pretrain`."""

import io
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from darksound.atomic import write_bytes
from darksound.errors import CheckpointError, SettingsError
from darksound.jobs.base import JobResult, seed_everything
from darksound.meta.device import describe_machine
from darksound.meta.pretraining.pretrainer import Pretrainer, PretrainReport
from darksound.meta.weights import NO_WEIGHTS, read_pickle, write_pretrained
from darksound.progress import Progress, duration
from darksound.report.tables import metrics_table
from darksound.run.directory import Run
from darksound.run.files import write_csv
from darksound.run.manifest import versions
from darksound.settings import Settings
from darksound.store.shard_file import cache_folder
from darksound.synthesis.song_library import SongLibrary, SongPlan, build_library

__all__ = ["pretrain_run"]

logger = logging.getLogger(__name__)
# Steps between rows of the table, and between saved states.
_INTERVAL = 200
_STATE = "last.state.pt"


def pretrain_run(run: Run, progress: Progress) -> JobResult:
    """Pretrain a backbone on synthetic birds, from random weights or those of a file.

    Write `weights.safetensors` with its card, and `pretraining.csv` with one row per interval.

    Raises:
        SettingsError: the backbone or the device does not exist, or there are neither steps nor
            weights.
        CheckpointError: the state of a resumed run is damaged.
        RunError: the run cannot be resumed, or its folder is not writable.
    """
    seed_everything(run.settings.seed)
    settings = run.settings
    plan = settings.pretraining
    if not plan.steps and settings.backbone.weights == NO_WEIGHTS:
        raise SettingsError(
            "pretraining.steps is 0, which only fits the final linear map of a trained network; "
            "name its file with --weights, or raise pretraining.steps."
        )
    libraries = song_libraries(settings, progress)
    run.record_data(sum(map(len, libraries)), "-".join(f"{w:g}" for w in plan.windows_s))
    run.record_machine(describe_machine(settings))
    pretrainer = Pretrainer(libraries, settings)
    state_file = run.path / "checkpoints" / _STATE
    rows = _restore(pretrainer, state_file)

    def save(report: PretrainReport) -> None:
        rows.append(asdict(report))
        _save(pretrainer, rows, state_file)
        write_csv(run.path / "pretraining.csv", pd.DataFrame(rows))
        run.journal.append("steps", **rows[-1])
        if report.step == _INTERVAL:
            n_images = (plan.steps - report.step) * 2 * plan.batch_species
            remaining = duration(n_images / report.images_per_s)
            logger.info("%.0f images/s; about %s left.", report.images_per_s, remaining)

    pretrainer.run(progress=progress, report_every=_INTERVAL, on_report=save)
    pretrainer.fit_embedding(progress)
    weights = run.path / "weights.safetensors"
    last_row = rows[-1] if rows else {}
    write_pretrained(weights, pretrainer.backbone.state_dict(), _card(settings, last_row))
    figures = {name: last_row[name] for name in ("loss", "accuracy") if rows}
    return JobResult(
        (metrics_table(f"Last of {plan.steps} steps", figures),) if rows else (),
        f"The weights are in {weights}. Use them with: --weights {weights}",
    )


def song_libraries(settings: Settings, progress: Progress) -> list[SongLibrary]:
    """Return the libraries of synthetic songs, one per window length; they are cached."""
    plan = settings.pretraining
    folder = cache_folder(settings.compute) / "songs"
    song_plans = [
        SongPlan(
            settings.seed, plan.species, plan.individuals, plan.songs, window_s, plan.low_share
        )
        for window_s in plan.windows_s
    ]
    return [build_library(song_plan, settings, folder, progress) for song_plan in song_plans]


def _save(pretrainer: Pretrainer, rows: list[dict[str, Any]], path: Path) -> None:
    content = io.BytesIO()
    torch.save({**pretrainer.state_dict(), "rows": rows}, content)
    write_bytes(path, content.getvalue())


def _restore(pretrainer: Pretrainer, path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    state = read_pickle(path)
    try:
        rows: list[dict[str, Any]] = state.pop("rows")
        pretrainer.load_state_dict(state)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit the run's settings ({error}); start a new run."
        ) from error
    return rows


def _card(settings: Settings, last_row: dict[str, Any]) -> dict[str, Any]:
    windows = ", ".join(f"{window_s:g}" for window_s in settings.pretraining.windows_s)
    sections = {"seed", "audio", "front_end", "backbone", "pretraining"}
    return {
        "what": "A backbone of darksound. It computes embeddings from images of ROIs; those of one "
        "species are similar.",
        "made_by": "darksound pretrain, on synthetic birds alone",
        "licence": "Apache-2.0",
        "limits": [
            "It was trained without real birds.",
            f"Its images show {settings.front_end.low_hz:g} to {settings.front_end.high_hz} Hz.",
            f"ROIs much shorter than the shortest of the windows ({windows} s) are a "
            "small part of the image.",
        ],
        "settings": settings.model_dump(mode="json", include=sections),
        "versions": versions(),
        "last_steps": last_row,
    }
