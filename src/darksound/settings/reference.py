"""The reference of all settings, written from the models themselves."""

from typing import Any, Literal, get_args, get_origin

import annotated_types as at
from pydantic.fields import FieldInfo

from darksound.settings.models import Settings

__all__ = ["settings_reference"]

_BOUNDS = {at.Ge: (">=", "ge"), at.Gt: (">", "gt"), at.Le: ("<=", "le"), at.Lt: ("<", "lt")}


def settings_reference() -> str:
    """Every key with its default, what it may be and what it does, as Markdown."""
    parts = [
        "# Settings",
        "Written from the models by `python -m darksound.settings.reference`; do not edit.\n\n"
        "Give a key as `--set section.key=value`, in a TOML file with `--config`, or as the "
        "environment variable `DARKSOUND_SECTION__KEY`. Later ones win: defaults, preset, "
        "config file, environment, flags. `darksound settings` prints what is in force.",
        _table(
            "Top level",
            "",
            {k: v for k, v in Settings.model_fields.items() if not _is_section(v)},
        ),
    ]
    for name, field in Settings.model_fields.items():
        if _is_section(field):
            model: Any = field.annotation
            parts.append(_table(f"`{name}`", model.__doc__ or "", model.model_fields))
    return "\n\n".join(parts) + "\n"


def _is_section(field: FieldInfo) -> bool:
    return hasattr(field.annotation, "model_fields")


def _table(title: str, about: str, fields: dict[str, FieldInfo]) -> str:
    rows = [
        f"| `{name}` | {_show(field.get_default())} | {_allowed(field.annotation, field.metadata)} "
        f"| {field.description} |"
        for name, field in fields.items()
    ]
    head = "| key | default | allowed | meaning |\n|---|---|---|---|\n"
    return "\n\n".join(filter(None, [f"## {title}", about, head + "\n".join(rows)]))


def _show(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _allowed(kind: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    flat = [part for item in metadata for part in getattr(item, "metadata", [item])]
    bounds = " and ".join(
        f"{sign} {getattr(item, key):,}"
        for item in flat
        for bound, (sign, key) in _BOUNDS.items()
        if isinstance(item, bound)
    )
    if hasattr(kind, "__metadata__"):
        return _allowed(kind.__origin__, kind.__metadata__)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"{len(get_args(kind))} values: {_allowed(get_args(kind)[0])}"
    if get_args(kind):
        return " or ".join(_allowed(part) for part in get_args(kind) if part is not type(None))
    name = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}.get(
        kind.__name__, kind.__name__.lower()
    )
    return f"{name} {bounds}".strip()


if __name__ == "__main__":
    print(settings_reference(), end="")
