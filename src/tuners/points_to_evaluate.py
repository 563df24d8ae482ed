"""Checks the configurations of `tuner.points_to_evaluate`, which run before all others."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner as kt

from hypermodels.losses import LOSS_HYPERPARAMETERS
from src.errors import UserError, nearest
from src.tuners import space as spaces


def check_points(
    given: Sequence[Mapping[str, Any]], space: kt.HyperParameters, known: Sequence[str], owner: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Checks every value before anything runs; `UserError` has a line for each mistake.

    Args:
        given: values by name; hyperparameters without a value take their default.
        space: pinned and narrowed.
        known: names that the HyperModel declares, which messages call `owner`.
        owner: name of the HyperModel.

    Returns:
        The given values of active hyperparameters, in their own types; and which given values have
        no effect, a sentence each.
    """
    mistakes: list[str] = []
    notices: list[str] = []
    checked: list[dict[str, Any]] = []
    for number, entry in enumerate(given, 1):
        place = f"tuner.points_to_evaluate, entry {number}: "
        values: dict[str, Any] = {}
        whole = spaces.default_values(space.space, entry)
        for hp in space.space:
            if hp.name in entry and spaces.is_active(hp, whole):
                own = spaces.own_value(hp, entry[hp.name])
                if own is None:
                    pinned = "" if spaces.is_searched(hp) else f", as space.{hp.name} pins it"
                    valid = spaces.domain_text(hp) + pinned
                    mistakes.append(place + spaces.invalid_text(hp, entry[hp.name], valid))
                else:
                    values[hp.name] = own
        for name in entry:
            if name not in (*known, *LOSS_HYPERPARAMETERS):
                hint = nearest(name, known)
                mistakes.append(f"{place}{name}: {owner} has no such hyperparameter.{hint}")
            elif name not in values:
                notices.append(f"{place}{name} has no effect")
        checked.append(values)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return checked, notices


def brief(values: Mapping[str, Any]) -> str:
    """A configuration on one line."""
    texts = (f"{name} {spaces.format_value(name, value)}" for name, value in values.items())
    return ", ".join(texts) or "the default configuration"
