"""Types of settings with rules that pydantic's own constraints cannot express."""

import math
import re
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from src.config.separators import SEPARATORS
from src.errors import UserError
from src.files import RUN_NAME_RULE, is_run_name
from src.registry import check_name
from src.text import shown

Scalar: TypeAlias = bool | int | float | str
SpaceValue: TypeAlias = Scalar | list[Scalar] | dict[str, int | float]
"""A scalar pins, a list gives the choices, a mapping of `min`, `max` and `step` the range."""

OPEN = "open"
"""The value that takes back what was inherited for a hyperparameter or for the whole space."""


class BrokenRuleError(ValueError):
    """Keys that do not go together, or a name; its message names the key and stands on its own."""


def known(registry: Mapping[str, str], key: str, *more: str) -> AfterValidator:
    """Refuses names that a registry lacks, or whose package is missing, but for those in `more`."""

    def checked(name: str) -> str:
        try:
            check_name({**dict.fromkeys(more, ""), **registry}, name, key)
        except UserError as error:
            raise BrokenRuleError(str(error)) from error
        return name

    return AfterValidator(checked)


def _run_name(name: str) -> str:
    if not is_run_name(name):
        raise ValueError(RUN_NAME_RULE)
    return name


def _encoding(name: str) -> str:
    try:
        "".encode("utf-8" if name == "auto" else name)
    except (LookupError, ValueError) as error:
        raise ValueError("Python knows no such encoding of text") from error
    return name


def is_url(database: object) -> bool:
    """Whether `data.database` is a URL, not a file."""
    return isinstance(database, str) and "://" in database


def _database(database: str) -> str:
    """Refuses a URL with a secret, without showing it: what is written down is the variable."""
    found = re.search(r"://[^/@:]*:([^@]*)@", database)
    secrets = [found[1]] if found else []
    named = r"(?i)[?&;][^=&;]*(?:pass(?!file)|pwd|secret|token|key)[^=&;]*=([^&;]*)"
    secrets += re.findall(named, unquote(database))
    if is_url(database) and any(not re.fullmatch(r"\$\{\w+\}", secret) for secret in secrets):
        raise BrokenRuleError(
            "data.database: the URL holds a password, which would be written into config.yaml and "
            "the log. Write ${NAME} in its place; it is read from the environment variable NAME"
        )
    return database


def flattened(values: Any, prefix: str = "") -> Any:
    """Returns nested mappings as one whose keys have dots; anything else as it is."""
    if not isinstance(values, dict):
        return values
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= flattened(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _space_name(name: str) -> str:
    """Returns `name` as it is; raises `ValueError` if an override could not address it."""
    if not name or name != name.strip() or "." in name or "=" in name:
        raise ValueError("a hyperparameter's name has no dots, equals signs or spaces around it")
    return name


def _space_value(value: object) -> SpaceValue:
    """Returns a valid `value`, the integers beside floats in a list made floats, or raises."""
    if isinstance(value, dict):
        return _range(value)
    if isinstance(value, list):
        return _choices(value)
    return _scalar(value)


def full_replaced(space: Any, full: str | int = "full", by: str | int = 0) -> Any:
    """Returns `space` with the batch size `full`, the whole training set, as the number 0."""
    if not isinstance(space, dict) or "batch_size" not in space:
        return space
    given = space["batch_size"]
    sizes = given if isinstance(given, list) else [given]
    # The types too, because false equals 0.
    sizes = [by if type(size) is type(full) and size == full else size for size in sizes]
    return {**space, "batch_size": sizes if isinstance(given, list) else sizes[0]}


def batch_word(name: str, value: Any) -> str | None:
    """The word for a hyperparameter's value, where it is a batch size that has one."""
    return "full" if name == "batch_size" and type(value) is int and value == 0 else None


def _scalar(value: object) -> Scalar:
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
    choices = [_scalar(value) for value in values]
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
        if key not in ("min", "max", "step"):
            raise ValueError(f"a range has the keys min, max, step, not '{key}'")
        if type(value) not in (int, float):
            raise ValueError(f"{key}: {shown(value)} is not a number")
        limits[key] = _scalar(value)
    if not limits:
        raise ValueError("a range needs at least one of min, max, step")
    if limits.get("min", -math.inf) > limits.get("max", math.inf):
        raise ValueError("min must not be above max")
    if limits.get("step", 1) <= 0:
        raise ValueError("step must be above 0")
    return limits


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]  # YAML has lists, not tuples
Count = Annotated[int, Field(ge=1)]
Factor = Annotated[int, Field(ge=2)]
RunName = Annotated[str, AfterValidator(_run_name)]
Database = Annotated[str, Field(min_length=1), AfterValidator(_database)]
Encoding = Annotated[str, AfterValidator(_encoding)]
# A separator is ASCII, because pandas takes nothing else, and not part of numbers and quoted texts.
Separator = Annotated[
    str,
    Field(pattern=rf"^(auto|{'|'.join(SEPARATORS)}|[\x01-\x7f&&[^\w\s\"'.+-]]|\t)$"),
]
ColumnKind = Literal["numeric", "boolean", "categorical", "date", "drop"]
# Overrides take the dots in a column's name for further keys.
Columns = Annotated[Mapping[Text, ColumnKind], BeforeValidator(flattened)]
Space = Annotated[
    Mapping[
        Annotated[str, AfterValidator(_space_name)],
        Annotated[SpaceValue, PlainValidator(_space_value)],
    ],
    BeforeValidator(full_replaced),
]
Point = Annotated[
    dict[Annotated[str, AfterValidator(_space_name)], Annotated[Scalar, PlainValidator(_scalar)]],
    BeforeValidator(full_replaced),
]
Points = Annotated[
    tuple[Point, ...],
    Field(strict=False),
    BeforeValidator(lambda given: [given] if isinstance(given, dict) else given),
]
