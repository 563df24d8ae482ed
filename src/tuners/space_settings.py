"""Applies what a user says of the space: the section `space`, `tuner.points_to_evaluate`."""

from collections.abc import Collection, Mapping, Sequence
from itertools import count, islice, takewhile
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, Int

from hypermodels.losses import LOSS_HYPERPARAMETERS
from src.config.schema import TrainingSettings
from src.errors import UserError, nearest
from src.text import shown
from src.tuners import space as spaces

Limits = Mapping[str, tuple[float, float]]

MOST_STEPS = 1000  # a range of floats in more steps is meant to be continuous


def narrow(
    space: kt.HyperParameters, settings: Mapping[str, Any], limits: Limits
) -> kt.HyperParameters:
    """Applies the section `space`, as its `settings`, to what the HyperModel declares.

    Names that the space lacks are ignored. Numbers may leave their declared range within `limits`.
    Hyperparameters that can no longer be active are fixed, so that no oracle models them. Raises
    `UserError` for a value that the hyperparameter cannot take.
    """
    narrowed = [
        _with_maximum(_narrowed(hp, settings[hp.name], limits) if hp.name in settings else hp)
        for hp in space.space
    ]
    alive = {id(hp) for hp in spaces.reachable(narrowed)}
    result = kt.HyperParameters()
    for hp in narrowed:
        keeps = id(hp) in alive or isinstance(hp, Fixed)
        result.merge([hp if keeps else Fixed(hp.name, hp.default, conditions=hp.conditions)])
    result.values = {}
    return result


def check_effect(space: kt.HyperParameters, names: Collection[str]) -> None:
    """Raises `UserError` for names that the user has set and no trial of a narrowed space has."""
    alive = {hp.name for hp in spaces.reachable(space.space)}
    for hp in space.space:
        if hp.name in names and hp.name not in alive:
            condition = spaces.condition_text(hp)
            raise UserError(
                f"space.{hp.name}: has no effect: it counts only where {condition}, which the rest "
                "of the space rules out. Leave it out, or widen the rest"
            )


def check_training(space: kt.HyperParameters, training: TrainingSettings) -> None:
    """Raises `UserError` for settings of `training` that have no effect in a narrowed space."""
    unit = training.schedule_unit
    is_constant = set(spaces.possible_values(space, "schedule")) <= {"constant"}
    if unit != "epoch" and is_constant and set(spaces.possible_values(space, "warmup")) <= {"none"}:
        raise UserError(
            f"training.schedule_unit: {unit!r} has no effect with space.schedule: constant without "
            "space.warmup"
        )


def check_points(
    given: Sequence[Mapping[str, Any]], space: kt.HyperParameters, known: Sequence[str], owner: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Checks `tuner.points_to_evaluate` against a narrowed space.

    `known` are the names that the HyperModel declares, which messages call `owner`. Returns the
    given values of active hyperparameters, in their own types; and which given values have no
    effect, a sentence each. Raises `UserError` with a line for each mistake.
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
                values[hp.name] = spaces.own_value(hp, entry[hp.name])
                if values[hp.name] is None:
                    pinned = "" if spaces.is_searched(hp) else f", as space.{hp.name} pins it"
                    valid = spaces.domain_text(hp) + pinned
                    mistakes.append(place + spaces.invalid_text(hp, entry[hp.name], valid))
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


def _narrowed(hp: Any, setting: Any, limits: Limits) -> Any:
    if isinstance(setting, Mapping):
        return _ranged(hp, setting, limits)
    given = setting if isinstance(setting, (list, tuple)) else [setting]
    values = [_checked(hp, value, limits) for value in given]
    if len(values) == 1:
        return Fixed(hp.name, values[0], conditions=hp.conditions)
    if isinstance(hp, Boolean):
        return hp  # a `Choice` would turn true and false into 1 and 0
    default = hp.default if hp.default in values else values[0]
    return Choice(hp.name, values, default=default, conditions=hp.conditions)


def _checked(hp: Any, value: Any, limits: Limits) -> Any:
    if not isinstance(hp, (Int, Float)) and hp.name not in limits:
        own, valid = spaces.own_value(hp, value), spaces.domain_text(hp)
    else:
        low, high = limits.get(hp.name) or (hp.min_value, hp.max_value)
        integral = isinstance(hp.default, int) and not isinstance(hp, Float)
        valid = f"{'an integer' if integral else 'a number'} from {low:g} to {high:g}"
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = is_number and low <= value <= high and (not integral or value == int(value))
        own = (int(value) if integral else float(value)) if fits else None
    if own is None:
        raise UserError(f"space.{spaces.invalid_text(hp, value, valid)}")
    return own


def _ranged(hp: Any, setting: Mapping[str, Any], limits: Limits) -> Any:
    start = f"space.{hp.name}: {shown(dict(setting))} is not valid"
    if not isinstance(hp, (Int, Float)):
        raise UserError(
            f"{start}: it has no range. Valid: one or a list of {spaces.domain_text(hp)}"
        )
    low = _checked(hp, setting.get("min", hp.min_value), limits)
    high = _checked(hp, setting.get("max", hp.max_value), limits)
    try:
        ranged = type(hp)(
            hp.name,
            low,
            high,
            step=setting.get("step", hp.step),
            sampling=hp.sampling,
            default=min(max(hp.default, low), high),
            conditions=hp.conditions,
        )
    except ValueError as error:  # min above max, a scale that starts at 0, a step on a log scale
        raise UserError(f"{start}: {error}") from error
    has_steps = isinstance(ranged, Float) and ranged.step is not None
    if has_steps and next(islice(ranged.values, MOST_STEPS, None), None) is not None:
        raise UserError(f"{start}: at most {MOST_STEPS:,} steps")
    return Fixed(hp.name, low, conditions=hp.conditions) if low == high else ranged


def _with_maximum(hp: Any) -> Any:
    """Returns a `Float` with a step as a `Choice`: Keras Tuner loses its maximum to rounding."""
    if not isinstance(hp, Float) or hp.step is None:
        return hp
    low, high = hp.min_value, hp.max_value
    is_linear, last = hp.sampling == "linear", high + 1e-9 * (high - low)
    steps = (low + n * hp.step if is_linear else low * hp.step**n for n in count())
    inside = takewhile(lambda value: value <= last, steps)
    values = [float(f"{min(value, high):.12g}") for value in inside]
    if hp.sampling == "reverse_log":
        values = [float(f"{low + high - value:.12g}") for value in reversed(values)]
    default = values[spaces.nearest_index(values, hp.default)]
    return Choice(hp.name, values, default=default, conditions=hp.conditions)
