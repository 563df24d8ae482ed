"""Learning-rate schedules: pure functions of training progress that give a factor on the base rate.

Progress runs from 0 to 1 over the whole planned training. A schedule of your own is such a function
in a new file, its parameters annotated as they are here, and one line in `SCHEDULES`. Lengths reach
it as fractions of the training, also where they were given in epochs.
"""

import functools
import inspect
import math
import numbers
import typing
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from callbacks import names
from callbacks.lengths import LONGEST, as_fraction

SCHEDULES: dict[str, str] = {
    "constant": "callbacks.schedules:constant",
    "step": "callbacks.schedules:step",
    "exponential": "callbacks.schedules:exponential",
    "inverse_time": "callbacks.schedules:inverse_time",
    "inverse_sqrt": "callbacks.schedules:inverse_sqrt",
    "linear": "callbacks.schedules:linear",
    "polynomial": "callbacks.schedules:polynomial",
    "piecewise_constant": "callbacks.schedules:piecewise_constant",
    "cosine": "callbacks.schedules:cosine",
    "cosine_restarts": "callbacks.cyclic_schedules:cosine_restarts",
    "one_cycle": "callbacks.cyclic_schedules:one_cycle",
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
        integer: whether only whole numbers make sense.
        more: where the parameter may be several numbers, the defaults of a search's second, third
            and further ones; a search tries 1 to 1 + len(more) of them, and others may be given.
        length: whether it is a length of the training: below 1 a fraction, from 1 on epochs.
    """

    min: float
    max: float
    default: float
    log: bool = False
    valid: tuple[float, float] | None = None
    integer: bool = False
    more: tuple[float, ...] = ()
    length: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """The closed interval of the values that may be given."""
        return self.valid or (self.min, self.max)


# A parameter that several schedules share has one range, because it is one hyperparameter.
Factor = Annotated[float, Range(0.1, 0.9, 0.5, log=True, valid=(1e-6, 1.0))]
Every = Annotated[float, Range(0.05, 0.5, 0.2, valid=(1e-6, LONGEST), length=True)]
Rate = Annotated[float, Range(0.1, 10.0, 3.0, log=True, valid=(0.0, 1e6))]
Final = Annotated[float, Range(1e-3, 0.5, 0.01, log=True, valid=(0.0, 1.0))]
Power = Annotated[float, Range(0.5, 4.0, 2.0, log=True, valid=(1e-3, 100.0))]
Numbers = float | Sequence[float]
Boundary = Annotated[
    Numbers, Range(0.2, 0.9, 0.5, valid=(0.0, LONGEST), more=(0.75, 0.9), length=True)
]
Value = Annotated[Numbers, Range(0.01, 0.5, 0.1, log=True, valid=(1e-6, 1.0), more=(0.03, 0.01))]


def constant(progress: float) -> float:  # noqa: ARG001 - every schedule takes the progress
    """`1`: the base rate throughout."""
    return 1.0


def step(progress: float, *, factor: Factor, every: Every) -> float:
    """`factor ** floor(progress / every)`: a cut after each `every`, a fraction or epochs.

    Szegedy et al., "Going deeper with convolutions" (2015), train so; Ge et al., "The step decay
    schedule" (2019), say when it is near the best. As `keras.optimizers.schedules.ExponentialDecay`
    with `staircase=True`.
    """
    # Rounded, because 0.3 / 0.1 is 2.9999999999999996.
    return float(factor ** math.floor(round(progress / every, 9)))


def exponential(progress: float, *, rate: Rate) -> float:
    """`exp(-rate × progress)`, as `keras.optimizers.schedules.ExponentialDecay`.

    Li, Zhuang and Orabona, "A second look at exponential and cosine step sizes" (2021).
    """
    return math.exp(-rate * progress)


def inverse_time(progress: float, *, rate: Rate) -> float:
    """`1 / (1 + rate × progress)`, as `keras.optimizers.schedules.InverseTimeDecay`.

    Robbins and Monro, "A stochastic approximation method" (1951), ask for this order of decay;
    Bottou, "Stochastic gradient descent tricks" (2012), for this form.
    """
    return 1 / (1 + rate * progress)


def inverse_sqrt(progress: float, *, rate: Rate) -> float:
    """`1 / sqrt(1 + rate × progress)`, the decay of Vaswani et al., "Attention is all you need".

    There the rate falls as `1 / sqrt(step)` after the warm-up; `rate` is the length of the training
    in units of the point from which the decay counts.
    """
    return 1 / math.sqrt(1 + rate * progress)


def linear(progress: float, *, final: Final) -> float:
    """`1 + (final - 1) × progress`, as `keras.optimizers.schedules.PolynomialDecay`, power 1.

    Li, Yumer and Ramanan, "Budgeted training" (2020), recommend it for any length of training.
    """
    return 1 + (final - 1) * progress


def polynomial(progress: float, *, power: Power, final: Final) -> float:
    """`final + (1 - final) × (1 - progress) ** power`, as Keras's `PolynomialDecay`.

    Chen et al., "DeepLab" (2018), with a power of 0.9 and down to 0.
    """
    return float(final + (1 - final) * (1 - progress) ** power)


def piecewise_constant(progress: float, *, boundary: Boundary, value: Value) -> float:
    """`1` before the first boundary, then the first value, from the second boundary on the second…

    Boundaries, fractions or epochs, count in ascending order; there are as many as values. He et
    al., "Deep residual learning for image recognition" (2016), train so. As
    `keras.optimizers.schedules.PiecewiseConstantDecay`, which however makes each cut one step after
    its boundary.
    """
    # Rounded, because behind a warm-up of 3 epochs of 30 progress is a difference of fractions.
    boundaries, values = [round(end, 9) for end in _several(boundary)], _several(value)
    if len(boundaries) != len(values):
        raise ValueError(
            f"schedule 'piecewise_constant': there must be as many values as boundaries, but got "
            f"{len(values)} and {len(boundaries)}"
        )
    return (1.0, *values)[bisect_right(sorted(boundaries), round(progress, 9))]


def cosine(progress: float, *, final: Final) -> float:
    """`final + (1 - final) × (1 + cos(π × progress)) / 2`.

    Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts" (2017), without
    restarts; as `keras.optimizers.schedules.CosineDecay`.
    """
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Schedule:
    """A schedule with its parameters, as `get_schedule` makes it: a function of progress.

    Where a length is in epochs, `over` has to be told how many there are;
    `LearningRateScheduler` does that, and leaves out those of a warm-up.

    Attributes:
        name: of the function, in `SCHEDULES`.
        parameters: of it, all of them.
    """

    name: str
    parameters: Mapping[str, Any]

    def over(self, epochs: float) -> Callable[[float], float]:
        """Returns the function of progress in a training of so many epochs."""
        fractions = {
            name: tuple(as_fraction(length, epochs) for length in lengths)
            for name, lengths in self._lengths().items()
        }
        given = {
            name: found if isinstance(self.parameters[name], Sequence) else found[0]
            for name, found in fractions.items()
        }
        function = names.load(SCHEDULES, self.name, "schedule")
        return functools.partial(function, **(dict(self.parameters) | given))

    def __call__(self, progress: float) -> float:
        """Returns the factor.

        Raises:
            ValueError: if a length is in epochs.
        """
        return self._without_epochs(progress)

    @functools.cached_property
    def _without_epochs(self) -> Callable[[float], float]:
        for name, lengths in self._lengths().items():
            if max(lengths) >= 1:
                raise ValueError(
                    f"schedule '{self.name}': {name}={self.parameters[name]} is in epochs: take "
                    "over(epochs) of the schedule, or give a fraction of the training, below 1"
                )
        return self.over(1.0)

    def _lengths(self) -> dict[str, Sequence[float]]:
        ranges = parameters_of(self.name)
        return {n: _several(v) for n, v in self.parameters.items() if ranges[n].length}


def get_schedule(name: str, parameters: Mapping[str, Any]) -> Schedule:
    """Returns the schedule `name` with its parameters.

    Example:
        >>> get_schedule("linear", {"final": 0.5})(0.5)
        0.75
        >>> get_schedule("piecewise_constant", {"boundary": (0.5, 0.8), "value": (0.1, 0.01)})(0.9)
        0.01
        >>> get_schedule("step", {"factor": 0.5, "every": 10}).over(epochs=30)(20 / 30)
        0.25

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
        _check(name, parameter, value, ranges[parameter])
    schedule = Schedule(name, dict(parameters))
    schedule.over(1.0)(0.0)  # refuses values that do not go together
    return schedule


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


def _check(name: str, parameter: str, value: Any, search: Range) -> None:
    lowest, highest = search.limits
    many = bool(search.more) and isinstance(value, Sequence) and not isinstance(value, str)
    for number in value if many and len(value) else [value]:
        fits = isinstance(number, numbers.Integral if search.integer else numbers.Real)
        if not fits or not lowest <= number <= highest:
            kind = "an integer" if search.integer else "a number"
            several = ", or several," if search.more else ""
            raise ValueError(
                f"schedule '{name}': {parameter} must be {kind}{several} from {lowest:g} to "
                f"{highest:g}, but got {value!r}"
            )


def _several(given: Numbers) -> Sequence[float]:
    return given if isinstance(given, Sequence) else (given,)
