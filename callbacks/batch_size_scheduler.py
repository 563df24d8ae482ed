"""Batch sizes that change between epochs: drawn at random, or growing by a schedule or a plateau.

Growing batches do what falling rates do, with fewer steps: Smith et al., "Don't decay the learning
rate, increase the batch size" (2018).
"""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from callbacks.base import Monitor
from callbacks.registry import TrainingPlan
from callbacks.schedules import as_fraction
from callbacks.tunable import Choices, Range, TunableCallback

ROWS = (1, 10**7)
RANDOM = {"batch_schedule": ["random"]}
STEP, PLATEAU = {"batch_schedule": ["step"]}, {"batch_schedule": ["plateau"]}
GROWING = {"batch_schedule": ["step", "plateau"]}


class BatchSizeScheduler(TunableCallback):
    """Sets the batch size of each epoch, and restores the first one when training ends.

    The model must have the variables `batch_size`, 0 for the whole training set, and
    `shuffle_seed`, as an `EpochModel` has them. Nothing is traced anew. `sizes` is a function of
    the first batch size, the number of the epoch, from 0, and the seed of the model's row order.
    """

    PREFIX = "batch_schedule_"
    SPACE = {
        "batch_schedule": Choices(("none", "random", "step", "plateau"), "none"),
        "batch_schedule_min": Range(8, 64, 16, log=True, valid=ROWS, when=RANDOM),
        "batch_schedule_max": Range(64, 512, 128, log=True, valid=ROWS, when=RANDOM),
        "batch_schedule_factor": Range(1.5, 5.0, 2.0, valid=(1.0, 1000.0), when=GROWING),
        "batch_schedule_cap": Range(64, 2048, 512, log=True, valid=ROWS, when=GROWING),
        "batch_schedule_every": Range(0.05, 0.5, 0.2, valid=(1e-6, 1e6), length=True, when=STEP),
        "batch_schedule_patience": Range(2, 20, 5, valid=(1, 10**6), patience=True, when=PLATEAU),
    }
    needs_variable: ClassVar[str] = "batch_size"

    def __init__(self, sizes: Callable[[int, int, int], int]) -> None:
        super().__init__()
        self.sizes = sizes
        self._first = 0

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "BatchSizeScheduler | None":
        kind, given = hp.get("batch_schedule"), cls.arguments(hp)
        if kind == "random":
            smallest, largest = sorted(given.values())
            return cls(partial(random_batch_size, smallest=smallest, largest=largest))
        if kind == "step":
            return cls(partial(growing_batch_size, epochs=plan.epochs, **given))
        if kind == "plateau":
            return BatchGrowthOnPlateau(Monitor(plan.monitor, plan.direction), **given)
        return None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self._first = int(self.model.batch_size)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        size = self.sizes(self._first, epoch, int(self.model.shuffle_seed[0]))
        self.model.batch_size.assign(size)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model.batch_size.assign(self._first)


class BatchGrowthOnPlateau(BatchSizeScheduler):
    """Multiplies the batch size by `factor` each time a metric has not improved for `patience`.

    `factor` is above 1; a first batch size above `cap` stays as it is.
    """

    needs_validation: ClassVar[bool] = True
    STATE: ClassVar[tuple[str, ...]] = ("best", "wait", "steps")
    best: float | None = None  # the best value so far
    wait: int = 0  # epochs since then, or since the last step
    steps: int = 0

    def __init__(self, monitor: Monitor, factor: float, patience: int, cap: int) -> None:
        super().__init__(self._size)  # bound, as a deep copy of a lambda keeps the old self
        self.monitor, self.factor, self.patience, self.cap = monitor, factor, patience, cap

    def _size(self, first: int, epoch: int, seed: int) -> int:
        return _grown(first, self.factor, self.steps, self.cap)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.best, self.wait = self.monitor.count(self.best, self.wait, logs)
        if self.wait >= self.patience:
            self.steps += 1
            self.wait = 0


def random_batch_size(_: int, epoch: int, seed: int, *, smallest: int, largest: int) -> int:
    """Draws an epoch's batch size from `smallest` to `largest`, on a logarithmic scale."""
    # Of seed and epoch alone, so that training in pieces draws what training at once does.
    draw = random.Random(f"{seed} {epoch}").random()
    found: float = smallest * ((largest + 1) / smallest) ** draw
    return min(math.floor(found), largest)


def growing_batch_size(
    first: int, epoch: int, _: int, *, factor: float, every: float, epochs: int, cap: int
) -> int:
    """Multiplies the size by `factor`, up to `cap`, after each `every`: a fraction, or epochs."""
    # Rounded, because 0.3 / 0.1 is 2.9999999999999996.
    steps = math.floor(round(min(1.0, epoch / epochs) / as_fraction(every, epochs), 9))
    return _grown(first, factor, steps, cap)


def _grown(size: int, factor: float, steps: int, cap: int) -> int:
    for _ in range(steps):  # factor ** steps would overflow
        if size >= cap:
            break
        size = min(round(size * factor), cap)
    return size
