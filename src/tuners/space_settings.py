"""Pins and narrows a search space as the user asks, with a message for each mistake."""

from collections.abc import Collection, Mapping
from math import log
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, Int

from src.config.schema import TrainingSettings
from src.errors import UserError, nearest
from src.tuners.space import format_value, possible_values, reachable, without_values

Limits = Mapping[str, tuple[float, float]]

MOST_STEPS = 1000  # a range of floats in more steps than that is meant to be continuous


def narrow(
    space: kt.HyperParameters, settings: Mapping[str, Any], limits: Limits
) -> kt.HyperParameters:
    """Applies the configuration's `space` section; names that `space` lacks are passed over.

    Hyperparameters that can never be active any more are fixed, so that no oracle spends a
    dimension on them.

    Args:
        space: all hyperparameters.
        settings: per name a value (pins it), a list (the choices) or a mapping with `min`, `max`
            and `step` (the range).
        limits: hard lower and upper limits of numeric hyperparameters, within which they may leave
            their declared ranges.

    Raises:
        UserError: for a value that the hyperparameter cannot take.
    """
    narrowed = [
        _with_maximum(_narrowed(hp, settings[hp.name], limits) if hp.name in settings else hp)
        for hp in space.space
    ]
    alive = reachable(narrowed)
    result = kt.HyperParameters()
    for hp in narrowed:
        if not any(hp is other for other in alive) and not isinstance(hp, Fixed):
            hp = Fixed(hp.name, hp.default, conditions=hp.conditions)
        result.merge([hp])
    return without_values(result)


def check_effect(space: kt.HyperParameters, names: Collection[str]) -> None:
    """Raises `UserError` for names in a narrowed space that no trial can ever have.

    Args:
        space: as `narrow` gives it.
        names: those that the user has set.
    """
    alive = {hp.name for hp in reachable(space.space)}
    for hp in space.space:
        if hp.name in names and hp.name not in alive:
            needed = " and ".join(
                f"{c.name} is {' or '.join(format_value(c.name, value) for value in c.values)}"
                for c in hp.conditions
            )
            raise UserError(
                f"space.{hp.name}: has no effect; it counts only where {needed}, which the rest "
                "of the space rules out; leave it out, or open that"
            )


def check_training(space: kt.HyperParameters, training: TrainingSettings) -> None:
    """Raises `UserError` for settings of `training` that no trial of the space can feel.

    Args:
        space: as `narrow` gives it.
        training: the configuration's section.
    """

    def has(name: str, off: Any) -> bool:
        return any(value != off for value in possible_values(space, name))

    def complain(key: str, why: str) -> None:
        value = getattr(training, key)
        if value != type(training).model_fields[key].default:
            raise UserError(f"training.{key}: {value!r} has no effect with {why}")

    if not has("schedule", "constant") and not has("warmup", "none"):
        complain(
            "schedule_unit",
            "space.schedule: 'constant'; leave it epoch, or open the schedule or space.warmup",
        )


def _narrowed(hp: Any, setting: Any, limits: Limits) -> Any:
    if isinstance(setting, Mapping):
        return _ranged(hp, setting, limits)
    if isinstance(setting, (list, tuple)):
        values = [_checked(hp, value, limits) for value in setting]
        if isinstance(hp, Boolean) and len(values) > 1:
            return hp  # a `Choice` would turn true and false into 1 and 0
        default = hp.default if hp.default in values else values[0]
        if len(values) > 1:
            return Choice(hp.name, values, default=default, conditions=hp.conditions)
        setting = values[0]
    return Fixed(hp.name, _checked(hp, setting, limits), conditions=hp.conditions)


def _checked(hp: Any, value: Any, limits: Limits) -> Any:
    """Returns `value` in the hyperparameter's own type, or raises."""
    key = f"space.{hp.name}"
    if isinstance(hp, Boolean) or (isinstance(hp, Fixed) and isinstance(hp.value, bool)):
        if not isinstance(value, bool):
            raise UserError(f"{key}: {value!r} is not valid; true or false")
        return value
    known = tuple(hp.values) if isinstance(hp, (Choice, Fixed)) else None
    if known is not None and isinstance(known[0], str):
        if value not in known:
            raise UserError(
                f"{key}: '{value}' is not one of its choices.{nearest(str(value), known)} "
                f"Valid: {', '.join(known)}"
            )
        return value
    integral = isinstance(hp, Int) or (known is not None and isinstance(known[0], int))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        kind = "an integer" if integral else "a number"
        raise UserError(f"{key}: {value!r} is not valid; {kind}{_bounds(hp, known, limits)}")
    if integral and value != int(value):
        raise UserError(f"{key}: {value} is not valid; an integer{_bounds(hp, known, limits)}")
    if known is not None and hp.name not in limits:
        allowed = value in known
    else:
        low, high = limits.get(hp.name) or (hp.min_value, hp.max_value)
        allowed = low <= value <= high
    if not allowed:
        kind = "an integer" if integral else "a number"
        raise UserError(f"{key}: {value} is not valid; {kind}{_bounds(hp, known, limits)}")
    return int(value) if integral else float(value)


def _bounds(hp: Any, known: tuple[Any, ...] | None, limits: Limits) -> str:
    if hp.name in limits or known is None:
        low, high = limits.get(hp.name) or (hp.min_value, hp.max_value)
        return f" from {low:g} to {high:g}"
    return " among " + ", ".join(format_value(hp.name, value) for value in known)


def _ranged(hp: Any, setting: Mapping[str, Any], limits: Limits) -> Any:
    key = f"space.{hp.name}"
    if not isinstance(hp, (Int, Float)):
        valid = ", ".join(format_value(hp.name, value) for value in hp.values)
        raise UserError(
            f"{key}: {_words(setting)} is not valid; it has choices, not a range: give one of "
            f"{valid}, or a list of them"
        )
    low = _checked(hp, setting.get("min", hp.min_value), limits)
    high = _checked(hp, setting.get("max", hp.max_value), limits)
    if low > high:
        raise UserError(
            f"{key}: {_words(setting)} is not valid; min {low:g} is above max {high:g}"
            f" (declared: {hp.min_value:g} to {hp.max_value:g}); give both"
        )
    logarithmic = hp.sampling != "linear"
    if logarithmic and low <= 0:
        raise UserError(f"{key}.min: {low:g} is not valid; above 0, as its scale is logarithmic")
    step = setting.get("step", hp.step)
    if step is not None and logarithmic and step <= 1:
        raise UserError(f"{key}.step: {step:g} is not valid; above 1, as its scale is logarithmic")
    if isinstance(hp, Int) and step is not None and step != int(step):
        raise UserError(f"{key}.step: {step:g} is not valid; an integer")
    if step is not None and isinstance(hp, Float):
        steps = log(high / low, step) if logarithmic else (high - low) / step
        if steps > MOST_STEPS:
            raise UserError(
                f"{key}.step: {step} is not valid; at most {MOST_STEPS:,} steps from {low:g} to "
                f"{high:g}"
            )
    if low == high:
        return Fixed(hp.name, low, conditions=hp.conditions)
    return type(hp)(
        hp.name,
        low,
        high,
        step=int(step) if step is not None and isinstance(hp, Int) else step,
        sampling=hp.sampling,
        default=min(max(hp.default, low), high),
        conditions=hp.conditions,
    )


def _with_maximum(hp: Any) -> Any:
    """Returns a `Float` with a step as a `Choice`, as its own values lose the maximum to rounding.

    Anything else is returned as it is.
    """
    if not isinstance(hp, Float) or hp.step is None:
        return hp
    low, high = hp.min_value, hp.max_value
    values: list[float] = []
    while True:
        index = len(values)
        value = low + index * hp.step if hp.sampling == "linear" else low * hp.step**index
        if value > high + 1e-9 * (high - low):
            break
        values.append(float(f"{min(value, high):.12g}"))
    if hp.sampling == "reverse_log":
        values = [float(f"{low + high - value:.12g}") for value in reversed(values)]
    default = min(values, key=lambda value: abs(value - hp.default))
    return Choice(hp.name, values, default=default, conditions=hp.conditions)


def _words(setting: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in setting.items()) + "}"
