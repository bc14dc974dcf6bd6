"""Give Typer one option per field of the groups of options that a command takes."""

import functools
import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, get_args, get_type_hints

__all__ = ["flatten_options"]


def flatten_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` with one keyword parameter per option instead of groups of options."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if not is_dataclass(hint):
            parameters.append(parameter.replace(annotation=hint, kind=parameter.KEYWORD_ONLY))
            continue
        assert isinstance(hint, type)
        groups[name] = hint
        field_hints = get_type_hints(hint, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=_in_panel(field_hints[field.name], getattr(hint, "panel", None)),
            )
            for field in fields(hint)
        ]

    @functools.wraps(command)
    def flat(**values: Any) -> None:
        arguments = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**arguments, **values)

    # Typer reads the signature, and the annotations too.
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {p.name: p.annotation for p in parameters}
    return flat


def _in_panel(hint: Any, panel: str | None) -> Any:
    """Return an annotation whose option is shown in a panel of the help."""
    value_type, option = get_args(hint)
    option = copy(option)
    option.rich_help_panel = panel
    return Annotated[value_type, option]
