"""Sets the schedule's factor of the learning rate at the beginning of each epoch."""

from collections.abc import Callable
from typing import Any

import keras

from callbacks.learning_rate import LearningRate
from callbacks.plan import TrainingPlan
from callbacks.schedules import SCHEDULES, all_parameters, get_schedule, parameters_of


class LearningRateScheduler(keras.callbacks.Callback):
    """Multiplies the base rate by `schedule(epoch / epochs)`.

    The factor depends on the epoch's number alone: training that continues with `initial_epoch`
    continues the schedule, whatever the length of the pieces.

    Args:
        schedule: function from progress, 0 to 1, to the factor on the base rate.
        epochs: whole planned length of the training. Epochs beyond it have progress 1.

    Example:
        ```python
        schedule = get_schedule("cosine", {"final": 0.01})
        model.fit(x, y, epochs=30, callbacks=[LearningRateScheduler(schedule, epochs=30)])
        ```
    """

    def __init__(self, schedule: Callable[[float], float], epochs: int) -> None:
        super().__init__()
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, but got {epochs}")
        self.schedule = schedule
        self.epochs = epochs

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
        return cls(get_schedule(name, parameters), plan.epochs)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Settles the base rate."""
        LearningRate.of(self.model).begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the rate of the epoch."""
        factor = self.schedule(min(1.0, epoch / self.epochs))
        LearningRate.of(self.model).set_factor("schedule", factor)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the base rate back."""
        LearningRate.of(self.model).remove_factor("schedule")
