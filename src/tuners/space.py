"""The search space that a HyperModel declares: its discovery, its values, its description."""

import copy
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from math import isclose
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, Int

from src.config.fields import batch_word
from src.errors import UserError, nearest
from src.tuners.user_code import own_line


def restored(config: Mapping[str, Any]) -> kt.HyperParameters:
    """Like `HyperParameters.from_config`, but leaves its argument as it is."""
    space = [hp | {"config": dict(hp["config"])} for hp in config["space"]]
    return kt.HyperParameters.from_config({"space": space, "values": config["values"]})


def sharing(hp: kt.HyperParameters, values: dict[str, Any]) -> kt.HyperParameters:
    """Returns hyperparameters with other values that share the space of `hp`.

    Keras Tuner's copies of a space take milliseconds, and most of the memory of a long search.
    """
    shared = copy.copy(hp)
    shared.values = values
    shared.active_scopes, shared.inactive_scopes = [], []
    return shared


class SpaceReader:
    """Does what `restored` does, faster where the space is the same as the time before."""

    def __init__(self) -> None:
        self._config: list[dict[str, Any]] = []
        self._read = kt.HyperParameters()

    def read(self, config: Mapping[str, Any]) -> kt.HyperParameters:
        """The hyperparameters that `get_config` described."""
        has_grown = len(self._read.space) != len(self._config)  # a build declared more
        if has_grown or self._config != config["space"]:
            self._config, self._read = config["space"], restored(config)
        return sharing(self._read, dict(config["values"]))


def discover(hypermodel: Any, owner: str = "the HyperModel") -> kt.HyperParameters:
    """Returns every hyperparameter of a HyperModel, which messages call `owner`, without values.

    One build checks what `declare_hyperparameters` declares. Only if that build finds more does
    Keras Tuner build the model again and again, once for each conditional branch. Raises
    `UserError` if the model cannot be built with its defaults, with the line that raised.
    """
    hp = kt.HyperParameters()
    try:
        hypermodel.declare_hyperparameters(hp)
        declared = len(hp.space)
        hypermodel.build(hp)
    except Exception as error:  # a user's HyperModel may raise anything
        line = own_line(error, type(hypermodel))
        raise UserError(
            f"{owner} cannot be built with its defaults: {type(error).__name__}: {error}\n  {line}"
        ) from error
    if len(hp.space) > declared:
        with tempfile.TemporaryDirectory() as folder:
            tuner = kt.engine.base_tuner.BaseTuner(kt.Oracle("loss"), hypermodel, directory=folder)
            hp = tuner.oracle.get_space()
    return restored({"space": hp.get_config()["space"], "values": {}})


def check_names(space: kt.HyperParameters, names: Iterable[str], owner: str) -> None:
    """Raises `UserError`, a line each, for names that are no hyperparameters of `owner`."""
    known = list(dict.fromkeys(hp.name for hp in space.space))
    lines = [
        f"space.{name}: {owner} has no such hyperparameter.{nearest(name, known)}"
        for name in names
        if name not in known
    ]
    if lines:
        raise UserError("\n".join([*lines, f"It has: {', '.join(known)}"]))


def is_active(hp: Any, values: Mapping[str, Any]) -> bool:
    """Whether the conditions of a hyperparameter are met."""
    return all(condition.is_active(values) for condition in hp.conditions)


def is_continuous(hp: Any) -> bool:
    """Whether the hyperparameter is a range of floats without a step."""
    return isinstance(hp, Float) and hp.step is None


def is_searched(hp: Any) -> bool:
    """Whether the hyperparameter has more than one value."""
    if isinstance(hp, (Int, Float)):
        return bool(hp.min_value < hp.max_value)
    return len(hp.values) > 1


def finite_values(hp: Any) -> Sequence[Any]:
    """All values of a hyperparameter that is not continuous."""
    if isinstance(hp, Int) and (hp.step is None or hp.sampling == "linear"):
        # Of a logarithmic range without a step, `hp.values` holds ten samples only.
        return range(hp.min_value, hp.max_value + 1, hp.step or 1)
    return tuple(int(value) for value in hp.values) if isinstance(hp, Int) else tuple(hp.values)


def nearest_index(values: Sequence[Any], value: float) -> int:
    """The index of the nearest of some numbers; of a range at once, however long it is."""
    if isinstance(values, range):
        return min(max(round((value - values.start) / values.step), 0), len(values) - 1)
    distances = [abs(own - value) for own in values]
    return distances.index(min(distances))


def reachable(space: Sequence[Any]) -> list[Any]:
    """The hyperparameters that some choice of values makes active, pinned ones included."""
    possible: dict[str, list[Sequence[Any]]] = {}
    found = []
    for hp in space:  # parents come before their children
        if all(
            any(value in values for values in possible.get(c.name, []) for value in c.values)
            for c in hp.conditions
        ):
            found.append(hp)
            possible.setdefault(hp.name, []).append(() if is_continuous(hp) else finite_values(hp))
    return found


def searched_names(space: kt.HyperParameters) -> set[str]:
    """Names of the hyperparameters that can be active and have more than one value."""
    return {hp.name for hp in reachable(space.space) if is_searched(hp)}


def possible_values(space: kt.HyperParameters, name: str) -> list[Any]:
    """The sorted values that a hyperparameter can have; of a continuous one its two ends."""
    found: list[Any] = []
    for hp in reachable(space.space):
        if hp.name == name:
            found += [hp.min_value, hp.max_value] if is_continuous(hp) else finite_values(hp)
    return sorted(found)


def default_values(space: Sequence[Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns a whole configuration: the given value of each active hyperparameter, or its default.

    A default that is outside a range or between two steps is moved to the nearest value.
    """
    known, values = given or {}, dict[str, Any]()
    for hp in space:
        if is_active(hp, values):
            values[hp.name] = known[hp.name] if hp.name in known else _valid_default(hp)
    return values


def own_value(hp: Any, value: Any) -> Any:
    """Returns `value` in the hyperparameter's own type, rounding errors undone; None if invalid."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(hp, Boolean) or not is_number:
        return value if has_value(hp, value) else None
    if is_continuous(hp):
        number = float(value)
        return min(max(number, hp.min_value), hp.max_value) if has_value(hp, number) else None
    values = finite_values(hp)
    if isinstance(values, range):
        return int(value) if float(value).is_integer() and int(value) in values else None
    numbers = (own for own in values if type(own) in (int, float))
    return next((own for own in numbers if isclose(own, value, rel_tol=1e-9)), None)


def has_value(hp: Any, value: Any) -> bool:
    """Whether the hyperparameter's type and ends allow a value, but for rounding."""
    if isinstance(hp, (Boolean, Choice, Fixed)):
        return any(value == valid and type(value) is type(valid) for valid in hp.values)
    if isinstance(value, bool) or not isinstance(value, int if isinstance(hp, Int) else float):
        return False
    rounding = 0 if isinstance(hp, Int) else 1e-9 * max(abs(hp.min_value), abs(hp.max_value))
    return bool(hp.min_value - rounding <= value <= hp.max_value + rounding)


def _valid_default(hp: Any) -> Any:
    if not isinstance(hp, (Int, Float)):
        return hp.default
    default = min(max(hp.default, hp.min_value), hp.max_value)
    values = (float(default),) if is_continuous(hp) else finite_values(hp)
    return values[nearest_index(values, default)]


def widest(
    space: kt.HyperParameters, limits: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """How far a user may set each number: to the HyperModel's limit, or its declared range."""
    numbers = [hp for hp in space.space if hp.name in limits or isinstance(hp, (Int, Float))]
    ends = {hp.name: limits.get(hp.name) or (hp.min_value, hp.max_value) for hp in numbers}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def domain_text(hp: Any) -> str:
    """The values of a hyperparameter in words."""
    if isinstance(hp, (Boolean, Choice, Fixed)):
        return _listed(hp.name, hp.values)
    low, high = format_value(hp.name, hp.min_value), format_value(hp.name, hp.max_value)
    if not is_searched(hp):
        return low
    notes = ["log"] if hp.sampling == "log" else []
    if hp.step not in (None, 1):
        notes.append(f"step {format_value(hp.name, hp.step)}")
    return f"{low} … {high}" + (f" ({', '.join(notes)})" if notes else "")


def condition_text(hp: Any) -> str:
    """When a hyperparameter is active: `optimizer is momentum or nesterov`."""
    return " and ".join(f"{c.name} is {_listed(c.name, c.values, ' or ')}" for c in hp.conditions)


def invalid_text(hp: Any, value: Any, valid: str) -> str:
    """Says that a user's value is not valid, what is, and which choice is nearest."""
    texts = [own for own in getattr(hp, "values", ()) if isinstance(own, str)]
    hint = nearest(value, texts) if isinstance(value, str) else ""
    shown = f"'{value}'" if isinstance(value, str) else format_value(hp.name, value)
    return f"{hp.name}: {shown} is not valid.{hint} Valid: {valid}"


def format_value(name: str, value: Any) -> str:
    """A value as tables show it: six digits, a word for a batch size that has one."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return batch_word(name, value) or text


def _listed(name: str, values: Iterable[Any], separator: str = ", ") -> str:
    return separator.join(format_value(name, value) for value in values)
