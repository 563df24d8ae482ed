"""The search space: what a HyperModel declares, pinned and narrowed as the user asks."""

import copy
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, Int

from src.config.space import batch_word
from src.errors import UserError, nearest
from src.tuners.enumeration import Enumeration
from src.tuners.user_code import own_line


def restored(config: Mapping[str, Any]) -> kt.HyperParameters:
    """The hyperparameters that `get_config` described, as Keras Tuner's `from_config` gives them.

    It changes what it is given; this does not.
    """
    space = [hp | {"config": dict(hp["config"])} for hp in config["space"]]
    return kt.HyperParameters.from_config({"space": space, "values": config["values"]})


def sharing(hp: kt.HyperParameters, values: dict[str, Any]) -> kt.HyperParameters:
    """Hyperparameters with other values and the very space of `hp`.

    Keras Tuner's own copies of a space take milliseconds each, and most of the memory that a long
    search holds. What is added to the space of either, both have.
    """
    shared = copy.copy(hp)
    shared.values = values
    shared.active_scopes, shared.inactive_scopes = [], []
    return shared


def has_more(hp: kt.HyperParameters, known: kt.HyperParameters) -> bool:
    """Whether a space has hyperparameters that another one has not, under their conditions."""
    conditions: dict[str, list[Any]] = {}
    for one in known.space:
        conditions.setdefault(one.name, []).append(one.conditions)
    return any(one.conditions not in conditions.get(one.name, ()) for one in hp.space)


class SpaceReader:
    """Does what `restored` does, faster where the space is the one that was read before."""

    def __init__(self) -> None:
        self._config: list[dict[str, Any]] = []
        self._read = kt.HyperParameters()

    def read(self, config: Mapping[str, Any]) -> kt.HyperParameters:
        """The hyperparameters that `get_config` described."""
        grown = len(self._read.space) != len(self._config)  # a model was built that has more
        if grown or self._config != config["space"]:
            self._config, self._read = config["space"], restored(config)
        return sharing(self._read, dict(config["values"]))


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
        line = own_line(error, type(hypermodel))
        raise UserError(
            f"{owner} cannot be built with its defaults: {type(error).__name__}: {error}\n  {line}"
        ) from error
    if len(hp.space) == declared:
        return without_values(hp)
    with tempfile.TemporaryDirectory() as folder:
        tuner = kt.engine.base_tuner.BaseTuner(kt.Oracle("loss"), hypermodel, directory=folder)
        return without_values(tuner.oracle.get_space())


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
    return [
        Dimension(
            name=hp.name,
            domain=domain_text(hp),
            condition="; ".join(
                f"{c.name}: {', '.join(format_value(c.name, value) for value in c.values)}"
                for c in hp.conditions
            ),
            searched=is_searched(hp),
        )
        for hp in reachable(space.space)
    ]


def searched_names(space: kt.HyperParameters) -> set[str]:
    """Names of the hyperparameters that can be active and have more than one value."""
    return {dimension.name for dimension in dimensions(space) if dimension.searched}


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
            values = () if is_continuous(hp) else finite_values(hp)
            possible.setdefault(hp.name, []).append(values)
    return found


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
    alive = reachable(space.space)
    continuous = [hp.name for hp in alive if is_searched(hp) and is_continuous(hp)]
    points = Enumeration(
        space.space, lambda hp: (None,) if is_continuous(hp) else finite_values(hp)
    ).size
    return Size(points, tuple(dict.fromkeys(continuous)))


def widest(
    space: kt.HyperParameters, limits: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """How far a user may set each numeric range or choice of numbers: its limits, else itself.

    Args:
        space: as the HyperModel declares it.
        limits: those of the HyperModel.
    """
    found: dict[str, tuple[float, float]] = {}
    for hp in space.space:
        if isinstance(hp, (Int, Float)):
            found[hp.name] = limits.get(hp.name, (hp.min_value, hp.max_value))
        elif hp.name in limits:
            found[hp.name] = limits[hp.name]
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


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
    if isinstance(hp, Int) and (hp.step is None or hp.sampling == "linear"):
        # Of a logarithmic range, `hp.values` holds a sample only.
        return range(hp.min_value, hp.max_value + 1, hp.step or 1)
    if isinstance(hp, Int):
        return tuple(int(value) for value in hp.values)
    return tuple(hp.values)


def default_values(space: Sequence[Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The values of a configuration: of each active hyperparameter what is given, or its default.

    A default that is none of the hyperparameter's values is moved to the nearest.

    Args:
        space: hyperparameters, parents before their children.
        given: values by name; what is not active, or not valid, is passed over.
    """
    values: dict[str, Any] = {}
    for hp in space:
        if all(condition.is_active(values) for condition in hp.conditions):
            value = None if given is None else own_value(hp, given.get(hp.name))
            values[hp.name] = _valid_default(hp) if value is None else value
    return values


def own_value(hp: Any, value: Any) -> Any:
    """The hyperparameter's own value that a given one stands for; None if it has no such value.

    It is of the hyperparameter's own type, and what rounding has done to it is taken back. Steps
    count: a value between two of them is none.
    """
    if isinstance(hp, Boolean):
        return value if isinstance(value, bool) else None
    finite = () if is_continuous(hp) else finite_values(hp)
    if isinstance(value, (str, bool)) or not isinstance(value, (int, float)):
        return next((own for own in finite if own == value and type(own) is type(value)), None)
    try:
        number = float(value)
    except OverflowError:  # an integer that no float can hold
        return None
    if isinstance(finite, range):
        return int(number) if number in finite else None
    if finite:
        numbers = (own for own in finite if type(own) in (int, float))
        return next((own for own in numbers if isclose(own, number, rel_tol=1e-9)), None)
    if not has_value(hp, number):
        return None
    return min(max(number, float(hp.min_value)), float(hp.max_value))


def _valid_default(hp: Any) -> Any:
    default = hp.default
    if not isinstance(hp, (Int, Float)):
        return default
    default = min(max(default, hp.min_value), hp.max_value)
    if is_continuous(hp):
        return float(default)
    values = finite_values(hp)
    if isinstance(values, range):
        return values[round((default - values.start) / values.step)]
    return min(values, key=lambda value: abs(value - default))


def possible_values(space: kt.HyperParameters, name: str) -> list[Any]:
    """The values that a hyperparameter can have, in order; of a continuum its ends.

    There are none where it is never active, or not there.
    """
    found: list[Any] = []
    for hp in reachable(space.space):
        if hp.name == name:
            found += [hp.min_value, hp.max_value] if is_continuous(hp) else finite_values(hp)
    return sorted(found)


def has_value(hp: Any, value: Any) -> bool:
    """Whether a hyperparameter may have a value, but for rounding; steps are not looked at."""
    if isinstance(hp, Boolean):
        return isinstance(value, bool)
    if isinstance(hp, (Choice, Fixed)):
        return any(value == valid and type(value) is type(valid) for valid in hp.values)
    if isinstance(value, bool) or not isinstance(value, int if isinstance(hp, Int) else float):
        return False
    rounding = 0 if isinstance(hp, Int) else 1e-9 * max(abs(hp.min_value), abs(hp.max_value))
    return bool(hp.min_value - rounding <= value <= hp.max_value + rounding)


def format_value(name: str, value: Any) -> str:
    """A value as tables show it: six digits, a word for a batch size that has one."""
    if word := batch_word(name, value):
        return word
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def exact_value(name: str, value: Any) -> Any:
    """A value as files keep it: itself, but a word for a batch size that has one."""
    return batch_word(name, value) or value


def without_values(space: kt.HyperParameters) -> kt.HyperParameters:
    """A copy of the space alone."""
    empty = space.copy()
    empty.values = {}
    return empty


def domain_text(hp: Any) -> str:
    """The values of a hyperparameter in words."""
    if isinstance(hp, (Boolean, Choice, Fixed)):
        return ", ".join(format_value(hp.name, value) for value in hp.values)
    if not is_searched(hp):
        return format_value(hp.name, hp.min_value)
    low, high = format_value(hp.name, hp.min_value), format_value(hp.name, hp.max_value)
    notes = ["log"] if hp.sampling == "log" else []
    if hp.step not in (None, 1):
        notes.append(f"step {format_value(hp.name, hp.step)}")
    return f"{low} … {high}" + (f" ({', '.join(notes)})" if notes else "")
