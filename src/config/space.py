"""Values under `space.<name>`: a pinned value, a list of choices, or a range."""

import math
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeAlias

from src.text import shown

Scalar: TypeAlias = bool | int | float | str
SpaceValue: TypeAlias = Scalar | list[Scalar] | dict[str, int | float]
"""A scalar pins, a list gives the choices, a mapping of `min`, `max` and `step` the range."""

OPEN = "open"
"""The value that takes back what was inherited for a hyperparameter or for the whole space."""

BATCH_SIZES = {"full": 0}
"""Numbers for the batch sizes that are words: the whole training set."""

BATCH_WORDS = {number: word for word, number in BATCH_SIZES.items()}
_RANGE_KEYS = ("min", "max", "step")


def space_name(name: str) -> str:
    """Returns `name` as it is; raises `ValueError` if an override could not address it."""
    if not name or name != name.strip() or "." in name or "=" in name:
        raise ValueError("a hyperparameter's name has no dots, equals signs or spaces around it")
    return name


def space_value(value: object) -> SpaceValue:
    """Returns a valid `value`, the integers beside floats in a list made floats, or raises."""
    if isinstance(value, dict):
        return _range(value)
    if isinstance(value, list):
        return _choices(value)
    return scalar(value)


def batch_sizes_replaced(space: Any, replacements: Mapping[Any, Any] = BATCH_SIZES) -> Any:
    """Returns `space` with words for `batch_size` as numbers, or with `BATCH_WORDS` the reverse."""

    def replaced(value: Any) -> Any:
        # Not isinstance: false equals 0, which stands for a word.
        return replacements.get(value, value) if type(value) in (int, str) else value

    if not isinstance(space, dict) or "batch_size" not in space:
        return space
    value = space["batch_size"]
    several = isinstance(value, list)
    return {**space, "batch_size": [*map(replaced, value)] if several else replaced(value)}


def batch_word(name: str, value: Any) -> str | None:
    """The word for a hyperparameter's value, where it is a batch size that has one."""
    return BATCH_WORDS.get(value) if name == "batch_size" and isinstance(value, int) else None


def scalar(value: object) -> Scalar:
    """Returns a valid `value`, or raises `ValueError`."""
    if not isinstance(value, Scalar):
        raise ValueError(f"{shown(value)} is not a text, a number, true or false")
    # The comparison fails for NaN too, and `math.isfinite` for integers that no float can hold.
    if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise ValueError("numbers must be finite")
    return value


def _choices(values: list[object]) -> list[Scalar]:
    if not values:
        raise ValueError("an empty list leaves nothing to choose from")
    choices = [scalar(value) for value in values]
    types = {type(choice) for choice in choices}
    if types == {int, float}:
        choices = [float(choice) for choice in choices]
    elif len(types) > 1:
        raise ValueError("choices must be of one type: texts, numbers, or true and false")
    choice, count = Counter(choices).most_common(1)[0]
    if count > 1:
        raise ValueError(f"the choice {shown(choice)} is there twice")
    return choices


def _range(given: dict[str, object]) -> dict[str, int | float]:
    limits: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _RANGE_KEYS:
            raise ValueError(f"a range has the keys {', '.join(_RANGE_KEYS)}, not '{key}'")
        if type(value) not in (int, float):
            raise ValueError(f"{key}: {shown(value)} is not a number")
        limits[key] = scalar(value)
    if not limits:
        raise ValueError("a range needs at least one of min, max, step")
    if limits.get("min", -math.inf) > limits.get("max", math.inf):
        raise ValueError("min must not be above max")
    if limits.get("step", 1) <= 0:
        raise ValueError("step must be above 0")
    return limits
