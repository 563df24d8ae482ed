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
        baseline: value of the metric that early stopping wants improved on; None for none.
        batch_memory: MB that a step may take where the batch size comes from the resources.
        batch_share: the largest share of the training rows in such a batch.
        also: other metrics that are to be in the logs, by their names there.
    """

    epochs: int
    monitor: str
    direction: Direction
    schedule_unit: ScheduleUnit = "epoch"
    baseline: float | None = None
    batch_memory: float = 256.0
    batch_share: float = 0.1
    also: tuple[str, ...] = ()
