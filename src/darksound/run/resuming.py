"""A resumed run goes on with its own settings and data; a request may repeat, not change them."""

from dataclasses import fields
from pathlib import Path

from pydantic import BaseModel

from darksound.errors import RunError
from darksound.run.manifest import Inputs
from darksound.settings import Settings
from darksound.sources import SOURCES

__all__ = ["absolute", "agreed_inputs", "agreed_settings", "with_absolute_file"]

_NAMES = {
    "data": "--data",
    "root": "--root",
    "checkpoint": "The checkpoint",
    "target": "--out",
    "review": "--review",
}


def absolute(inputs: Inputs) -> Inputs:
    """The same inputs, named so that they mean the same from any working directory.

    Data that no source knows stay as they are; reading them says what is wrong.

    Raises:
        InputError: a source is named that does not exist, such as a split.
    """
    paths = (inputs.root, inputs.checkpoint, inputs.target, inputs.review)
    return Inputs(
        tuple(_canonical(spec) for spec in inputs.data),
        *(None if path is None else str(Path(path).resolve()) for path in paths),
    )


def with_absolute_file(settings: Settings) -> Settings:
    """The settings, the embedder's file named so that it means the same from any directory."""
    scheme, colon, name = settings.backbone.name.partition(":")
    if not name:
        return settings
    return settings.replace(backbone={"name": f"{scheme}{colon}{Path(name).resolve()}"})


def _canonical(spec: str) -> str:
    return next((source.identity(spec) for source in SOURCES if source.matches(spec)), spec)


def agreed_settings(given: Settings, stored: Settings, path: Path) -> Settings:
    """The settings to go on with: the run's, but for where and how it is computed.

    Args:
        given: settings of the request; only keys that were set explicitly are looked at.
        stored: settings of the run.
        path: the run's directory, for the message.

    Raises:
        RunError: a key was set to something else than the run's.
    """
    for name in sorted(given.model_fields_set - {"compute", "download", "report"}):
        ours, theirs = getattr(given, name), getattr(stored, name)
        if not isinstance(ours, BaseModel):
            _hold(name, ours, theirs, path)
            continue
        for key in sorted(ours.model_fields_set):
            _hold(f"{name}.{key}", getattr(ours, key), getattr(theirs, key), path)
    return stored.replace(
        compute=given.compute.model_dump(exclude_unset=True),
        report=given.report.model_dump(exclude_unset=True),
    )


def agreed_inputs(given: Inputs, stored: Inputs, path: Path) -> Inputs:
    """The run's inputs.

    Raises:
        RunError: the request names others.
    """
    for field in fields(Inputs):
        wanted = getattr(given, field.name)
        if wanted:
            _hold(_NAMES[field.name], wanted, getattr(stored, field.name), path)
    return stored


def _hold(key: str, wanted: object, stored: object, path: Path) -> None:
    if wanted != stored:
        raise RunError(
            f"{key} is {_shown(wanted)}, but {path} was begun with {_shown(stored)}; --resume goes "
            f"on with the run's own: leave it out, or start a new run."
        )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
