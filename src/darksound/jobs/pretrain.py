"""The job of `darksound pretrain`."""

import io
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from darksound.atomic import write_bytes
from darksound.errors import CheckpointError
from darksound.jobs.base import Outcome, make_repeatable
from darksound.meta.pretraining.loop import Pretrainer, Report
from darksound.meta.weights import read_pickle, write_ears
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
# Steps between two rows of the table and two saved states.
_EVERY = 200
_STATE = "last.state.pt"


def pretrain_run(run: Run, progress: Progress) -> Outcome:
    """Teach a backbone to hear; leaves `weights.safetensors` with its card, and a table of steps.

    Raises:
        SettingsError: a backbone or device that is not there.
        CheckpointError: the state of a run that is gone on with is damaged.
        RunError: the run cannot be gone on with, or its folder cannot be written to.
    """
    make_repeatable(run.settings.seed)
    settings = run.settings
    libraries = song_libraries(settings, progress)
    plan = settings.pretraining
    run.note_data(sum(map(len, libraries)), "-".join(f"{w:g}" for w in plan.windows_s))
    pretrainer = Pretrainer(libraries, settings)
    state_file = run.path / "checkpoints" / _STATE
    rows = _restored(pretrainer, state_file)

    def keep(report: Report) -> None:
        rows.append(asdict(report))
        _save(pretrainer, rows, state_file)
        write_csv(run.path / "pretraining.csv", pd.DataFrame(rows))
        run.journal.append("steps", **rows[-1])
        if report.step == _EVERY:
            left = (plan.steps - report.step) * 2 * plan.batch_species / report.images_per_s
            logger.info("%.0f images a second; about %s.", report.images_per_s, duration(left))

    pretrainer.run(progress, _EVERY, keep)
    pretrainer.settle(progress)
    weights = run.path / "weights.safetensors"
    write_ears(weights, pretrainer.backbone.state_dict(), _card(settings, rows[-1]))
    last = {name: rows[-1][name] for name in ("loss", "accuracy")}
    return Outcome(
        (metrics_table(f"The last steps of {plan.steps}", last),),
        f"The weights are in {weights}. Use them with: --weights {weights}",
    )


def song_libraries(settings: Settings, progress: Progress) -> list[SongLibrary]:
    """The dry songs that the settings ask for, one library a window length, from the cache."""
    own = settings.pretraining
    folder = cache_folder(settings) / "songs"
    plans = [
        SongPlan(settings.seed, own.species, own.birds, own.songs, window_s)
        for window_s in own.windows_s
    ]
    return [build_library(plan, settings, folder, progress) for plan in plans]


def _save(pretrainer: Pretrainer, rows: list[dict[str, Any]], path: Path) -> None:
    content = io.BytesIO()
    torch.save({**pretrainer.state(), "rows": rows}, content)
    write_bytes(path, content.getvalue())


def _restored(pretrainer: Pretrainer, path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    state = read_pickle(path)
    try:
        rows: list[dict[str, Any]] = state.pop("rows")
        pretrainer.restore(state)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit the run's settings ({error}); start a new run."
        ) from error
    return rows


def _card(settings: Settings, last: dict[str, Any]) -> dict[str, Any]:
    windows = ", ".join(f"{window_s:g}" for window_s in settings.pretraining.windows_s)
    sections = {"seed", "audio", "front_end", "backbone", "pretraining"}
    return {
        "what": "A backbone of darksound: images of ROIs to vectors, near for songs of one "
        "species.",
        "made_by": "darksound pretrain, on synthetic birds alone",
        "licence": "Apache-2.0",
        "limits": [
            "It was never shown a real bird.",
            f"Below {settings.front_end.low_hz:g} Hz and above {settings.front_end.high_hz} Hz it "
            "hears nothing.",
            f"Units much shorter than the shortest of the windows ({windows} s) are a "
            "small part of its image.",
        ],
        "settings": settings.model_dump(mode="json", include=sections),
        "versions": versions(),
        "last_steps": last,
    }
