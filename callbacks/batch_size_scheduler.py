"""Batch sizes that change between epochs: drawn at random, or growing by a schedule or a plateau.

Growing batches do what falling rates do, with fewer steps: Smith et al., "Don't decay the learning
rate, increase the batch size" (2018).
"""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from callbacks.lengths import LONGEST, as_fraction
from callbacks.monitor import Direction, Monitor, Plateaus
from callbacks.plan import TrainingPlan


class BatchSizeScheduler(keras.callbacks.Callback, ABC):
    """Sets the batch size of each epoch, and gives the first one back when training ends.

    Only models whose batch size is a variable can change it while they train: such a model has an
    integer variable `batch_size`, 0 for the whole training set, as `hypermodels.epoch_model` does.
    Nothing is traced anew.

    Attributes:
        base: the batch size that the model had when training began; 0 for the whole training set,
            which no rule makes larger.
    """

    needs_variables: ClassVar[bool] = True  # a plain Keras model has none

    def __init__(self) -> None:
        super().__init__()
        self.base = 0

    @abstractmethod
    def size(self, epoch: int) -> int:
        """The batch size of an epoch, counted from 0."""

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Limits within which a user may set a hyperparameter."""
        return {
            "batch_schedule_min": (1, 10**7),
            "batch_schedule_max": (1, 10**7),
            "batch_schedule_factor": (1.0, 1000.0),
            "batch_schedule_every": (1e-6, LONGEST),
            "batch_schedule_patience": (1, 10**6),
            "batch_schedule_cap": (1, 10**7),
        }

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Declares `batch_schedule`, and `batch_schedule_<argument>` for what each kind takes."""
        hp.Choice("batch_schedule", ["none", "random", "step", "plateau"], default="none")
        with hp.conditional_scope("batch_schedule", ["random"]):
            hp.Int("batch_schedule_min", 8, 64, sampling="log", default=16)
            hp.Int("batch_schedule_max", 64, 512, sampling="log", default=128)
        with hp.conditional_scope("batch_schedule", ["step", "plateau"]):
            hp.Float("batch_schedule_factor", 1.5, 5.0, default=2.0)
            hp.Int("batch_schedule_cap", 64, 2048, sampling="log", default=512)
        with hp.conditional_scope("batch_schedule", ["step"]):
            hp.Float("batch_schedule_every", 0.05, 0.5, default=0.2)
        with hp.conditional_scope("batch_schedule", ["plateau"]):
            hp.Int("batch_schedule_patience", 2, 20, default=5)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "BatchSizeScheduler | None":
        """Builds the callback of the kind that `hp` names; None for `none`."""

        def value(name: str) -> Any:
            return hp.get(f"batch_schedule_{name}")

        kind = hp.get("batch_schedule")
        if kind == "random":
            return RandomBatchSize(*sorted((value("min"), value("max"))))
        if kind == "step":
            return BatchGrowth(value("factor"), value("every"), plan.epochs, value("cap"))
        if kind == "plateau":
            return BatchGrowthOnPlateau(
                plan.monitor, plan.direction, value("factor"), value("patience"), value("cap")
            )
        return None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes the first batch size.

        Raises:
            ValueError: if the model's batch size is no variable.
        """
        if not hasattr(self.model, "batch_size"):
            raise ValueError(
                f"{type(self).__name__} sets the variable `batch_size` of the model, and "
                f"{type(self.model).__name__} has none: a plain Keras model gets its batches from "
                "outside. Train a hypermodels.epoch_model.EpochModel, or leave the callback out"
            )
        self.base = int(self.model.batch_size)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the batch size of the epoch."""
        self.model.batch_size.assign(self.size(epoch) if self.base else 0)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the first batch size back."""
        self.model.batch_size.assign(self.base)


class RandomBatchSize(BatchSizeScheduler):
    """Draws the batch size of each epoch anew, on a logarithmic scale.

    It is a function of the seed and the epoch, so that training in pieces draws what training at
    once does.

    Args:
        smallest: the smallest batch size, at least 1.
        largest: the largest, included.
        seed: of the draws; None for the one by which the model shuffles its rows.
    """

    def __init__(self, smallest: int, largest: int, seed: int | None = None) -> None:
        super().__init__()
        if not 1 <= smallest <= largest:
            raise ValueError(
                f"smallest must be at least 1 and at most largest, but got {smallest} and {largest}"
            )
        self.smallest = smallest
        self.largest = largest
        self.seed = seed
        self._drawn_from = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes the first batch size; one of the whole training set is replaced too."""
        super().on_train_begin(logs)
        self._drawn_from = int(self.model.shuffle_seed[0]) if self.seed is None else self.seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the batch size of the epoch."""
        self.model.batch_size.assign(self.size(epoch))

    def size(self, epoch: int) -> int:
        """The batch size of an epoch, counted from 0."""
        draw = random.Random(f"{self._drawn_from} {epoch}").random()
        size: float = self.smallest * ((self.largest + 1) / self.smallest) ** draw
        return min(math.floor(size), self.largest)


class BatchGrowth(BatchSizeScheduler):
    """Multiplies the batch size by `factor` after each length `every` of the training.

    Args:
        factor: at least 1.
        every: between two steps, above 0: below 1 a fraction of the training, from 1 on epochs.
        epochs: whole planned length of the training.
        cap: the largest batch size, at least 1; a base above it stays as it is.
    """

    def __init__(self, factor: float, every: float, epochs: int, cap: int) -> None:
        super().__init__()
        _check_growth(factor, cap)
        if not 0 < every <= LONGEST:
            raise ValueError(f"every must be above 0 and at most {LONGEST:g}, but got {every}")
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, but got {epochs}")
        self.factor = factor
        self.every = every
        self.epochs = epochs
        self.cap = cap

    def size(self, epoch: int) -> int:
        """The batch size of an epoch, counted from 0."""
        progress = min(1.0, epoch / self.epochs)
        every = as_fraction(self.every, self.epochs)
        steps = math.floor(round(progress / every, 9))  # 0.3 / 0.1 is 2.9999999999999996
        return _grown(self.base, self.factor, steps, self.cap)


class BatchGrowthOnPlateau(BatchSizeScheduler):
    """Multiplies the batch size by `factor` each time a metric has not improved for `patience`.

    Args:
        monitor: the metric's name in the logs.
        direction: `min` or `max`.
        factor: at least 1.
        patience: epochs without improvement, at least 1.
        cap: the largest batch size, at least 1; a base above it stays as it is.
        min_delta: an improvement must be larger than this.
        cooldown: epochs after a step that do not count.
    """

    needs_validation: ClassVar[bool] = True  # left out of a training without validation rows

    def __init__(
        self,
        monitor: str,
        direction: Direction,
        factor: float,
        patience: int,
        cap: int,
        min_delta: float = 0.0,
        cooldown: int = 0,
    ) -> None:
        super().__init__()
        _check_growth(factor, cap)
        self.factor = factor
        self.cap = cap
        self.plateaus = Plateaus(Monitor(monitor, direction, min_delta), patience, cooldown)
        self._resumed = False

    def get_state(self) -> dict[str, Any]:
        """Returns the counters as plain JSON data."""
        return self.plateaus.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned."""
        self.plateaus.set_state(state)
        self._resumed = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes the first batch size, and starts afresh unless a state was set."""
        super().on_train_begin(logs)
        if not self._resumed:
            self.plateaus.reset()
        self._resumed = False

    def size(self, epoch: int) -> int:
        """The batch size of an epoch, counted from 0."""
        return _grown(self.base, self.factor, self.plateaus.count, self.cap)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the epoch.

        Raises:
            MissingMetricError: if the logs lack the metric.
        """
        self.plateaus.update(logs)


def _grown(base: int, factor: float, steps: int, cap: int) -> int:
    size = base
    for _ in range(steps):  # factor ** steps would overflow
        if size >= cap:
            break
        size = min(round(size * factor), cap) if factor > 1 else size
    return size


def _check_growth(factor: float, cap: int) -> None:
    if not 1 <= factor < math.inf:
        raise ValueError(f"factor must be finite and at least 1, but got {factor}")
    if cap < 1:
        raise ValueError(f"cap must be at least 1, but got {cap}")
