"""Watching a metric: its value in the logs of an epoch, and whether it has improved."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from callbacks import names

Direction = Literal["min", "max"]


class MissingMetricError(ValueError):
    """The logs of an epoch lack a metric that a callback watches."""


@dataclass(frozen=True)
class Monitor:
    """A metric and what counts as an improvement of it.

    Attributes:
        name: the metric's name in the logs, as in `val_accuracy`.
        direction: `min` or `max`; it is never guessed from the name.
        min_delta: an improvement must be larger than this, in the metric's units.
    """

    name: str
    direction: Direction
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        if self.direction not in ("min", "max"):
            raise ValueError(f"direction must be 'min' or 'max', but got {self.direction!r}")
        if not 0 <= self.min_delta < math.inf:
            raise ValueError(f"min_delta must be finite and at least 0, but got {self.min_delta}")

    @property
    def worst(self) -> float:
        """The value that every finite one improves on."""
        return math.inf if self.direction == "min" else -math.inf

    def value(self, logs: Mapping[str, Any] | None) -> float:
        """Returns the metric's value in the logs of an epoch.

        Raises:
            MissingMetricError: if it is not there.
        """
        logs = logs or {}
        if self.name not in logs:
            raise MissingMetricError(
                f"metric '{self.name}' is not in the logs.{names.nearest(self.name, logs)} "
                f"There are: {', '.join(sorted(logs)) or 'none'}"
            )
        return float(logs[self.name])

    def is_better(self, new: float, best: float) -> bool:
        """Whether `new` improves on `best`; NaN and infinities never do."""
        if not math.isfinite(new):
            return False
        if self.direction == "min":
            return new < best - self.min_delta
        return new > best + self.min_delta


class Stagnation:
    """Counts the epochs since a metric last improved.

    Args:
        monitor: the metric.
        baseline: what the first improvement must improve on; None for any finite value.

    Attributes:
        best: best value so far, or the baseline.
        epochs: epochs since then.
    """

    def __init__(self, monitor: Monitor, baseline: float | None = None) -> None:
        if baseline is not None and not math.isfinite(baseline):
            raise ValueError(f"baseline must be finite, but got {baseline}")
        self.monitor = monitor
        self.baseline = baseline
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen."""
        self.best = self.monitor.worst if self.baseline is None else self.baseline
        self.epochs = 0

    def update(self, logs: Mapping[str, Any] | None) -> None:
        """Takes in the logs of one more epoch."""
        value = self.monitor.value(logs)
        if self.monitor.is_better(value, self.best):
            self.best = value
            self.epochs = 0
        else:
            self.epochs += 1

    def get_state(self) -> dict[str, Any]:
        """Returns plain JSON data; `best` is None before the first finite value."""
        return {"best": self.best if math.isfinite(self.best) else None, "epochs": self.epochs}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `get_state` returned."""
        self.best = self.monitor.worst if state["best"] is None else state["best"]
        self.epochs = state["epochs"]


class Plateaus:
    """Counts how often a metric has stopped improving: after `patience` epochs without, once more.

    Args:
        monitor: the metric.
        patience: epochs without improvement that make a plateau, at least 1.
        cooldown: epochs after a plateau that do not count, as in PyTorch.

    Attributes:
        count: plateaus so far.
    """

    def __init__(self, monitor: Monitor, patience: int, cooldown: int = 0) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1, but got {patience}")
        if cooldown < 0:
            raise ValueError(f"cooldown must be at least 0, but got {cooldown}")
        self.patience = patience
        self.cooldown = cooldown
        self.stagnation = Stagnation(monitor)
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen."""
        self.stagnation.reset()
        self.count = 0
        self.cooldown_left = 0

    def update(self, logs: Mapping[str, Any] | None) -> None:
        """Takes in the logs of one more epoch.

        Raises:
            MissingMetricError: if the logs lack the metric.
        """
        self.stagnation.update(logs)
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.stagnation.epochs = 0
        if self.stagnation.epochs >= self.patience:
            self.count += 1
            self.cooldown_left = self.cooldown
            self.stagnation.epochs = 0

    def get_state(self) -> dict[str, Any]:
        """Returns plain JSON data."""
        return {
            "stagnation": self.stagnation.get_state(),
            "count": self.count,
            "cooldown_left": self.cooldown_left,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `get_state` returned."""
        self.stagnation.set_state(state["stagnation"])
        self.count = state["count"]
        self.cooldown_left = state["cooldown_left"]
