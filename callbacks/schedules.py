"""Learning-rate schedules: pure functions of training progress that give a factor on the base rate.

Progress runs from 0 to 1 over the planned training, and lengths are fractions of it. Schedules with
a namesake in `keras.optimizers.schedules` equal it.
"""

import math
import typing
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from callbacks.base import check_choice, check_number
from callbacks.registry import load
from callbacks.tunable import Range

# To add a schedule, write such a function, annotate its parameters as here, and add a line.
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
    "cosine_restarts": "callbacks.schedules:cosine_restarts",
    "one_cycle": "callbacks.schedules:one_cycle",
}

# A parameter that several schedules share has one range, because it is one hyperparameter.
Factor = Annotated[float, Range(0.1, 0.9, 0.5, log=True, valid=(1e-6, 1.0))]
Every = Annotated[float, Range(0.05, 0.5, 0.2, valid=(1e-6, 1e6), length=True)]
Rate = Annotated[float, Range(0.1, 10.0, 3.0, log=True, valid=(0.0, 1e6))]
Final = Annotated[float, Range(1e-3, 0.5, 0.01, log=True, valid=(0.0, 1.0))]
Power = Annotated[float, Range(0.5, 4.0, 2.0, log=True, valid=(1e-3, 100.0))]
Boundaries = Annotated[
    Sequence[float], Range(0.2, 0.9, 0.5, valid=(0.0, 1e6), more=(0.75, 0.9), length=True)
]
Values = Annotated[
    Sequence[float], Range(0.01, 0.5, 0.1, log=True, valid=(1e-6, 1.0), more=(0.03, 0.01))
]
Cycles = Annotated[int, Range(2, 5, 3, valid=(1, 100))]
Stretch = Annotated[float, Range(1.0, 3.0, 2.0, valid=(1.0, 10.0))]
Peak = Annotated[float, Range(0.3, 1.0, 0.8, valid=(1e-6, 1.0))]
Start = Annotated[float, Range(0.01, 0.5, 0.04, log=True, valid=(0.0, 1.0))]
Rise = Annotated[float, Range(0.1, 0.5, 0.3, valid=(0.0, 1e6), length=True)]


def constant(progress: float) -> float:  # noqa: ARG001 - every schedule takes the progress
    """`1`: the base rate throughout."""
    return 1.0


def step(progress: float, *, factor: Factor, every: Every) -> float:
    """`factor ** floor(progress / every)`. Ge et al., "The step decay schedule" (2019)."""
    # Rounded, because 0.3 / 0.1 is 2.9999999999999996.
    return float(factor ** math.floor(round(progress / every, 9)))


def exponential(progress: float, *, rate: Rate) -> float:
    """`exp(-rate × progress)`. Li, Zhuang and Orabona, "… exponential … step sizes" (2021)."""
    return math.exp(-rate * progress)


def inverse_time(progress: float, *, rate: Rate) -> float:
    """`1 / (1 + rate × progress)`. Bottou, "Stochastic gradient descent tricks" (2012)."""
    return 1 / (1 + rate * progress)


def inverse_sqrt(progress: float, *, rate: Rate) -> float:
    """`1 / sqrt(1 + rate × progress)`. Vaswani et al., "Attention is all you need" (2017)."""
    return 1 / math.sqrt(1 + rate * progress)


def linear(progress: float, *, final: Final) -> float:
    """`1 + (final - 1) × progress`. Li, Yumer and Ramanan, "Budgeted training" (2020)."""
    return 1 + (final - 1) * progress


def polynomial(progress: float, *, power: Power, final: Final) -> float:
    """`final + (1 - final) × (1 - progress) ** power`. Chen et al., "DeepLab" (2018)."""
    return float(final + (1 - final) * (1 - progress) ** power)


def piecewise_constant(progress: float, *, boundary: Boundaries, value: Values) -> float:
    """`1` before the first boundary, then the first value, from the second boundary on the second…

    Boundaries count in ascending order. He et al., "Deep residual learning" (2016), train so.
    Keras's `PiecewiseConstantDecay` makes each cut one step later.
    """
    if len(boundary) != len(value):
        raise ValueError(f"{len(boundary)} boundaries need as many values, but got {len(value)}")
    # Rounded, because behind a warm-up of 3 epochs of 30 progress is a difference of fractions.
    boundaries = sorted(round(end, 9) for end in boundary)
    return (1.0, *value)[bisect_right(boundaries, round(progress, 9))]


def cosine(progress: float, *, final: Final) -> float:
    """`final + (1 - final) × (1 + cos(π × progress)) / 2`. Loshchilov and Hutter, "SGDR" (2017)."""
    return _along_cosine(1.0, final, progress)


def cosine_restarts(
    progress: float, *, cycles: Cycles, stretch: Stretch, peak: Peak, final: Final
) -> float:
    """`final + (1 - final) × peak ** i × (1 + cos(π × t)) / 2`, `t` the progress in cycle `i`.

    Each cycle is `stretch` times as long as the one before, and the last one ends with the
    training: of 70 epochs, 3 cycles with a stretch of 2 have 10, 20 and 40. Loshchilov and Hutter
    (2017), as Keras's `CosineDecayRestarts` with `t_mul` the stretch and `m_mul` the peak.
    """
    whole = sum(stretch**cycle for cycle in range(cycles))
    start = 0.0
    for cycle in range(cycles):
        length = stretch**cycle / whole
        # Rounded, because 3 × 0.1 is 0.30000000000000004; the last one has the training's end.
        if cycle == cycles - 1 or round(progress - start - length, 9) < 0:
            break
        start += length
    part = min(max((progress - start) / length, 0.0), 1.0)
    return float(final + (1 - final) * peak**cycle * (1 + math.cos(math.pi * part)) / 2)


def one_cycle(progress: float, *, start: Start, rise: Rise, final: Final) -> float:
    """From `start` up to 1 at `rise`, then down to `final`, each along a cosine.

    Smith and Topin, "Super-convergence" (2018), as PyTorch's `OneCycleLR`: `start` is one over
    `div_factor` and `rise` is `pct_start`. The momentum stays as it is.
    """
    if progress < rise:
        return _along_cosine(start, 1.0, progress / rise)
    return _along_cosine(1.0, final, (progress - rise) / (1 - rise) if rise < 1 else 0.0)


def _along_cosine(begin: float, end: float, part: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * part)) / 2


@dataclass(frozen=True)
class WarmUp:
    """How the rate rises before a schedule begins. Goyal et al. (2017) for the linear one."""

    # `start + (1 - start) × t` or `start ** (1 - t)`, where t runs from 0 to 1 over the warm-up
    shape: Literal["linear", "exponential"]
    length: float  # above 0; fractions count
    unit: Literal["epoch", "step"] = "epoch"  # of the length; steps are those of the first epoch
    start: float = 0.1  # the factor on the base at the first step; for `exponential` above 0

    def __post_init__(self) -> None:
        check_choice("shape", self.shape, ("linear", "exponential"))
        check_choice("unit", self.unit, ("epoch", "step"))
        check_number("length", self.length, 1e-6)
        check_number("start", self.start, 0 if self.shape == "linear" else 1e-9, 1)

    def before(
        self, schedule: Callable[[float], float], fraction: float
    ) -> Callable[[float], float]:
        """Returns the function of progress that warms up for a fraction, then is the schedule."""

        def warmed_up(progress: float) -> float:
            if progress >= fraction:
                return schedule((progress - fraction) / (1 - fraction) if fraction < 1 else 1.0)
            part = progress / fraction
            if self.shape == "exponential":
                return float(self.start ** (1 - part))
            return self.start + (1 - self.start) * part

        return warmed_up


@dataclass(frozen=True)
class Schedule:
    """A schedule with its parameters, as `get_schedule` makes it: a function of progress."""

    function: Callable[..., float]
    parameters: Mapping[str, Any]
    lengths: Sequence[str]

    def __call__(self, progress: float, epochs: float | None = None) -> float:
        """Returns the factor; a length in epochs needs the epochs of the training."""
        lengths = {name: as_fraction(self.parameters[name], epochs) for name in self.lengths}
        return self.function(progress, **{**self.parameters, **lengths})


def as_fraction(length: Any, epochs: float | None) -> Any:
    """Returns which fraction of a training a length is, or each length of a sequence."""
    if isinstance(length, Sequence):
        return tuple(as_fraction(part, epochs) for part in length)
    if length < 1:  # a fraction already, as scikit-learn reads `min_samples_leaf`
        return length
    if epochs is None:
        raise ValueError(f"a length of {length} is in epochs: give the schedule their number, too")
    return length / epochs if epochs > 0 else math.inf  # none are left after a long warm-up


def get_schedule(name: str, parameters: Mapping[str, Any]) -> Schedule:
    """Returns the schedule `name` with its parameters.

    `get_schedule("step", {"factor": 0.5, "every": 10})(20 / 30, epochs=30)` is 0.25. An unknown
    name and an invalid value raise `ValueError`, a missing or unknown parameter `TypeError`.
    """
    ranges = parameters_of(name)
    for parameter in ranges.keys() & parameters.keys():
        given = parameters[parameter]
        for number in given if ranges[parameter].more else (given,):
            check_number(f"schedule '{name}': {parameter}", number, *ranges[parameter].limits)
    lengths = [parameter for parameter, search in ranges.items() if search.length]
    schedule = Schedule(load(SCHEDULES, name, "schedule"), dict(parameters), lengths)
    schedule.function(0.0, **parameters)  # refuses values that do not go together
    return schedule


def parameters_of(name: str) -> dict[str, Range]:
    """Returns the parameters of the schedule `name`, those that are annotated with a `Range`."""
    hints = typing.get_type_hints(load(SCHEDULES, name, "schedule"), include_extras=True)
    found = {name: getattr(hint, "__metadata__", (None,))[0] for name, hint in hints.items()}
    return {name: search for name, search in found.items() if isinstance(search, Range)}


def all_parameters() -> dict[str, tuple[Range, list[str]]]:
    """Returns each parameter of the registered schedules: its one range, and who uses it."""
    found: dict[str, tuple[Range, list[str]]] = {}
    for schedule in SCHEDULES:
        for parameter, search in parameters_of(schedule).items():
            known, users = found.setdefault(parameter, (search, []))
            if search != known:
                both = f"schedules '{users[0]}' and '{schedule}' give their parameter {parameter}"
                raise ValueError(f"{both} different ranges: rename one of the parameters")
            users.append(schedule)
    return found
