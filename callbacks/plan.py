"""What callbacks must know about the training that they belong to."""

from dataclasses import dataclass

from callbacks.monitor import Direction


@dataclass(frozen=True)
class TrainingPlan:
    """The training of one trial, as far as it shapes the callbacks.

    Attributes:
        epochs: whole planned length, the same in every rung of a Hyperband bracket.
        monitor: metric to watch, as it is named in the logs of an epoch.
        direction: whether the metric is to be minimised or maximised.
    """

    epochs: int
    monitor: str
    direction: Direction
