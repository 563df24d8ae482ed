"""What several callbacks share: a watched metric, a state to continue from, checks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from callbacks.registry import Direction, nearest


@dataclass(frozen=True)
class Monitor:
    """A metric and what counts as an improvement of it."""

    name: str  # in the logs, as in `val_accuracy`
    direction: Direction  # never guessed from the name
    min_delta: float = 0.0  # an improvement must be larger than this, in the metric's units

    def __post_init__(self) -> None:
        check_choice("direction", self.direction, ("min", "max"))
        check_number("min_delta", self.min_delta, 0)

    def value(self, logs: Mapping[str, Any] | None) -> float:
        """Returns the metric's value in the logs of an epoch; raises `ValueError` without it."""
        logs = logs or {}
        if self.name not in logs:
            raise ValueError(
                f"metric '{self.name}' is not in the logs.{nearest(self.name, logs)} "
                f"There are: {', '.join(sorted(logs)) or 'none'}"
            )
        return float(logs[self.name])

    def is_better(self, new: float, best: float | None) -> bool:
        """Whether `new` improves on `best`, None at first; NaN and infinities never do."""
        if best is None or not math.isfinite(new):
            return math.isfinite(new)
        if self.direction == "min":
            return new < best - self.min_delta
        return new > best + self.min_delta

    def count(
        self, best: float | None, wait: int, logs: Mapping[str, Any] | None
    ) -> tuple[float | None, int]:
        """Returns the best value and the epochs without improvement after one more epoch."""
        value = self.value(logs)
        return (value, 0) if self.is_better(value, best) else (best, wait + 1)


class StatefulCallback(keras.callbacks.Callback):
    """Base of the callbacks with a state from which a later fit can continue.

    `STATE` names the attributes of the state. Their initial values, plain JSON data, are class
    attributes: each fit begins with them, unless a state was set before it.
    """

    STATE: ClassVar[tuple[str, ...]] = ()
    _restored = False

    def get_state(self) -> dict[str, Any]:
        """Returns the state as plain JSON data."""
        return {name: getattr(self, name) for name in self.STATE}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned, as far as it is given."""
        for name in self.STATE:
            setattr(self, name, state.get(name, getattr(type(self), name)))
        self._restored = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Resets the state, unless `set_state` was called for this fit."""
        if not self._restored:
            for name in self.STATE:
                setattr(self, name, getattr(type(self), name))
        self._restored = False


def check_number(name: str, value: float, lowest: float, highest: float = math.inf) -> None:
    """Raises `ValueError` unless `value` is finite and from `lowest` to `highest`."""
    if not lowest <= value <= highest or math.isinf(value):
        most = "finite" if math.isinf(highest) else f"at most {highest:g}"
        raise ValueError(f"{name} must be at least {lowest:g} and {most}, but got {value}")


def check_choice(name: str, value: str, valid: Sequence[str]) -> None:
    """Raises `ValueError` unless `value` is one of `valid`."""
    if value not in valid:
        raise ValueError(f"{name} must be {' or '.join(valid)}, but got {value!r}")
