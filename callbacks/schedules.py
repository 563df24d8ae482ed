"""Learning-rate schedules: pure functions of training progress that give a factor on the base rate.

Progress runs from 0 to 1 over the whole planned training. A schedule of your own is such a function
in a new file, its parameters annotated as they are here, and one line in `SCHEDULES`.
"""

import functools
import inspect
import math
import numbers
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from callbacks import names

SCHEDULES: dict[str, str] = {
    "constant": "callbacks.schedules:constant",
    "step": "callbacks.schedules:step",
    "exponential": "callbacks.schedules:exponential",
    "inverse_time": "callbacks.schedules:inverse_time",
    "inverse_sqrt": "callbacks.schedules:inverse_sqrt",
    "linear": "callbacks.schedules:linear",
    "piecewise_constant": "callbacks.schedules:piecewise_constant",
    "cosine": "callbacks.schedules:cosine",
}


@dataclass(frozen=True)
class Range:
    """Where a search looks for a schedule's parameter, and which values make sense at all.

    Attributes:
        min: smallest value searched.
        max: largest value searched, included.
        default: value tried first.
        log: whether the search samples on a logarithmic scale; `min` is then above 0.
        valid: closed interval of the values that the schedule is defined for; it contains the
            search range, and a user may pin any value within. None for the search range itself.
    """

    min: float
    max: float
    default: float
    log: bool = False
    valid: tuple[float, float] | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """The closed interval of the values that may be given."""
        return self.valid or (self.min, self.max)


# A parameter that several schedules share has one range, because it is one hyperparameter.
Factor = Annotated[float, Range(0.1, 0.9, 0.5, log=True, valid=(1e-6, 1.0))]
Every = Annotated[float, Range(0.05, 0.5, 0.2, valid=(1e-6, 1.0))]
Rate = Annotated[float, Range(0.1, 10.0, 3.0, log=True, valid=(0.0, 1e6))]
Final = Annotated[float, Range(1e-3, 0.5, 0.01, log=True, valid=(0.0, 1.0))]
Boundary = Annotated[float, Range(0.2, 0.9, 0.5, valid=(0.0, 1.0))]
Value = Annotated[float, Range(0.01, 0.5, 0.1, log=True, valid=(1e-6, 1.0))]


def constant(progress: float) -> float:  # noqa: ARG001 - every schedule takes the progress
    """`1`: the base rate throughout."""
    return 1.0


def step(progress: float, *, factor: Factor, every: Every) -> float:
    """`factor ** floor(progress / every)`: a cut after each fraction `every` of the training.

    As `keras.optimizers.schedules.ExponentialDecay` with `staircase=True`.
    """
    # Rounded, because 0.3 / 0.1 is 2.9999999999999996.
    return float(factor ** math.floor(round(progress / every, 9)))


def exponential(progress: float, *, rate: Rate) -> float:
    """`exp(-rate × progress)`, as `keras.optimizers.schedules.ExponentialDecay`."""
    return math.exp(-rate * progress)


def inverse_time(progress: float, *, rate: Rate) -> float:
    """`1 / (1 + rate × progress)`, as `keras.optimizers.schedules.InverseTimeDecay`.

    Robbins and Monro, "A stochastic approximation method" (1951), asks for this order of decay.
    """
    return 1 / (1 + rate * progress)


def inverse_sqrt(progress: float, *, rate: Rate) -> float:
    """`1 / sqrt(1 + rate × progress)`, the decay of Vaswani et al., "Attention is all you need".

    There the rate falls as `1 / sqrt(step)` after the warm-up; `rate` is the length of the training
    in units of the point from which the decay counts.
    """
    return 1 / math.sqrt(1 + rate * progress)


def linear(progress: float, *, final: Final) -> float:
    """`1 + (final - 1) × progress`, as `keras.optimizers.schedules.PolynomialDecay`, power 1."""
    return 1 + (final - 1) * progress


def piecewise_constant(progress: float, *, boundary: Boundary, value: Value) -> float:
    """`1` before `boundary`, `value` from it on.

    As `keras.optimizers.schedules.PiecewiseConstantDecay`, which however makes the cut one step
    after its boundary.
    """
    return value if progress >= boundary else 1.0


def cosine(progress: float, *, final: Final) -> float:
    """`final + (1 - final) × (1 + cos(π × progress)) / 2`.

    Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts" (2017), without
    restarts; as `keras.optimizers.schedules.CosineDecay`.
    """
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def get_schedule(name: str, parameters: Mapping[str, float]) -> Callable[[float], float]:
    """Returns the schedule `name` as a function of progress alone.

    Example:
        >>> get_schedule("linear", {"final": 0.5})(0.5)
        0.75

    Raises:
        ValueError: if the name is unknown, a parameter is missing or not one of the schedule's, or
            a value is outside the interval that the schedule is defined for.
    """
    ranges = parameters_of(name)
    takes = f"schedule '{name}' takes {', '.join(ranges) or 'no parameters'}"
    if missing := [parameter for parameter in ranges if parameter not in parameters]:
        raise ValueError(f"{takes}; missing: {', '.join(missing)}")
    if extra := [parameter for parameter in parameters if parameter not in ranges]:
        raise ValueError(f"{takes}; got {', '.join(extra)} too.{names.nearest(extra[0], ranges)}")
    for parameter, value in parameters.items():
        lowest, highest = ranges[parameter].limits
        if not isinstance(value, numbers.Real) or not lowest <= value <= highest:
            raise ValueError(
                f"schedule '{name}': {parameter} must be a number from {lowest:g} to {highest:g}, "
                f"but got {value!r}"
            )
    return functools.partial(names.load(SCHEDULES, name, "schedule"), **parameters)


def parameters_of(name: str) -> dict[str, Range]:
    """Returns the parameters of the schedule `name`, in the order of its signature.

    Raises:
        ValueError: if the name is unknown, or a parameter's annotation has no `Range`.
    """
    function = names.load(SCHEDULES, name, "schedule")
    hints = typing.get_type_hints(function, include_extras=True)
    found = {}
    for parameter in list(inspect.signature(function).parameters)[1:]:  # the first is progress
        metadata = getattr(hints.get(parameter), "__metadata__", ())
        ranges = [item for item in metadata if isinstance(item, Range)]
        if not ranges:
            raise ValueError(
                f"schedule '{name}': annotate the parameter {parameter} as "
                "Annotated[float, Range(min, max, default)]"
            )
        found[parameter] = ranges[0]
    return found


def all_parameters() -> dict[str, tuple[Range, list[str]]]:
    """Returns each parameter of the registered schedules: its range and the schedules that use it.

    Raises:
        ValueError: if two schedules give one parameter different ranges.
    """
    found: dict[str, tuple[Range, list[str]]] = {}
    for schedule in SCHEDULES:
        for parameter, search in parameters_of(schedule).items():
            known, users = found.setdefault(parameter, (search, []))
            if search != known:
                raise ValueError(
                    f"schedules '{users[0]}' and '{schedule}' give their parameter {parameter} "
                    f"different ranges, {known} and {search}: rename one of the parameters"
                )
            users.append(schedule)
    return found
