"""Resuming: a run keeps its settings and inputs; a request may repeat but not change them."""

import hashlib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from darksound.atomic import write_text
from darksound.audio.embedding_models import input_kind
from darksound.errors import RunError, SettingsError
from darksound.run.manifest import MANIFEST_FILE, Inputs, Manifest
from darksound.settings import Settings, load_settings, to_toml
from darksound.settings.section import validated
from darksound.sources import SOURCES
from darksound.system_errors import check_readable
from darksound.text import path_text, text_path

__all__ = [
    "SETTINGS_FILE",
    "check_inputs",
    "digest",
    "is_complete",
    "read_settings",
    "resume_settings",
    "with_absolute_inputs",
    "with_absolute_model",
]

#: Name of the settings in the run directory.
SETTINGS_FILE = "settings.toml"

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
        *(None if path is None else path_text(text_path(path).resolve()) for path in paths),
    )


def with_absolute_model(settings: Settings) -> Settings:
    """Return the settings with an absolute path of the embedding model's file."""
    scheme, colon, name = settings.backbone.name.partition(":")
    if not name or input_kind(settings.backbone) == "images":
        return settings
    return settings.replace(
        backbone={"name": f"{scheme}{colon}{path_text(text_path(name).resolve())}"}
    )


def _canonical(spec: str) -> str:
    return next(
        (source.identity(spec) for source in SOURCES.values() if source.matches(spec)), spec
    )


def digest(settings: Mapping[str, Any]) -> str:
    """Return a hash of the settings that results depend on, as in the manifest."""
    text = json.dumps(dict(_values(settings)), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_complete(path: Path) -> bool:
    """Return whether a TOML file has every setting, as the file of a run has."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    complete = tomllib.loads(to_toml(Settings()))
    return dict(_values(complete)).keys() <= dict(_values(content)).keys()


def read_settings(folder: Path, manifest: Manifest) -> Settings:
    """Return the settings of a run, which `settings.toml` and the manifest both hold.

    The file is written again where a kill came between the two.

    Raises:
        RunError: the two differ, or the file is damaged.
        SettingsError: they are of another version of darksound.
    """
    path = folder / SETTINGS_FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _restored(path, manifest)
    except (OSError, ValueError, RecursionError) as error:
        check_readable(path, error, RunError)
        raise RunError(f"{path} is not valid TOML ({error}); {_remedy(folder)}") from None
    stored, found = dict(_values(manifest.settings)), dict(_values(content))
    differing = [key for key in {**stored, **found} if not _same(stored.get(key), found.get(key))]
    if not differing:
        return load_settings(config=path)
    if manifest.previous_settings == digest(content):
        return _restored(path, manifest)
    key = differing[0]
    raise RunError(
        f"{path} was changed after the run wrote it: {key} is {_text(found.get(key))} there and "
        f"{_text(stored.get(key))} in {folder / MANIFEST_FILE}; {_remedy(folder)}"
    )


def _remedy(folder: Path) -> str:
    return (
        f"restore the file, or remove it to use the settings in {folder / MANIFEST_FILE}, or start "
        f"a new run with other settings."
    )


def _restored(path: Path, manifest: Manifest) -> Settings:
    try:
        settings = validated(Settings, manifest.settings)
    except SettingsError as error:
        raise SettingsError(f"{path.with_name(MANIFEST_FILE)}: {error}") from None
    write_text(path, to_toml(settings))
    return settings


def _values(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings that results depend on, as `section.key` and value."""
    for name, section in settings.items():
        if name in _FREE_SECTIONS:
            continue
        if not isinstance(section, Mapping):
            yield name, section
            continue
        for key, value in section.items():
            # TOML has no null.
            if value is not None:
                yield f"{name}.{key}", value


def _same(stored: object, found: object) -> bool:
    """Return whether a value of the manifest is that of the TOML file."""
    if isinstance(stored, Mapping) and isinstance(found, Mapping):
        return all(_same(stored.get(key), found.get(key)) for key in {**stored, **found})
    if isinstance(stored, list) and isinstance(found, list):
        return len(stored) == len(found) and all(map(_same, stored, found))
    if stored is None and isinstance(found, float):
        # JSON has neither infinities nor NaN.
        return not math.isfinite(found)
    return type(stored) is type(found) and stored == found


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
