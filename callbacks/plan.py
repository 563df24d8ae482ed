"""What callbacks must know about the training that they belong to."""

from dataclasses import dataclass
from typing import Literal

from callbacks.monitor import Direction

ScheduleUnit = Literal["epoch", "step"]


@dataclass(frozen=True)
class TrainingPlan:
    """The training of one trial, as far as it shapes the callbacks.

    Attributes:
        epochs: whole planned length, the same in every rung of a Hyperband bracket.
        monitor: metric to watch, as it is named in the logs of an epoch.
        direction: whether the metric is to be minimised or maximised.
        schedule_unit: whether a schedule changes the learning rate at each epoch or at each step.
    """

    epochs: int
    monitor: str
    direction: Direction
    schedule_unit: ScheduleUnit = "epoch"
