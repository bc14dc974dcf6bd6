"""Where settings come from, and in which order: defaults, preset, file, environment, flags."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from darksound.errors import SettingsError
from darksound.settings.models import Settings
from darksound.settings.presets import PRESETS
from darksound.settings.section import merge, validated

__all__ = ["adopt", "load_settings", "to_toml"]

# Parts that make the images and the network; a checkpoint brings its own.
_CHECKPOINT_SECTIONS = ("audio", "front_end", "backbone", "embedding_model", "head", "learner")


def load_settings(
    preset: str = "default",
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from all sources; later ones win.

    Args:
        preset: a name in `PRESETS`.
        config: a TOML file as `to_toml` writes it, whole or in part.
        environment: variables such as `DARKSOUND_TRAINING__EPOCHS=3`; `DARKSOUND_DATA` and
            `DARKSOUND_CACHE` name the data and cache folders.
        assignments: `section.key=value` with a TOML value; bare words are strings.
        flags: a nested mapping; values that are None are left out.

    Raises:
        SettingsError: an unknown preset or key, an impossible value, an unreadable file.
    """
    if preset not in PRESETS:
        raise SettingsError(f"There is no preset {preset!r}; there are {', '.join(PRESETS)}.")
    values: dict[str, Any] = merge({}, PRESETS[preset])
    if config is not None:
        values = merge(values, _read_toml(config))
    values = merge(values, _from_environment(environment or {}))
    for assignment in assignments:
        values = merge(values, _parse_assignment(assignment))
    return validated(Settings, merge(values, _without_none(flags or {})))


def adopt(settings: Settings, from_checkpoint: Settings) -> Settings:
    """`settings` with the front end, backbone and learner that a checkpoint was trained with.

    Only the ROI length may differ, and only where the hop follows it, since the image then
    keeps its shape.

    Raises:
        SettingsError: a key of these sections was set and differs from the checkpoint's.
    """
    taken: dict[str, Any] = {}
    for name in _CHECKPOINT_SECTIONS:
        ours, theirs = getattr(settings, name), getattr(from_checkpoint, name)
        values = theirs.model_dump()
        for key in ours.model_fields_set if name in settings.model_fields_set else ():
            wanted = getattr(ours, key)
            if wanted == getattr(theirs, key):
                continue
            if (name, key) == ("audio", "roi_s") and from_checkpoint.front_end.hop == "auto":
                values[key] = wanted
                continue
            if (name, key) == ("backbone", "weights"):
                continue
            if (name, key) == ("backbone", "name") and _same_scheme(wanted, theirs.name):
                # An embedder's file may have moved; its hash tells whether it is the same.
                values[key] = wanted
                continue
            raise SettingsError(
                f"{name}.{key} is {wanted!r}, but the checkpoint was trained with "
                f"{getattr(theirs, key)!r}; leave it out, or train anew with it."
            )
        taken[name] = values
    return validated(Settings, {**settings.model_dump(), **taken})


def _same_scheme(ours: str, theirs: str) -> bool:
    """Whether two names of backbones differ by the file behind the colon alone."""
    return ours.partition(":")[0] == theirs.partition(":")[0]


def to_toml(settings: Settings) -> str:
    """The settings as TOML that `load_settings(config=...)` takes back unchanged."""
    return tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"Cannot read settings from {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None


class _Variables(BaseSettings, Settings):
    model_config = SettingsConfigDict(
        env_prefix="DARKSOUND_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(_Variables)
    source.env_vars = {k.lower(): v for k, v in environment.items()}
    try:
        values: dict[str, Any] = source()
    except ValueError as error:
        raise SettingsError(f"A DARKSOUND_ variable cannot be read: {error}.") from None
    folders = {"data_dir": "DARKSOUND_DATA", "cache_dir": "DARKSOUND_CACHE"}
    given = {key: environment[name] for key, name in folders.items() if environment.get(name)}
    return merge({"compute": given} if given else {}, values)


def _parse_assignment(text: str) -> dict[str, Any]:
    path, equals, raw = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise SettingsError(f"--set {text!r} is not of the form section.key=value.")
    try:
        value: Any = tomllib.loads(f"value = {raw.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw.strip()
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _without_none(flags: Mapping[str, Any]) -> dict[str, Any]:
    nested = {k: _without_none(v) if isinstance(v, Mapping) else v for k, v in flags.items()}
    return {k: v for k, v in nested.items() if v is not None and v != {}}
