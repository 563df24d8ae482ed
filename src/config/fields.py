"""Types of settings with rules that pydantic's own constraints cannot express."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from src.config.separators import SEPARATORS
from src.config.space import (
    Scalar,
    SpaceValue,
    batch_sizes_replaced,
    scalar,
    space_name,
    space_value,
)
from src.errors import UserError
from src.files import RUN_NAME_RULE, is_run_name
from src.registry import check_name


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


def flattened(values: Any, prefix: str = "") -> Any:
    """Returns nested mappings as one whose keys have dots; anything else as it is."""
    if not isinstance(values, dict):
        return values
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= flattened(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _numbers_as_texts(given: object) -> object:
    """Makes numbers texts, as they are in a file; true, false and null are YAML's mistakes."""
    if not isinstance(given, list | tuple):
        return given
    return [str(text) if type(text) in (int, float) else text for text in given]


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]  # YAML has lists, not tuples
Count = Annotated[int, Field(ge=1)]
Factor = Annotated[int, Field(ge=2)]
RunName = Annotated[str, AfterValidator(_run_name)]
Encoding = Annotated[str, AfterValidator(_encoding)]
# A separator is ASCII, because pandas takes nothing else, and not part of numbers and quoted texts.
Separator = Annotated[
    str,
    Field(pattern=rf"^(auto|{'|'.join(SEPARATORS)}|[\x01-\x7f&&[^\w\s\"'.+-]]|\t)$"),
]
Missing = Annotated[Texts, BeforeValidator(_numbers_as_texts)]
ColumnKind = Literal["numeric", "boolean", "categorical", "date", "drop"]
# Overrides take the dots in a column's name for further keys.
Columns = Annotated[Mapping[Text, ColumnKind], BeforeValidator(flattened)]
Space = Annotated[
    Mapping[
        Annotated[str, AfterValidator(space_name)],
        Annotated[SpaceValue, PlainValidator(space_value)],
    ],
    BeforeValidator(batch_sizes_replaced),
]
Point = Annotated[
    dict[Annotated[str, AfterValidator(space_name)], Annotated[Scalar, PlainValidator(scalar)]],
    BeforeValidator(batch_sizes_replaced),
]
Points = Annotated[
    tuple[Point, ...],
    Field(strict=False),
    BeforeValidator(lambda given: [given] if isinstance(given, dict) else given),
]
