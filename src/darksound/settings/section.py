"""The base class of all settings sections, and validation with readable messages."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from darksound.errors import SettingsError
from darksound.text import path_text, valid_text

__all__ = [
    "Decibels",
    "Factor",
    "Hertz",
    "Positive",
    "Section",
    "Share",
    "Size",
    "check_name_or_path",
    "merge",
    "resolve_object",
    "validated",
]

Share = Annotated[float, Field(ge=0, le=1)]
#: A number of things, one after the other.
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
#: A number of things that are in memory at the same time.
Size = Annotated[int, Field(ge=1, le=65_536)]
Factor = Annotated[float, Field(ge=0, le=1_000_000)]
Decibels = Annotated[float, Field(ge=0, le=1000)]
Hertz = Annotated[float, Field(ge=0, le=1_000_000)]
# Characters of a wrong value that a message repeats.
_MAX_VALUE = 80
Model = TypeVar("Model", bound=BaseModel)


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _ReadableErrors(ModelMetaclass):
    """Let a constructor raise SettingsError with one sentence for each value that is wrong.

    Overriding `__init__` would do the same for nested sections, whose messages would then lack
    the name of the section.
    """

    def __call__(cls, *args: Any, **values: Any) -> Any:  # noqa: N805 - of a metaclass
        if args:
            raise SettingsError(
                f"{cls.__name__} takes settings by name, such as "
                f"{cls.__name__}({next(iter(cast(type[BaseModel], cls).model_fields), 'key')}=...)."
            )
        try:
            return super().__call__(**values)
        except ValidationError as error:
            raise _readable(error, cast(type[BaseModel], cls)) from None


class Section(BaseModel, metaclass=_ReadableErrors):
    """The settings of one stage: frozen, and unknown keys are errors.

    Numbers are finite, true and false are no numbers, and texts can be written to a TOML file.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _check_kind(cls, value: Any, info: ValidationInfo) -> Any:
        # Pydantic takes true for 1, and any character in a text.
        name = str(info.field_name)
        # Files whose names are not UTF-8 are found by this text, which TOML and JSON can hold.
        if isinstance(value, (str, Path)):
            value = Path(path_text(value)) if isinstance(value, Path) else valid_text(value)
        if _is_model(cls.model_fields[name].annotation):
            return value  # which checks its own values
        for leaf in _leaves(value):
            if type(leaf).__name__ in _BOOLEANS and not _takes_booleans(cls, name):
                raise PydanticCustomError("boolean", "neither true nor false is allowed here")
            if isinstance(leaf, (str, Path)) and not _is_writable(str(leaf)):
                raise PydanticCustomError(
                    "text", "it has a NUL character, or bytes that are not UTF-8"
                )
        return value

    def replace(self, **changes: object) -> Self:
        """Return a validated copy with some keys changed.

        Raises:
            SettingsError: a key is unknown, or a value is not allowed.
        """
        return validated(type(self), merge(self.model_dump(exclude_unset=True), changes))


# Those of Python and of NumPy, which is not imported here.
_BOOLEANS = ("bool", "bool_")


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values in lists, tuples and mappings."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    else:
        yield value


@cache
def _takes_booleans(model: type[BaseModel], name: str) -> bool:
    return _names_booleans(model.model_fields[name].annotation)


def _names_booleans(kind: Any) -> bool:
    if kind is bool or kind is Any:
        return True
    if get_origin(kind) is Literal:
        return any(isinstance(value, bool) for value in get_args(kind))
    return any(_names_booleans(part) for part in get_args(kind))


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def validated(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return an instance of `model` with values from a nested mapping.

    Raises:
        SettingsError: one sentence per error, with the key, its value and what is allowed.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _readable(error, model) from None


def _readable(error: ValidationError, model: type[BaseModel]) -> SettingsError:
    sentences = [_sentence(detail, model) for detail in error.errors()]
    return SettingsError("\n  ".join(dict.fromkeys(sentences)))


def check_name_or_path(key: str, value: str, names: Iterable[str], method: str) -> None:
    """Verify that a setting is a known name, or looks like the import path of a class.

    Args:
        key: the setting, for the message.
        value: its value.
        names: the known names.
        method: the method that a class at an import path needs, for the message.

    Raises:
        SettingsError: it is neither.
    """
    if value not in names and "." not in value and ":" not in value:
        raise SettingsError(
            f"{key} is {value!r}; choose one of {', '.join(names)}, or the import path of a class "
            f"with {method}."
        )


def resolve_object(path: str) -> Any:
    """Return the object that an import path such as `package.module:name` names.

    `package.module.name` is accepted too.

    Raises:
        SettingsError: the module cannot be imported, or has no such name.
    """
    module, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"{path!r} cannot be imported: {error}.") from None


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of a nested mapping, updated with the keys of another one."""
    merged = {k: merge(v, {}) if isinstance(v, Mapping) else v for k, v in base.items()}
    for key, value in changes.items():
        if isinstance(value, BaseModel):
            value = value.model_dump()
        if isinstance(value, Mapping):
            old = merged.get(key)
            merged[key] = merge(old if isinstance(old, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _sentence(error: Any, model: type[BaseModel]) -> str:
    """Return one error of pydantic as a sentence."""
    path = [str(part) for part in error["loc"]]
    # Pydantic appends the type of a union's member to the path; only the keys are of interest.
    section = model.model_fields.get(path[0]) if path else None
    nested = section is not None and _is_model(section.annotation)
    keys = path[:2] if nested else path[:1]
    where = ".".join(keys)
    if error["type"] == "extra_forbidden":
        return f"There is no setting {where}{_suggestion(keys, model)}"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}."
    return f"{where} cannot be {_shortened(error['input'])}: {_lower(error['msg'])}."


def _shortened(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits.
        return "a number of thousands of digits"
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}..."


def _suggestion(keys: list[str], model: type[BaseModel]) -> str:
    section = model.model_fields.get(keys[0])
    owner = section.annotation if section is not None and len(keys) > 1 else model
    names = list(getattr(owner, "model_fields", {}))
    close = get_close_matches(keys[-1], names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; choose one of {', '.join(names)}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
