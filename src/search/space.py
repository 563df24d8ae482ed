"""The search space: what a HyperModel declares, pinned and narrowed as the user asks."""

import tempfile
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, Int

from src.errors import UserError, nearest
from src.search.enumeration import Enumeration

Limits = Mapping[str, tuple[float, float]]

MOST_STEPS = 1000  # a range of floats in more steps than that is meant to be continuous


def discover(hypermodel: Any, owner: str = "the HyperModel") -> kt.HyperParameters:
    """Returns every hyperparameter of a HyperModel.

    What `declare_hyperparameters` declares needs one build to be checked. Only if that build finds
    more does Keras Tuner build the model again and again, once for each conditional branch.

    Args:
        hypermodel: any Keras Tuner HyperModel.
        owner: how messages call it.

    Raises:
        UserError: if the model cannot be built with its defaults, with the line that raised.
    """
    hp = kt.HyperParameters()
    try:
        hypermodel.declare_hyperparameters(hp)
        declared = len(hp.space)
        hypermodel.build(hp)
    except Exception as error:  # a HyperModel of any user's may raise anything
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "site-packages" not in frame.filename]
        line = f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}" if own else ""
        raise UserError(
            f"{owner} cannot be built with its defaults: {type(error).__name__}: {error}\n  {line}"
        ) from error
    if len(hp.space) == declared:
        return _without_values(hp)
    with tempfile.TemporaryDirectory() as folder:
        tuner = kt.engine.base_tuner.BaseTuner(kt.Oracle("loss"), hypermodel, directory=folder)
        return tuner.oracle.get_space()


def check_names(space: kt.HyperParameters, names: Iterable[str], owner: str) -> None:
    """Raises `UserError`, a line each, for names that are no hyperparameters of `owner`."""
    known = list(dict.fromkeys(hp.name for hp in space.space))
    unknown = [name for name in names if name not in known]
    if unknown:
        lines = [
            f"space.{name}: {owner} has no such hyperparameter.{nearest(name, known)}"
            for name in unknown
        ]
        raise UserError("\n".join([*lines, f"It has: {', '.join(known)}"]))


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
    reachable = _reachable(narrowed)
    result = kt.HyperParameters()
    for hp in narrowed:
        if id(hp) not in reachable and not isinstance(hp, Fixed):
            hp = Fixed(hp.name, hp.default, conditions=hp.conditions)
        result.merge([hp])
    return _without_values(result)


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter, for people.

    Attributes:
        name: its name.
        domain: its values in words, `0.0003 … 0.03 (log)`.
        condition: when it is active, `optimizer: momentum, nesterov`; empty for always.
        searched: whether it has more than one value.
    """

    name: str
    domain: str
    condition: str
    searched: bool


def dimensions(space: kt.HyperParameters) -> list[Dimension]:
    """Describes every hyperparameter that can be active, in order."""
    reachable = _reachable(space.space)
    return [
        Dimension(
            name=hp.name,
            domain=_domain(hp),
            condition="; ".join(
                f"{c.name}: {', '.join(format_value(c.name, value) for value in c.values)}"
                for c in hp.conditions
            ),
            searched=is_searched(hp),
        )
        for hp in space.space
        if id(hp) in reachable
    ]


def searched_names(space: kt.HyperParameters) -> set[str]:
    """Names of the hyperparameters that can be active and have more than one value."""
    return {dimension.name for dimension in dimensions(space) if dimension.searched}


def reachable_hyperparameters(space: kt.HyperParameters) -> list[Any]:
    """The hyperparameters that can be active, pinned ones included, in order."""
    reachable = _reachable(space.space)
    return [hp for hp in space.space if id(hp) in reachable]


@dataclass(frozen=True)
class Size:
    """How large a space is.

    Attributes:
        points: combinations of the hyperparameters that have finitely many values, conditional
            branches counted where they are active.
        continuous: names of the hyperparameters that have a continuum of values.
    """

    points: int
    continuous: tuple[str, ...]

    def __str__(self) -> str:
        points = f"{self.points:,} combination{'s' if self.points != 1 else ''}"
        if not self.continuous:
            return points
        return f"{points} × {len(self.continuous)} continuous ({', '.join(self.continuous)})"


def size(space: kt.HyperParameters) -> Size:
    """Counts the space exactly."""
    continuous = [
        hp.name for hp in reachable_hyperparameters(space) if is_searched(hp) and is_continuous(hp)
    ]
    points = Enumeration(
        space.space, lambda hp: (None,) if is_continuous(hp) else finite_values(hp)
    ).size
    return Size(points, tuple(dict.fromkeys(continuous)))


def is_continuous(hp: Any) -> bool:
    """Whether the hyperparameter has a continuum of values: a range of floats without a step."""
    return isinstance(hp, Float) and hp.step is None


def is_searched(hp: Any) -> bool:
    """Whether the hyperparameter has more than one value."""
    if isinstance(hp, Fixed):
        return False
    if isinstance(hp, Choice):
        return len(hp.values) > 1
    return isinstance(hp, Boolean) or hp.min_value < hp.max_value


def finite_values(hp: Any) -> Sequence[Any]:
    """All values of a hyperparameter that has no continuum of them, a pinned one's included."""
    if isinstance(hp, Int) and hp.step in (None, 1):
        # Of a logarithmic range, `hp.values` holds a sample only.
        return range(hp.min_value, hp.max_value + 1)
    if isinstance(hp, Int):
        return tuple(int(value) for value in hp.values)
    return tuple(hp.values)


def format_value(name: str, value: Any) -> str:
    """A value as tables show it: six digits, `full` for a batch of the whole training set."""
    if name == "batch_size" and value == 0:
        return "full"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def exact_value(name: str, value: Any) -> Any:
    """A value as files keep it: itself, but `full` for a batch of the whole training set."""
    return "full" if name == "batch_size" and value == 0 else value


def _without_values(space: kt.HyperParameters) -> kt.HyperParameters:
    empty = space.copy()
    empty.values = {}
    return empty


def _reachable(space: Sequence[Any]) -> set[int]:
    """Ids of the hyperparameters that some choice of values makes active."""
    possible: dict[str, list[Sequence[Any]]] = {}
    reachable = set()
    for hp in space:  # parents come before their children
        if all(
            any(value in values for values in possible.get(c.name, []) for value in c.values)
            for c in hp.conditions
        ):
            reachable.add(id(hp))
            values = () if is_continuous(hp) else finite_values(hp)
            possible.setdefault(hp.name, []).append(values)
    return reachable


def _domain(hp: Any) -> str:
    if isinstance(hp, (Boolean, Choice, Fixed)):
        return ", ".join(format_value(hp.name, value) for value in hp.values)
    if not is_searched(hp):
        return format_value(hp.name, hp.min_value)
    low, high = format_value(hp.name, hp.min_value), format_value(hp.name, hp.max_value)
    notes = ["log"] if hp.sampling == "log" else []
    if hp.step not in (None, 1):
        notes.append(f"step {format_value(hp.name, hp.step)}")
    return f"{low} … {high}" + (f" ({', '.join(notes)})" if notes else "")


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
                f"{key}.step: {step:g} is not valid; at most {MOST_STEPS:,} steps from {low:g} to "
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
