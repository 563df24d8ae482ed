"""Warm-up in front of a schedule: the first rates rise from a fraction of the base to the base."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

WarmUpShape = Literal["linear", "exponential"]
WarmUpUnit = Literal["epoch", "step"]


@dataclass(frozen=True)
class WarmUp:
    """How the rate rises before a schedule begins.

    Goyal et al., "Accurate, large minibatch SGD" (2017), for the linear one.

    Attributes:
        shape: `linear`: `start + (1 - start) × t`; `exponential`: `start ** (1 - t)`, where t runs
            from 0 to 1 over the warm-up.
        length: of the warm-up, above 0; fractions count.
        unit: of the length: `epoch`, or `step`, those of the training's first epoch.
        start: the factor on the base at the first step, 0 to 1; for `exponential` above 0.
    """

    shape: WarmUpShape
    length: float
    unit: WarmUpUnit = "epoch"
    start: float = 0.1

    def __post_init__(self) -> None:
        if self.shape not in get_args(WarmUpShape):
            raise ValueError(
                f"the warm-up's shape must be 'linear' or 'exponential', but got {self.shape!r}"
            )
        if self.unit not in get_args(WarmUpUnit):
            raise ValueError(f"the warm-up's unit must be 'epoch' or 'step', but got {self.unit!r}")
        if not 0 < self.length < float("inf"):
            raise ValueError(
                f"the warm-up's length must be finite and above 0, but got {self.length}"
            )
        lowest = 1e-9 if self.shape == "exponential" else 0.0
        if not lowest <= self.start <= 1:
            raise ValueError(
                f"the warm-up's start must be from {lowest:g} to 1, but got {self.start}"
            )

    def before(
        self, schedule: Callable[[float], float], fraction: float
    ) -> Callable[[float], float]:
        """Returns the schedule with this warm-up in front: it begins where the warm-up ends.

        As `keras.optimizers.schedules.CosineDecay` does with `warmup_steps`: the whole is as long
        as before, and the schedule has the rest of it.

        Args:
            schedule: a function of progress.
            fraction: the warm-up's share of the training; 1 and more leave nothing to the schedule.
        """

        def warmed_up(progress: float) -> float:
            if progress < fraction:
                return self._factor(progress / fraction)
            return schedule((progress - fraction) / (1 - fraction) if fraction < 1 else 1.0)

        return warmed_up

    def _factor(self, part: float) -> float:
        if self.shape == "exponential":
            return float(self.start ** (1 - part))
        return self.start + (1 - self.start) * part
