"""Sets the schedule's factor of the learning rate at the beginning of each epoch, or step."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from callbacks import schedules
from callbacks.base import check_choice, check_number
from callbacks.learning_rate import LearningRate
from callbacks.registry import ScheduleUnit, TrainingPlan
from callbacks.schedules import SCHEDULES, Schedule, WarmUp
from callbacks.tunable import Choices, Range, TunableCallback


class LearningRateScheduler(TunableCallback):
    """Multiplies the base rate by `schedule(progress)`, after a warm-up if there is one.

    Progress is epoch / epochs or, with the `unit` step, (epoch + step / steps) / epochs, counted
    from 0, and at most 1: training that continues with `initial_epoch` continues the schedule. A
    `warm_up` comes before the schedule, which then has the rest of the epochs. Lengths in epochs of
    `get_schedule` count from its end.

    By the step, `fit` on a dataset of unknown length needs `steps_per_epoch`.
    """

    STATE: ClassVar[tuple[str, ...]] = ("first_steps",)
    first_steps: int | None = None  # of an epoch, by which a warm-up by the step is measured

    def __init__(
        self,
        schedule: Callable[[float], float],
        epochs: int,
        unit: ScheduleUnit = "epoch",
        warm_up: WarmUp | None = None,
    ) -> None:
        super().__init__()
        check_number("epochs", epochs, 1)
        check_choice("unit", unit, ("epoch", "step"))
        self.schedule, self.epochs, self.unit, self.warm_up = schedule, epochs, unit, warm_up
        self._counts_steps = warm_up is not None and warm_up.unit == "step"
        self._whole = schedule  # with the warm-up in front, once its length is known
        self._epoch = 0

    @classmethod
    def space(cls) -> Mapping[str, Choices | Range]:
        """Of a parameter that is a sequence, `schedule_cuts` is the number of its elements."""
        parameters = schedules.all_parameters()
        found: dict[str, Choices | Range] = {"schedule": Choices(list(SCHEDULES), "constant")}
        if cut := [n for search, users in parameters.values() if search.more for n in users]:
            most = 1 + max(len(search.more) for search, _ in parameters.values())
            found["schedule_cuts"] = Range(1, most, 1, when={"schedule": list(dict.fromkeys(cut))})
        for name, (search, users) in parameters.items():
            for number, default in enumerate((search.default, *search.more), 1):
                cuts = {"schedule_cuts": range(number, len(search.more) + 2)} if number > 1 else {}
                own = replace(search, default=default, when={"schedule": users, **cuts})
                found[_entry(name, number)] = own
        on = {"warmup": ["linear", "exponential"]}
        epochs, steps = on | {"warmup_unit": ["epoch"]}, on | {"warmup_unit": ["step"]}
        return found | {
            "warmup": Choices(["none", "linear", "exponential"], "none"),
            "warmup_unit": Choices(["epoch", "step"], "epoch", when=on),
            "warmup_start": Range(1e-3, 0.5, 0.1, log=True, valid=(1e-9, 1), when=on),
            "warmup_epochs": Range(0.5, 10.0, 3.0, valid=(1e-6, 1e6), length=True, when=epochs),
            "warmup_steps": Range(10, 1000, 100, log=True, valid=(1, 1e9), when=steps),
        }

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "LearningRateScheduler | None":
        name, shape, warm_up = hp.get("schedule"), hp.get("warmup"), None
        if shape != "none":
            unit = hp.get("warmup_unit")
            warm_up = WarmUp(shape, hp.get(f"warmup_{unit}s"), unit, hp.get("warmup_start"))
        elif name == "constant":
            return None
        parameters: dict[str, Any] = {}
        for parameter, search in schedules.parameters_of(name).items():
            count = hp.get("schedule_cuts") if search.more else 1
            given = tuple(hp.get(_entry(parameter, number + 1)) for number in range(count))
            parameters[parameter] = given if search.more else given[0]
        schedule = schedules.get_schedule(name, parameters)
        return cls(schedule, plan.epochs, plan.schedule_unit, warm_up)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        LearningRate.of(self.model).begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        # Another callback may yet set the batch size, but the first rate would be the same.
        self._place_warm_up()
        LearningRate.of(self.model).set_factor("schedule", self._factor(0, 1))

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # By now every callback has written its part of the epoch.
        if batch == 0 and self._counts_steps and self.first_steps is None:
            self.first_steps = self._steps()
            self._place_warm_up()
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
        LearningRate.of(self.model).remove_factor("schedule")

    def _factor(self, step: int, steps: int) -> float:
        return self._whole(min(1.0, (self._epoch + step / steps) / self.epochs))

    def _place_warm_up(self) -> None:
        """Puts the warm-up in front of the schedule, which has the rest of the epochs."""
        fraction, schedule = 0.0, self.schedule
        if self.warm_up is not None:
            steps = (self.first_steps or self._steps()) if self._counts_steps else 1
            fraction = self.warm_up.length / steps / self.epochs
        if isinstance(schedule, Schedule):
            schedule = partial(schedule, epochs=self.epochs * (1 - fraction))
        self._whole = schedule if self.warm_up is None else self.warm_up.before(schedule, fraction)

    def _steps(self) -> int:
        """Steps of the epoch that begins; a model that runs it in one call has `step_rates`."""
        if hasattr(self.model, "step_rates"):
            return int(self.model.epoch_steps())
        return int(self.params["steps"])


def _entry(parameter: str, number: int) -> str:
    return f"schedule_{parameter}" + (f"_{number}" if number > 1 else "")
