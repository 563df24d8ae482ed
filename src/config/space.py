"""What may stand under `space.<name>`: a pinned value, a list of choices, or a range."""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from src.config.text import shown
from src.errors import nearest

Scalar: TypeAlias = bool | int | float | str
SpaceValue: TypeAlias = Scalar | list[Scalar] | dict[str, int | float]
"""A scalar pins, a list gives the choices, a mapping of `min`, `max` and `step` the range."""

OPEN = "open"
"""The value that takes back what was inherited for a hyperparameter or for the whole space."""

BATCH_SIZES = {"full": 0, "auto": -1}
"""Batch sizes that are written as words, and the numbers that stand for them: the whole training
set, and what the resources allow."""

_RANGE_KEYS = ("min", "max", "step")


def space_name(name: str) -> str:
    """Returns `name` as it is; raises `ValueError` if an override could not address it."""
    if not name or name != name.strip() or "." in name or "=" in name:
        raise ValueError("a hyperparameter's name has no dots, equals signs or spaces around it")
    return name


def space_value(value: object) -> SpaceValue:
    """Returns a valid `value`, with the integers of a list that also holds floats made floats.

    Raises:
        ValueError: saying what is wrong with the value.
    """
    if isinstance(value, dict):
        return _range(value)
    if isinstance(value, list):
        return _choices(value)
    return _scalar(value)


def configurations(given: object) -> tuple[dict[str, Scalar], ...]:
    """Returns one configuration, or a list of them: mappings from hyperparameters to values.

    Raises:
        ValueError: saying what is wrong, and in which entry.
    """
    entries = given if isinstance(given, list | tuple) else [given]
    return tuple(_configuration(entry, f"entry {n}: ") for n, entry in enumerate(entries, 1))


def _configuration(entry: object, place: str) -> dict[str, Scalar]:
    if not isinstance(entry, dict):
        raise ValueError(
            f"{place}{shown(entry)} is no mapping from the names of hyperparameters to values"
        )
    values: dict[str, Scalar] = {}
    for name, value in batch_words_to_numbers(entry).items():
        try:
            if isinstance(value, list | dict) or value is None:
                raise ValueError("one value is needed")
            values[space_name(name)] = _scalar(value)
        except ValueError as error:
            raise ValueError(f"{place}{name}: {shown(value)}: {error}") from error
    return values


def batch_words_to_numbers(space: Any) -> Any:
    """Returns `space` with words for `batch_size` as numbers, in lists too; all else left alone."""
    return _with_batch_size(space, BATCH_SIZES)


def batch_numbers_to_words(space: dict[str, Any]) -> dict[str, Any]:
    """Undoes `batch_words_to_numbers`."""
    result: dict[str, Any] = _with_batch_size(space, {n: word for word, n in BATCH_SIZES.items()})
    return result


def batch_word(name: str, value: Any) -> str | None:
    """The word for a hyperparameter's value, where it is a batch size that has one."""
    words = {number: word for word, number in BATCH_SIZES.items()}
    return words.get(value) if name == "batch_size" and isinstance(value, int) else None


def _with_batch_size(space: Any, replaced: Mapping[Any, Any]) -> Any:
    if not isinstance(space, dict) or "batch_size" not in space:
        return space
    value = space["batch_size"]
    for old, new in replaced.items():
        value = _replaced(value, old, new)
    return {**space, "batch_size": value}


def _replaced(value: Any, old: Any, new: Any) -> Any:
    if isinstance(value, list):
        return [_replaced(item, old, new) if not isinstance(item, list) else item for item in value]
    return new if type(value) is type(old) and value == old else value


def _scalar(value: object) -> Scalar:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _number(value)
    raise ValueError(
        "a value pins the hyperparameter, a list gives its choices, a mapping with min, max or "
        "step its range, open takes back what was inherited"
    )


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        finite = False
    if not finite:
        raise ValueError("numbers must be finite")
    return value


def _choices(values: list[object]) -> list[Scalar]:
    if not values:
        raise ValueError("an empty list leaves nothing to choose from")
    for value in values:
        if not isinstance(value, bool | int | float | str):
            raise ValueError(
                f"{shown(value)} cannot be a choice; choices are texts, numbers or true and false"
            )
    choices = [_scalar(value) for value in values]
    types = {type(choice) for choice in choices}
    if types == {int, float}:
        choices = [float(choice) for choice in choices]
    elif len(types) > 1:
        raise ValueError("choices must be of one type: all texts, all numbers, or true and false")
    seen: set[Scalar] = set()
    for choice in choices:
        if choice in seen:
            raise ValueError(f"the choice {shown(choice)} is there twice")
        seen.add(choice)
    return choices


def _range(given: dict[str, object]) -> dict[str, int | float]:
    for key in given:
        if key not in _RANGE_KEYS:
            raise ValueError(
                f"the range has an unknown key '{key}'.{nearest(key, _RANGE_KEYS)} Known: "
                + ", ".join(_RANGE_KEYS)
            )
    if not given:
        raise ValueError("a range needs at least one of min, max, step")
    limits = {key: _limit(key, value) for key, value in given.items()}
    if "min" in limits and "max" in limits and limits["min"] > limits["max"]:
        raise ValueError("min must not be above max")
    if "step" in limits and limits["step"] <= 0:
        raise ValueError("step must be above 0")
    return limits


def _limit(key: str, value: object) -> int | float:
    try:
        return _number(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
