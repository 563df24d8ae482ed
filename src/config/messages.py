"""Turns pydantic's errors into a line each: the key, the value, what is valid, the nearest key."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from src.config.fields import BrokenRuleError
from src.config.presets import setting_comments
from src.config.schema import PROVENANCE, Config, Section
from src.errors import nearest
from src.text import dotted, shown

_OLD_SETTINGS = {
    "data.synthetic": "has been removed; for data of another shape write a data source",
    "limits.divergence": "has been removed; a loss of 1,000 times its first value fails a trial",
    "objective.also": "is objective.secondary now",
    "run.baselines": "has been removed; baselines are always scored",
    "training.early_stopping_baseline": "has been removed; see space.early_stopping_start",
    "tuner.confirm": "is tuner.reevaluate now",
    "tuner.initial": "is tuner.points_to_evaluate now",
    "tuner.knowledge": "is tuner.warm_start now",
}

KeyPath = tuple[str, ...]


def plain_messages(error: ValidationError) -> list[str]:
    """Returns a line for each mistake, in the order of the schema."""
    messages: dict[KeyPath, str] = {}
    for details in error.errors(include_url=False):
        path, message = _message(details)
        messages.setdefault(path, message)  # one is enough where no member of a union fits
    return list(messages.values())


def _message(details: ErrorDetails) -> tuple[KeyPath, str]:
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, BrokenRuleError):
        return (str(cause),), str(cause)
    path, section, key_field = _located(details["loc"])
    if key_field is None or path[0] in PROVENANCE:
        return path, _unknown_key(path, section)
    value = details["input"]
    message = f"{dotted(path)}: {shown(value)} is not valid"
    if _is_section(key_field.annotation):
        keys = _keys(key_field.annotation)
        message += f". Valid: a mapping with the keys {', '.join(keys)}"
        if isinstance(value, str) and "name" in keys:
            message += f". Did you mean {dotted(path)}.name: {value}?"
        return path, message
    if cause is not None:
        message += f": {cause}"
    if comment := setting_comments().get(path, setting_comments().get(path[:2])):
        message += f". Valid: {comment}"
    if details["type"] == "string_type" and isinstance(value, bool | int | float):
        message += f'. As a text it goes in quotes: "{shown(value)}"'
    return path, message


def _unknown_key(path: KeyPath, section: type[Section]) -> str:
    """Says where the key is to be found, or names the nearest key; lists all that are known."""
    if old := _OLD_SETTINGS.get(".".join(path)):
        return f"{dotted(path)}: {old}"
    known = _keys(section)
    found = [f"'{dotted(place)}'" for place in setting_comments() if place[-1] == path[-1]]
    hint = f" Did you mean {' or '.join(found)}?" if found else nearest(path[-1], known)
    if not hint and len(path) == 1 and path[0].isidentifier():
        hint = f" If it is a hyperparameter, write space.{path[0]}."
    if "." in path[-1]:
        hint = " Dotted keys are for the command line; in a file, nest the keys."
    under = f" under {dotted(path[:-1])}" if path[:-1] else ""
    return f"{dotted(path)}: unknown key.{hint} Known{under}: {', '.join(known)}"


def _located(location: Sequence[int | str]) -> tuple[KeyPath, type[Section], FieldInfo | None]:
    """Returns the path of the key, its section and its field (None if there is no such key)."""
    section: type[Section] = Config
    path: KeyPath = ()
    for part in location:
        path = (*path, str(part))
        key_field = section.model_fields.get(str(part))
        if key_field is None or not _is_section(key_field.annotation):
            break
        section = key_field.annotation  # type: ignore[assignment]
    if path in (("space",), ("data", "columns"), ("tuner", "points_to_evaluate")):
        deeper = location[len(path) : len(path) + (2 if path[0] == "tuner" else 1)]
        path = (*path, *(str(part + 1) if isinstance(part, int) else part for part in deeper))
    return path, section, key_field


def _keys(section: Any) -> list[str]:
    """Returns the keys that a file may set in a section."""
    return [key for key in section.model_fields if key not in PROVENANCE]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)
