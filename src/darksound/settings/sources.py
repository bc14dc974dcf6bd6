"""Loading settings from defaults, preset, TOML file, environment and command line."""

import hashlib
import json
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
from darksound.system_errors import reading_error

__all__ = ["adopt_checkpoint", "load_settings", "settings_hash", "to_toml"]

# Sections on which images and network depend. A checkpoint contains its own.
_CHECKPOINT_SECTIONS = ("audio", "front_end", "backbone", "embedding_model", "head", "learner")


def load_settings(
    preset: str = "default",
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings from all sources; later arguments override earlier ones.

    Args:
        preset: a name in `PRESETS`.
        config: a TOML file in the format of `to_toml`; it may contain some keys only.
        environment: variables such as `DARKSOUND_TRAINING__EPOCHS=3`. `DARKSOUND_DATA` and
            `DARKSOUND_CACHE` set the data and the cache folder.
        assignments: `section.key=value` with a TOML value; bare words are strings.
        flags: a nested mapping; None values are ignored.

    Returns:
        Validated settings; keys that no source has are the defaults.

    Raises:
        SettingsError: a preset or key is unknown, a value is not allowed, or the file cannot be
            read.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.load_settings("paper-2024", assignments=["training.epochs=3"])
        >>> settings.learner.method, settings.training.epochs
        ('prototypical', 3)
    """
    if preset not in PRESETS:
        raise SettingsError(f"There is no preset {preset!r}; choose one of {', '.join(PRESETS)}.")
    try:
        return _load(preset, config, environment or {}, assignments, flags or {})
    except RecursionError:
        where = "A setting" if config is None else f"{config}, a variable or an option"
        raise SettingsError(
            f"{where} is nested too deeply; settings have the form section.key = value."
        ) from None


def _load(
    preset: str,
    config: Path | None,
    environment: Mapping[str, str],
    assignments: Sequence[str],
    flags: Mapping[str, Any],
) -> Settings:
    values: dict[str, Any] = {}
    if config is not None:
        values = merge(values, _read_toml(config))
    values = merge(values, _from_environment(environment))
    for assignment in assignments:
        values = merge(values, _parse_assignment(assignment))
    values = merge(values, _without_none(flags))
    return validated(Settings, merge(_preset_values(preset, values), values))


def _preset_values(preset: str, later: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a preset, without its weights if another source names the backbone.

    Args:
        preset: a name in `PRESETS`.
        later: the values of the other sources.
    """
    values = merge({}, PRESETS[preset])
    backbone = later.get("backbone")
    if isinstance(backbone, Mapping) and "name" in backbone:
        values.get("backbone", {}).pop("weights", None)
    return values


def adopt_checkpoint(settings: Settings, checkpoint: Settings) -> Settings:
    """Return `settings` with the front end, backbone and learner of a checkpoint.

    The ROI length may differ if the hop is `auto`, since the image then keeps its shape. The file
    of an embedding model may have moved; its hash is verified when it is opened.

    Raises:
        SettingsError: a key of these sections was set explicitly and differs from the checkpoint.
    """
    sections: dict[str, Any] = {}
    for name in _CHECKPOINT_SECTIONS:
        section, trained = getattr(settings, name), getattr(checkpoint, name)
        values = trained.model_dump()
        for key in section.model_fields_set if name in settings.model_fields_set else ():
            value, trained_value = getattr(section, key), getattr(trained, key)
            if value == trained_value or (name, key) == ("backbone", "weights"):
                continue
            if not _may_differ(name, key, value, checkpoint):
                raise SettingsError(
                    f"{name}.{key} is {value!r}, but the checkpoint was trained with "
                    f"{trained_value!r}; remove this setting, or train a new learner with it."
                )
            values[key] = value
        sections[name] = values
    return validated(Settings, {**settings.model_dump(), **sections})


def _may_differ(section: str, key: str, value: Any, checkpoint: Settings) -> bool:
    """Return whether a setting may have another value than in the checkpoint."""
    if (section, key) == ("audio", "roi_s"):
        return checkpoint.front_end.hop == "auto"
    if (section, key) == ("front_end", "long_rois"):
        # Training used the same images.
        return "start" not in (value, checkpoint.front_end.long_rois)
    if (section, key) == ("backbone", "name"):
        # Only the file after the colon may differ.
        return str(value).partition(":")[0] == checkpoint.backbone.name.partition(":")[0]
    return False


def to_toml(settings: Settings) -> str:
    """Return the settings as TOML that `load_settings(config=...)` reads back unchanged.

    Raises:
        SettingsError: a constructor argument is None, or an object that TOML cannot hold.
    """
    try:
        values = settings.model_dump(mode="json", exclude_none=True)
        for name in ("reduction", "clustering"):
            # Those of the JSON have null instead of infinity.
            values[name]["parameters"] = getattr(settings, name).parameters
        return tomli_w.dumps(values)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"The parameters of reduction or clustering cannot be stored as TOML ({error}); leave "
            f"such arguments out, or set them in a class of your own."
        ) from None


def settings_hash(settings: Settings) -> str:
    """Return 16 hexadecimal digits, the same for settings that give the same result.

    The sections `compute`, `download` and `report`, and the path of a table of sites, change no
    result and are excluded.
    """
    excluded: dict[str, Any] = dict.fromkeys(("compute", "download", "report"), True)
    relevant = settings.model_dump(mode="json", exclude={**excluded, "rois": {"sites"}})
    text = json.dumps(relevant, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        # Editors of Windows write a byte order mark, which TOML does not have.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path}: {reading_error(path, error)}.") from None
    except ValueError as error:  # also of bytes that are not UTF-8, and of too many digits
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
    compute = {key: environment[name] for key, name in folders.items() if environment.get(name)}
    return merge({"compute": compute} if compute else {}, values)


def _parse_assignment(text: str) -> dict[str, Any]:
    path, equals, raw = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise SettingsError(f"--set {text!r} is not of the form section.key=value.")
    try:
        value: Any = tomllib.loads(f"value = {raw.strip()}")["value"]
    except ValueError:  # also of a number of too many digits
        value = raw.strip()
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _without_none(flags: Mapping[str, Any]) -> dict[str, Any]:
    nested = {k: _without_none(v) if isinstance(v, Mapping) else v for k, v in flags.items()}
    return {k: v for k, v in nested.items() if v is not None and v != {}}
