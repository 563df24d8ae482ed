"""Cuts the learning rate when a metric has stopped improving."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from callbacks.learning_rate import LearningRate
from callbacks.monitor import Direction, Monitor, Plateaus
from callbacks.plan import TrainingPlan

PLATEAU_SCALE = "plateau_scale"
"""Name in the logs of what the cuts have made of the rate: 1 before the first."""


class ReduceLROnPlateau(keras.callbacks.Callback):
    """Multiplies the rate by `factor` each time a metric has not improved for `patience` epochs.

    Unlike Keras's own it sets a factor instead of the rate, so that it goes together with a
    schedule, in either order in the list of callbacks. A cut takes effect in the next epoch. NaN
    and infinities count as no improvement. The scale that it gave an epoch's rate is put into the
    epoch's logs: with a schedule the rate alone would not tell whether there was a cut.

    Args:
        monitor: the metric's name in the logs.
        direction: `min` or `max`.
        factor: what each cut multiplies by, between 0 and 1.
        patience: epochs without improvement before a cut, at least 1.
        floor: lower bound of base × factors of the cuts; a base below it stays as it is.
        min_delta: an improvement must be larger than this.
        cooldown: epochs after a cut that do not count, as in PyTorch.

    Attributes:
        plateaus: counts them; so many cuts were made.
    """

    needs_validation: ClassVar[bool] = True  # left out of a training without validation rows

    def __init__(
        self,
        monitor: str,
        direction: Direction,
        factor: float = 0.1,
        patience: int = 5,
        floor: float = 0.0,
        min_delta: float = 0.0,
        cooldown: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < factor < 1:
            raise ValueError(f"factor must be between 0 and 1, both excluded, but got {factor}")
        if not floor >= 0:
            raise ValueError(f"floor must be at least 0, but got {floor}")
        self.factor = factor
        self.floor = floor
        self.plateaus = Plateaus(Monitor(monitor, direction, min_delta), patience, cooldown)
        self._resumed = False
        self._scale = 1.0

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Limits within which a user may set a hyperparameter."""
        return {
            "plateau_factor": (1e-6, 0.999999),
            "plateau_patience": (1, 10**6),
            "plateau_floor": (0.0, 10.0),
            "plateau_cooldown": (0, 10**6),
            "plateau_min_delta": (0.0, 1e6),
        }

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Declares `plateau`, and where it is on `plateau_<argument>` for each one."""
        hp.Boolean("plateau", default=False)
        with hp.conditional_scope("plateau", [True]):
            hp.Float("plateau_factor", 0.1, 0.8, sampling="log", default=0.5)
            hp.Int("plateau_patience", 2, 20, default=5)
            hp.Float("plateau_floor", 1e-7, 1e-3, sampling="log", default=1e-6)
            hp.Int("plateau_cooldown", 0, 5, default=0)
            hp.Float("plateau_min_delta", 0.0, 0.01, default=0.0)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "ReduceLROnPlateau | None":
        """Builds the callback from the values in `hp`; None where `plateau` is off."""
        if not hp.get("plateau"):
            return None
        return cls(
            plan.monitor,
            plan.direction,
            factor=hp.get("plateau_factor"),
            patience=hp.get("plateau_patience"),
            floor=hp.get("plateau_floor"),
            min_delta=hp.get("plateau_min_delta"),
            cooldown=hp.get("plateau_cooldown"),
        )

    def get_state(self) -> dict[str, Any]:
        """Returns the counters as plain JSON data."""
        return self.plateaus.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned."""
        self.plateaus.set_state(state)
        self._resumed = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Settles the base rate, and starts afresh unless a state was set."""
        LearningRate.of(self.model).begin()
        if not self._resumed:
            self.plateaus.reset()
        self._resumed = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the rate of the epoch."""
        rate = LearningRate.of(self.model)
        lowest = self.floor / rate.base if rate.base > self.floor else 1.0
        self._scale = max(self.factor**self.plateaus.count, lowest)
        rate.set_factor("plateau", self._scale)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the epoch, makes a cut where patience has run out, and logs the epoch's scale.

        Raises:
            MissingMetricError: if the logs lack the metric.
        """
        self.plateaus.update(logs)
        if logs is not None:
            logs[PLATEAU_SCALE] = self._scale

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the base rate back."""
        LearningRate.of(self.model).remove_factor("plateau")
