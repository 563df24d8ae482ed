"""Callbacks that hyperparameters describe, and what such a class says of itself."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar

from callbacks.base import StatefulCallback
from callbacks.registry import TrainingPlan


@dataclass(frozen=True)
class Choices:
    """A hyperparameter with some values."""

    values: Sequence[Any]
    default: Any  # value tried first
    when: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # other hyperparameters' values

    def declare(self, hp: Any, name: str) -> None:
        """Declares the hyperparameter in a `HyperParameters`."""
        if isinstance(self.default, bool):
            hp.Boolean(name, default=self.default)
        else:
            hp.Choice(name, list(self.values), default=self.default)


@dataclass(frozen=True)
class Range:
    """A numeric hyperparameter; of whole numbers alone if `min` is an integer."""

    min: float  # smallest value searched
    max: float  # largest value searched, included
    default: float  # value tried first
    log: bool = False  # whether the search samples on a logarithmic scale; `min` is then above 0
    valid: tuple[float, float] | None = None  # what a user may set; None for the search range
    more: tuple[float, ...] = ()  # of a sequence, the defaults of a second and further numbers
    length: bool = False  # whether it is, below 1, a fraction of the training, from 1 on epochs
    patience: bool = False  # whether it is a number of epochs without improvement
    when: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # other hyperparameters' values

    @property
    def limits(self) -> tuple[float, float]:
        """The closed interval of the values that may be given."""
        return self.valid or (self.min, self.max)

    def declare(self, hp: Any, name: str) -> None:
        """Declares the hyperparameter in a `HyperParameters`."""
        declare = hp.Int if isinstance(self.min, int) else hp.Float
        sampling = "log" if self.log else "linear"
        declare(name, self.min, self.max, default=self.default, sampling=sampling)


class TunableCallback(StatefulCallback):
    """Base of the callbacks in `CALLBACKS`."""

    SPACE: ClassVar[Mapping[str, Choices | Range]] = {}  # parents before their children
    PREFIX: ClassVar[str] = ""  # of the names of all ranges; the rest is the argument's name
    needs_validation: ClassVar[bool] = False  # else a training without validation rows keeps it
    needs_variable: ClassVar[str] = ""  # a model's attribute, which plain Keras models lack

    @classmethod
    def space(cls) -> Mapping[str, Choices | Range]:
        """Returns the hyperparameters; override it where they are not constant."""
        return cls.SPACE

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Declares the hyperparameters in a `HyperParameters`."""
        for name, found in cls.space().items():
            with ExitStack() as scopes:
                for other, values in found.when.items():
                    scopes.enter_context(hp.conditional_scope(other, list(values)))
                found.declare(hp, name)

    @classmethod
    def ranges(cls) -> dict[str, Range]:
        """Returns the numeric hyperparameters."""
        return {name: found for name, found in cls.space().items() if isinstance(found, Range)}

    @classmethod
    def arguments(cls, hp: Any) -> dict[str, Any]:
        """Returns the values of the active numeric hyperparameters by argument."""
        return {
            name.removeprefix(cls.PREFIX): hp.get(name)
            for name, found in cls.ranges().items()
            if all(hp.get(other) in values for other, values in found.when.items())
        }

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "TunableCallback | None":
        """Builds the callback from the values in `hp`; None if they switch it off."""
        raise NotImplementedError
