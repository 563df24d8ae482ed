"""Turns pydantic's errors into a line each: the key, the value, what is valid, where it was set."""

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from src.config.layers import Layers
from src.config.schema import PROVENANCE, BrokenRuleError, Config, Section
from src.config.text import dotted, shown
from src.config.yaml_text import KeyPath
from src.errors import nearest

_MOST_LINES = 50
_NOUNS = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    type(None): "null",
}


def plain_messages(error: ValidationError, layers: Layers) -> list[str]:
    """Returns a line for each mistake in `layers`, in the order of the schema."""
    messages: dict[KeyPath, str] = {}
    for details in error.errors(include_url=False):
        path, message = _message(details, layers)
        messages.setdefault(path, message)  # one is enough where no member of a union fits
    lines = list(messages.values())
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"and {len(lines) - _MOST_LINES} mistakes more"]
    return lines


def unknown_key(path: KeyPath, section: type[Section]) -> str:
    """Says that `path` is not a key of `section`, names the nearest and all that are.

    A key that stands in another section, or might be a hyperparameter, is told its place.
    """
    known = known_keys(section)
    under = f" under {dotted(path[:-1])}" if path[:-1] else ""
    elsewhere = [f"'{dotted(found)}'" for found in _paths(Config) if found[-1] == path[-1]]
    hint = f" Did you mean {' or '.join(elsewhere)}?" if elsewhere else nearest(path[-1], known)
    if not hint and len(path) == 1 and path[0].isidentifier():
        hint = f" If it is a hyperparameter, write space.{path[0]}."
    if "." in path[-1]:
        hint = " Dotted keys are for the command line; in a file, nest the keys."
    return f"{dotted(path)}: unknown key.{hint} Known{under}: {', '.join(known)}"


def known_keys(section: type[Section]) -> list[str]:
    """Returns the keys that a file may set in `section`."""
    return [key for key in section.model_fields if key not in PROVENANCE]


def _paths(section: type[Section]) -> Iterator[KeyPath]:
    for key in known_keys(section):
        inner: Any = section.model_fields[key].annotation
        yield (key,)
        if _is_section(inner):
            yield from ((key, *path) for path in _paths(inner))


def _message(details: ErrorDetails, layers: Layers) -> tuple[KeyPath, str]:
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, BrokenRuleError):
        return (str(cause),), str(cause)
    path, section, key_field = _located(details["loc"])
    place = layers.place(path)
    where = f" (from {place})" if place else ""
    if key_field is None or path[0] in PROVENANCE:
        return path, unknown_key(path, section) + where
    value = layers.value(path)
    if path[0] == "space" and len(path) > 1:
        valid = str(cause)
    elif path == ("tuner", "points_to_evaluate") and cause is not None:
        valid = f"{cause}; {_valid(key_field)}"
    else:
        valid = _valid(key_field) + _hint(path, value, key_field)
    return path, f"{dotted(path)}: {shown(value)} is not valid; {valid}{where}"


def _located(
    location: Sequence[int | str],
) -> tuple[KeyPath, type[Section], FieldInfo | None]:
    """Returns the key's path, its section and its field (None if there is no such key)."""
    section: type[Section] = Config
    path: KeyPath = ()
    for part in location:
        path = (*path, str(part))
        key_field = section.model_fields.get(str(part))
        if key_field is None or not _is_section(key_field.annotation):
            break
        section = key_field.annotation  # type: ignore[assignment]
    if path in (("space",), ("data", "columns")):
        path = (*path, *(str(part) for part in location[len(path) : len(path) + 1]))
    return path, section, key_field


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _hint(path: KeyPath, value: object, key_field: FieldInfo) -> str:
    if _is_section(key_field.annotation):
        section: Any = key_field.annotation
        if isinstance(value, str) and "name" in section.model_fields:
            return f". Did you mean {dotted(path)}.name: {value}?"
    elif isinstance(value, bool | int | float) and _takes_text(key_field.annotation):
        return f'; as a text it goes in quotes: "{value}"'
    return ""


def _takes_text(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return any(_takes_text(inner) for inner in get_args(annotation))
    return annotation is str


def _valid(key_field: FieldInfo) -> str:
    if key_field.description:
        return key_field.description
    return _described(key_field.annotation, key_field.metadata)


def _described(annotation: Any, metadata: Sequence[Any]) -> str:
    origin: Any = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        inner, *extra = arguments
        found = [item for one in extra for item in getattr(one, "metadata", [one])]
        return _described(inner, [*found, *metadata])
    if origin in (Union, types.UnionType):
        return ", or ".join(_described(member, ()) for member in arguments)
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list, each of it {_described(arguments[0], ())}"
    if _is_section(annotation):
        return f"a mapping with the keys {', '.join(known_keys(annotation))}"
    return _NOUNS[annotation] + _bounds(metadata)


def _bounds(metadata: Sequence[Any]) -> str:
    bounds = []
    for item in metadata:
        match item:
            case Ge():
                bounds.append(f"of at least {item.ge}")
            case Gt():
                bounds.append(f"above {item.gt}")
            case Le():
                bounds.append(f"of at most {item.le}")
            case Lt():
                bounds.append(f"below {item.lt}")
            case MinLen():
                bounds.append("that is not empty")
    return (" " + " and ".join(bounds)) if bounds else ""
