"""Sets the schedule's factor of the learning rate at the beginning of each epoch, or step."""

from collections.abc import Callable
from typing import Any

import keras

from callbacks.learning_rate import LearningRate
from callbacks.plan import ScheduleUnit, TrainingPlan
from callbacks.schedules import SCHEDULES, all_parameters, get_schedule, parameters_of


class LearningRateScheduler(keras.callbacks.Callback):
    """Multiplies the base rate by `schedule(progress)`.

    Progress depends on the number of the epoch, and of the step in it, alone: training that
    continues with `initial_epoch` continues the schedule, whatever the length of the pieces.

    By the step it needs to know how many there are in an epoch: `fit` on a dataset of unknown
    length needs `steps_per_epoch`. With `steps_per_execution` above 1, the steps of one execution
    share the rate of its first.

    Args:
        schedule: function from progress, 0 to 1, to the factor on the base rate.
        epochs: whole planned length of the training. Epochs beyond it have progress 1.
        unit: `epoch` for progress epoch / epochs, `step` for (epoch + step / steps) / epochs, all
            counted from 0.

    Example:
        ```python
        schedule = get_schedule("cosine", {"final": 0.01})
        model.fit(x, y, epochs=30, callbacks=[LearningRateScheduler(schedule, epochs=30)])
        ```
    """

    def __init__(
        self, schedule: Callable[[float], float], epochs: int, unit: ScheduleUnit = "epoch"
    ) -> None:
        super().__init__()
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, but got {epochs}")
        if unit not in ("epoch", "step"):
            raise ValueError(f"unit must be 'epoch' or 'step', but got {unit!r}")
        self.schedule = schedule
        self.epochs = epochs
        self.unit = unit
        self._epoch = 0

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Limits within which a user may set a hyperparameter."""
        parameters = all_parameters().items()
        return {f"schedule_{name}": search.limits for name, (search, _) in parameters}

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Declares `schedule` and `schedule_<parameter>` for each parameter of any schedule."""
        hp.Choice("schedule", list(SCHEDULES), default="constant")
        for name, (search, users) in all_parameters().items():
            with hp.conditional_scope("schedule", users):
                hp.Float(
                    f"schedule_{name}",
                    search.min,
                    search.max,
                    default=search.default,
                    sampling="log" if search.log else "linear",
                )

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "LearningRateScheduler | None":
        """Builds the callback from the values in `hp`; None for the constant schedule."""
        name = hp.get("schedule")
        if name == "constant":
            return None
        parameters = {
            parameter: hp.get(f"schedule_{parameter}") for parameter in parameters_of(name)
        }
        return cls(get_schedule(name, parameters), plan.epochs, plan.schedule_unit)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Settles the base rate.

        Raises:
            ValueError: if the rate is to change by the step and their number is not known.
        """
        if self.unit == "step" and self.params.get("steps") is None:
            raise ValueError(
                "a schedule by the step must know how many steps an epoch has, but the length of "
                "the training data is unknown: give fit steps_per_epoch, or the scheduler "
                "unit='epoch'"
            )
        LearningRate.of(self.model).begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the rate of the epoch, or of its first step."""
        self._epoch = epoch
        LearningRate.of(self.model).set_factor("schedule", self._factor(0, 1))

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the rate of the step, or of all the epoch's where the model runs it in one call.

        By now every callback has written what it has to say about the epoch.
        """
        if self.unit == "epoch":
            return
        rate = LearningRate.of(self.model)
        if hasattr(self.model, "step_rates"):
            steps = self.model.epoch_steps()
            factors = [self._factor(step, steps) for step in range(steps)]
            rate.set_step_factors(self.model, "schedule", factors)
        else:
            rate.set_factor("schedule", self._factor(batch, self.params["steps"]))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the base rate back."""
        LearningRate.of(self.model).remove_factor("schedule")

    def _factor(self, step: int, steps: int) -> float:
        return self.schedule(min(1.0, (self._epoch + step / steps) / self.epochs))
