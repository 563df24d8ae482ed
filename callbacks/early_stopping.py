"""Stops training when a metric has not improved for a number of epochs."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from callbacks.monitor import Direction, Monitor, Stagnation
from callbacks.plan import TrainingPlan


class EarlyStopping(keras.callbacks.Callback):
    """Stops training after `patience` epochs without improvement; weights stay as they are.

    NaN and infinities count as no improvement. `BestEpoch` keeps the best epoch's weights.

    Args:
        monitor: the metric's name in the logs.
        direction: `min` or `max`.
        patience: epochs without improvement before training stops, at least 1.
        min_delta: an improvement must be larger than this.
        start_epoch: so many epochs come first that do not count, neither for nor against.
        baseline: a value that must be improved on: until then no epoch counts as an improvement,
            while Keras's own never stops after one that is merely the best so far.

    Attributes:
        stopped_epoch: number of the epoch, from 0, after which training was stopped, or None.
    """

    needs_validation: ClassVar[bool] = True  # left out of a training without validation rows

    def __init__(
        self,
        monitor: str,
        direction: Direction,
        patience: int,
        min_delta: float = 0.0,
        start_epoch: int = 0,
        baseline: float | None = None,
    ) -> None:
        super().__init__()
        if patience < 1:
            raise ValueError(
                f"patience must be at least 1, but got {patience}; "
                "to train without early stopping leave the callback out"
            )
        if start_epoch < 0:
            raise ValueError(f"start_epoch must be at least 0, but got {start_epoch}")
        self.patience = patience
        self.start_epoch = start_epoch
        self.stagnation = Stagnation(Monitor(monitor, direction, min_delta), baseline)
        self.stopped_epoch: int | None = None
        self._resumed = False

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Limits within which a user may set a hyperparameter."""
        return {
            "early_stopping_patience": (0, 10**6),
            "early_stopping_start": (0, 10**6),
            "early_stopping_min_delta": (0.0, 1e6),
        }

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Declares `early_stopping_patience`, where 0 is off, and its start epoch and min_delta."""
        hp.Int("early_stopping_patience", 0, 20, default=0)
        hp.Int("early_stopping_start", 0, 20, default=0)
        hp.Float("early_stopping_min_delta", 0.0, 0.01, default=0.0)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "EarlyStopping | None":
        """Builds the callback from the values in `hp`; None for a patience of 0."""
        patience = hp.get("early_stopping_patience")
        if patience == 0:
            return None
        return cls(
            plan.monitor,
            plan.direction,
            patience,
            min_delta=hp.get("early_stopping_min_delta"),
            start_epoch=hp.get("early_stopping_start"),
            baseline=plan.baseline,
        )

    def get_state(self) -> dict[str, Any]:
        """Returns the counters as plain JSON data."""
        return {"stagnation": self.stagnation.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned."""
        self.stagnation.set_state(state["stagnation"])
        self._resumed = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts afresh unless a state was set."""
        self.stopped_epoch = None
        if not self._resumed:
            self.stagnation.reset()
        self._resumed = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the epoch, and stops training where patience has run out.

        Raises:
            MissingMetricError: if the logs lack the metric.
        """
        if epoch < self.start_epoch:
            self.stagnation.monitor.value(logs)  # a metric that is missing is told at once
            return
        self.stagnation.update(logs)
        if self.stagnation.epochs >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
