"""Resuming: a run keeps its settings and inputs; a request may repeat but not change them."""

from dataclasses import fields
from pathlib import Path

from pydantic import BaseModel

from darksound.errors import RunError
from darksound.run.manifest import Inputs
from darksound.settings import Settings
from darksound.sources import SOURCES

__all__ = ["check_inputs", "resume_settings", "with_absolute_inputs", "with_absolute_model"]

# Sections that change no result and may therefore differ on resuming.
_FREE_SECTIONS = {"compute", "download", "report"}
_OPTIONS = {
    "data": "--data",
    "root": "--root",
    "checkpoint": "The checkpoint",
    "target": "--out",
    "review": "--review",
}


def with_absolute_inputs(inputs: Inputs) -> Inputs:
    """Return the inputs with absolute paths and complete source names.

    Data that match no source stay unchanged; loading them raises the error.

    Raises:
        InputError: a source does not exist, such as a split.
    """
    paths = (inputs.root, inputs.checkpoint, inputs.target, inputs.review)
    return Inputs(
        tuple(_canonical(spec) for spec in inputs.data),
        *(None if path is None else str(Path(path).resolve()) for path in paths),
    )


def with_absolute_model(settings: Settings) -> Settings:
    """Return the settings with an absolute path of the embedding model's file."""
    scheme, colon, name = settings.backbone.name.partition(":")
    if not name:
        return settings
    return settings.replace(backbone={"name": f"{scheme}{colon}{Path(name).resolve()}"})


def _canonical(spec: str) -> str:
    return next(
        (source.identity(spec) for source in SOURCES.values() if source.matches(spec)), spec
    )


def resume_settings(requested: Settings, stored: Settings, path: Path) -> Settings:
    """Return the settings of a resumed run: the stored ones, `compute` and `report` updated.

    Args:
        requested: settings of the request; only keys that were set are compared.
        stored: settings of the run.
        path: the run directory, for the message.

    Raises:
        RunError: a key differs from the run's.
    """
    for name in sorted(requested.model_fields_set - _FREE_SECTIONS):
        new, old = getattr(requested, name), getattr(stored, name)
        if not isinstance(new, BaseModel):
            _check_equal(name, new, old, path)
            continue
        for key in sorted(new.model_fields_set):
            _check_equal(f"{name}.{key}", getattr(new, key), getattr(old, key), path)
    return stored.replace(
        compute=requested.compute.model_dump(exclude_unset=True),
        report=requested.report.model_dump(exclude_unset=True),
    )


def check_inputs(requested: Inputs, stored: Inputs, path: Path) -> Inputs:
    """Return the stored inputs of a resumed run.

    Raises:
        RunError: the request names other inputs.
    """
    for field in fields(Inputs):
        value = getattr(requested, field.name)
        if value:
            _check_equal(_OPTIONS[field.name], value, getattr(stored, field.name), path)
    return stored


def _check_equal(key: str, requested: object, stored: object, path: Path) -> None:
    if requested != stored:
        raise RunError(
            f"{key} is {_text(requested)}, but {path} was started with {_text(stored)}; --resume "
            f"uses the values of the run: omit it, or start a new run."
        )


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
