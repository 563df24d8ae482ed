"""Checks the configurations of `tuner.points_to_evaluate`, which run before all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt

from hypermodels.losses import LOSS_HYPERPARAMETERS
from src.errors import UserError, nearest
from src.tuners import space as spaces


@dataclass(frozen=True)
class InitialConfigurations:
    """Configurations that are checked.

    Attributes:
        values: of each what is given for a hyperparameter that is active, in its own type.
        notices: what of them has no effect, a sentence each.
    """

    values: tuple[dict[str, Any], ...] = ()
    notices: tuple[str, ...] = ()


def check_initial(
    given: Sequence[Mapping[str, Any]], space: kt.HyperParameters, known: Sequence[str], owner: str
) -> InitialConfigurations:
    """Checks every value before anything runs.

    Args:
        given: values by name; hyperparameters without one take their default.
        space: pinned and narrowed.
        known: names that the HyperModel has.
        owner: how messages call the HyperModel.

    Raises:
        UserError: a line a mistake, naming the entry, the hyperparameter, the value and what is
            valid.
    """
    mistakes: list[str] = []
    notices: list[str] = []
    checked: list[dict[str, Any]] = []
    whole: list[dict[str, Any]] = []
    for number, entry in enumerate(given, 1):
        place = f"tuner.points_to_evaluate, entry {number}: "
        for name in entry:
            if name not in known and name not in LOSS_HYPERPARAMETERS:
                mistakes.append(
                    f"{place}{name}: {owner} has no such hyperparameter.{nearest(name, known)} "
                    "Leave it out"
                )
        values = spaces.default_values(space.space, entry)
        active = [
            hp
            for hp in space.space
            if hp.name in entry and all(condition.is_active(values) for condition in hp.conditions)
        ]
        mistakes += [place + _mistake(hp, entry[hp.name]) for hp in active if not _fits(hp, entry)]
        names = {hp.name for hp in active}
        for name in entry:
            if name not in names and name in (*known, *LOSS_HYPERPARAMETERS):
                notices.append(f"{place}{name} has no effect{_why(space, name)}")
        if values in whole:
            notices.append(f"{place}is the same as entry {whole.index(values) + 1}; it runs once")
        whole.append(values)
        checked.append({name: values[name] for name in values if name in names})
    if mistakes:
        raise UserError("\n".join(mistakes))
    return InitialConfigurations(tuple(checked), tuple(notices))


def _fits(hp: Any, entry: Mapping[str, Any]) -> bool:
    return spaces.own_value(hp, entry[hp.name]) is not None


def _mistake(hp: Any, value: Any) -> str:
    valid = spaces.domain_text(hp)
    hint = ""
    if isinstance(value, str):
        hint = nearest(value, [own for own in getattr(hp, "values", ()) if isinstance(own, str)])
    pinned = "" if spaces.is_searched(hp) else f", as space.{hp.name} pins it"
    written = f"'{value}'" if isinstance(value, str) else spaces.format_value(hp.name, value)
    return f"{hp.name}: {written} is not valid.{hint} Valid: {valid}{pinned}"


def _why(space: kt.HyperParameters, name: str) -> str:
    """When a hyperparameter counts."""
    whens = [
        " and ".join(
            f"{c.name} is {' or '.join(spaces.format_value(c.name, v) for v in c.values)}"
            for c in hp.conditions
        )
        for hp in space.space
        if hp.name == name and hp.conditions
    ]
    return f": it counts only where {'; or '.join(whens)}" if whens else " on this data"


def brief(values: Mapping[str, Any]) -> str:
    """A configuration on one line."""
    texts = (f"{name} {spaces.format_value(name, value)}" for name, value in values.items())
    return ", ".join(texts) or "the default configuration"
