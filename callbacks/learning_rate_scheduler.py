"""Sets the schedule's factor of the learning rate at the beginning of each epoch, or step."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from callbacks.learning_rate import LearningRate
from callbacks.plan import ScheduleUnit, TrainingPlan
from callbacks.schedules import (
    SCHEDULES,
    Range,
    Schedule,
    all_parameters,
    get_schedule,
    parameters_of,
)
from callbacks.warm_up import WarmUp


class LearningRateScheduler(keras.callbacks.Callback):
    """Multiplies the base rate by `schedule(progress)`, after a warm-up if there is one.

    Progress depends on the number of the epoch, and of the step in it, alone: training that
    continues with `initial_epoch` continues the schedule, whatever the length of the pieces.

    By the step it needs to know how many there are in an epoch: `fit` on a dataset of unknown
    length needs `steps_per_epoch`. With `steps_per_execution` above 1, the steps of one execution
    share the rate of its first.

    Args:
        schedule: function from progress, 0 to 1, to the factor on the base rate. What
            `get_schedule` makes may have lengths in epochs, which count from the warm-up's end.
        epochs: whole planned length of the training. Epochs beyond it have progress 1.
        unit: `epoch` for progress epoch / epochs, `step` for (epoch + step / steps) / epochs, all
            counted from 0.
        warm_up: comes before the schedule, which then has the rest of the epochs.

    Example:
        ```python
        schedule = get_schedule("cosine", {"final": 0.01})
        model.fit(x, y, epochs=30, callbacks=[LearningRateScheduler(schedule, epochs=30)])
        ```
    """

    def __init__(
        self,
        schedule: Callable[[float], float],
        epochs: int,
        unit: ScheduleUnit = "epoch",
        warm_up: WarmUp | None = None,
    ) -> None:
        super().__init__()
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, but got {epochs}")
        if unit not in ("epoch", "step"):
            raise ValueError(f"unit must be 'epoch' or 'step', but got {unit!r}")
        self.schedule = schedule
        self.epochs = epochs
        self.unit = unit
        self.warm_up = warm_up
        self._whole = schedule  # the warm-up included, once its length is known
        self._first_steps: int | None = None
        self._resumed = False
        self._epoch = 0

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Limits within which a user may set a hyperparameter."""
        found = {"warmup_epochs": (1e-6, 1e6), "warmup_steps": (1, 1e9), "warmup_start": (1e-9, 1)}
        for name, (search, _) in all_parameters().items():
            found |= dict.fromkeys(_entries(name, search), search.limits)
        return found

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Declares `schedule`, `schedule_<parameter>` for each parameter of any, and `warmup`.

        A parameter that may be several numbers has `schedule_<parameter>_2` and so on, and
        `schedule_cuts` says how many there are.
        """
        hp.Choice("schedule", list(SCHEDULES), default="constant")
        cut = [(search, users) for search, users in all_parameters().values() if search.more]
        if cut:
            schedules = list(dict.fromkeys(name for _, users in cut for name in users))
            with hp.conditional_scope("schedule", schedules):
                most = 1 + max(len(search.more) for search, _ in cut)
                hp.Int("schedule_cuts", 1, most, default=1)
        for name, (search, users) in all_parameters().items():
            with hp.conditional_scope("schedule", users):
                first, *others = _entries(name, search)
                _declare(hp, first, search, search.default)
                for count, (other, default) in enumerate(zip(others, search.more, strict=True), 2):
                    with hp.conditional_scope(
                        "schedule_cuts", list(range(count, len(search.more) + 2))
                    ):
                        _declare(hp, other, search, default)
        hp.Choice("warmup", ["none", "linear", "exponential"], default="none")
        with hp.conditional_scope("warmup", ["linear", "exponential"]):
            hp.Choice("warmup_unit", ["epoch", "step"], default="epoch")
            hp.Float("warmup_start", 1e-3, 0.5, sampling="log", default=0.1)
            with hp.conditional_scope("warmup_unit", ["epoch"]):
                hp.Float("warmup_epochs", 0.5, 10.0, default=3.0)
            with hp.conditional_scope("warmup_unit", ["step"]):
                hp.Int("warmup_steps", 10, 1000, sampling="log", default=100)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "LearningRateScheduler | None":
        """Builds the callback from the values in `hp`; None for a constant rate."""
        name, shape, warm_up = hp.get("schedule"), hp.get("warmup"), None
        if shape != "none":
            unit = hp.get("warmup_unit")
            warm_up = WarmUp(shape, hp.get(f"warmup_{unit}s"), unit, hp.get("warmup_start"))
        elif name == "constant":
            return None
        parameters: dict[str, Any] = {}
        for parameter, search in parameters_of(name).items():
            entries = _entries(parameter, search)
            used = entries[: hp.get("schedule_cuts")] if search.more else entries
            numbers = tuple(hp.get(entry) for entry in used)
            parameters[parameter] = numbers if search.more else numbers[0]
        schedule = get_schedule(name, parameters)
        return cls(schedule, plan.epochs, plan.schedule_unit, warm_up)

    def get_state(self) -> dict[str, Any]:
        """Returns, as plain JSON data, the steps of the first epoch: those of a warm-up in steps.

        All else follows from the number of the epoch.
        """
        return {"first_steps": self._first_steps}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned."""
        self._first_steps = state["first_steps"]
        self._resumed = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Settles the base rate.

        Raises:
            ValueError: if steps count, for the rates or the warm-up, and their number in an epoch
                is not known.
        """
        if (self.unit == "step" or self._counts_steps) and self.params.get("steps") is None:
            raise ValueError(
                "a schedule or a warm-up by the step must know how many steps an epoch has, but "
                "the length of the training data is unknown: give fit steps_per_epoch, or the "
                "scheduler unit='epoch'"
            )
        if not self._resumed:
            self._first_steps = None
        self._resumed = False
        LearningRate.of(self.model).begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the rate of the epoch, or of its first step."""
        self._epoch = epoch
        self._settle()
        LearningRate.of(self.model).set_factor("schedule", self._factor(0, 1))

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the rate of the step, or of all the epoch's where the model runs it in one call.

        By now every callback has written what it has to say about the epoch.
        """
        if batch == 0 and self._first_steps is None and self._counts_steps:
            self._first_steps = self._steps()
            self._settle()
        if self.unit == "epoch":
            return
        rate = LearningRate.of(self.model)
        steps = self._steps()
        if hasattr(self.model, "step_rates"):
            factors = [self._factor(step, steps) for step in range(steps)]
            rate.set_step_factors(self.model, "schedule", factors)
        else:
            rate.set_factor("schedule", self._factor(batch, steps))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the base rate back."""
        LearningRate.of(self.model).remove_factor("schedule")

    def _factor(self, step: int, steps: int) -> float:
        return self._whole(min(1.0, (self._epoch + step / steps) / self.epochs))

    @property
    def _counts_steps(self) -> bool:
        return self.warm_up is not None and self.warm_up.unit == "step"

    def _settle(self) -> None:
        """Puts the warm-up in front, its steps those of the first epoch, whatever comes later.

        Before the first step another callback may yet set the batch size: how long the warm-up is
        makes no difference where it begins.
        """
        fraction, schedule = 0.0, self.schedule
        if self.warm_up is not None:
            steps = (self._first_steps or self._steps()) if self._counts_steps else 1
            fraction = self.warm_up.length / steps / self.epochs
        if isinstance(schedule, Schedule):
            schedule = schedule.over(self.epochs * (1 - fraction))
        self._whole = schedule if self.warm_up is None else self.warm_up.before(schedule, fraction)

    def _steps(self) -> int:
        """Steps of the epoch that begins."""
        if hasattr(self.model, "step_rates"):
            return int(self.model.epoch_steps())
        return int(self.params["steps"])


def _entries(name: str, search: Range) -> list[str]:
    """The hyperparameters of a schedule's parameter."""
    numbers = range(2, len(search.more) + 2)
    return [f"schedule_{name}", *(f"schedule_{name}_{number}" for number in numbers)]


def _declare(hp: Any, name: str, search: Range, default: float) -> None:
    declare = hp.Int if search.integer else hp.Float
    declare(
        name,
        search.min,
        search.max,
        default=default,
        sampling="log" if search.log else "linear",
    )
