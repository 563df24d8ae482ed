"""Grid search: every point of a finite space, each once."""

from collections.abc import Sequence
from itertools import combinations
from math import gcd, isqrt
from typing import Any, Self

import numpy as np
from keras_tuner.engine.hyperparameters import Int

from src.config.schema import Config
from src.errors import UserError
from src.tuners import space as spaces
from src.tuners.enumeration import Enumeration
from src.tuners.oracle import SearchOracle

MOST_POINTS = 10_000  # an uncapped grid above this is a mistake rather than a plan


class GridOracle(SearchOracle):
    """Hands out the points of the grid, and needs no memory but its position.

    Choices and integers take all their values; a range of floats, and a range of more integers than
    that, takes `tuner.grid_points` values evenly spaced on its scale, both ends included. The order
    is fixed and strides over the grid near the golden ratio, so that a grid that is capped, or
    stopped early, is an even sample of the whole, not one corner of it. No trial waits for another.

    Args:
        points: values taken from a range.
        arguments: those of `keras_tuner.Oracle`.
    """

    exhausted = "every point of the grid has been tried"
    learns = False
    # Its order is its own, and its points need not have the defaults.
    default_first = takes_initial = False

    def __init__(self, points: int = 5, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.points = points
        self.position = 0
        self._grid = Enumeration(self.hyperparameters.space, self._values)
        self._stride = _even_stride(self._grid)

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """Refuses a grid that nobody can have meant.

        Raises:
            UserError: if the grid has more than 10,000 points and `tuner.max_trials` is not set.
        """
        oracle = cls(points=config.tuner.grid_points, **common)
        if config.tuner.trial_cap is None and oracle.size > MOST_POINTS:
            raise UserError(
                f"tuner.name: the grid has {oracle.size:,} points; pin or narrow hyperparameters "
                "(space.<name>=value or [values]), or set tuner.max_trials for an even sample of it"
            )
        return oracle

    def total(self, cap: int | None) -> int | None:
        """The number of points, exactly."""
        return self.size if cap is None else min(cap, self.size)

    def plan(self, cap: int | None) -> Sequence[str]:
        """How many points of how many."""
        total = self.total(cap)
        if total == self.size:
            return [f"{total:,} trials: every point of the grid"]
        return [f"{total:,} trials: an even sample of the {self.size:,} points of the grid"]

    @property
    def size(self) -> int:
        """Number of points of the grid."""
        return self._grid.size

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Proposes the next point, or stops after the last."""
        if self.position >= self.size:
            return {"status": "STOPPED", "values": None}
        index = self.position * self._stride % self.size
        self.position += 1
        return {"status": "RUNNING", "values": self._grid.point(index)}

    def get_state(self) -> dict[str, Any]:
        """Keras Tuner's state and the position."""
        state: dict[str, Any] = super().get_state()
        return state | {"position": self.position}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from a state that `get_state` gave."""
        super().set_state(state)
        self.position = state["position"]

    def _values(self, hp: Any) -> tuple[Any, ...]:
        if spaces.is_continuous(hp):
            spaced = self._evenly(hp)
            rounded = (float(f"{value:.9g}") for value in spaced)
            within = (min(max(value, hp.min_value), hp.max_value) for value in rounded)
            return tuple(dict.fromkeys(within))
        values = spaces.finite_values(hp)
        if isinstance(hp, Int) and hp.step in (None, 1) and len(values) > self.points:
            return tuple(dict.fromkeys(round(value) for value in self._evenly(hp)))
        return tuple(values)

    def _evenly(self, hp: Any) -> list[float]:
        spacing = np.geomspace if hp.sampling == "log" else np.linspace
        evenly: list[float] = spacing(hp.min_value, hp.max_value, self.points).tolist()
        return evenly


def _even_stride(grid: Enumeration) -> int:
    """A step near `size` / golden ratio that has no common factor with `size`.

    The ratio alone spreads the first hyperparameter, but may hardly move another. Hence of some
    steps near it the one is taken whose first points differ most in every two hyperparameters.
    """
    size = grid.size
    golden = (isqrt(5 * size * size) - size) // 2
    offsets = sorted([*range(-3, 4), *(size * n // 331 for n in range(-16, 17))], key=abs)
    steps: list[int] = [golden + offset for offset in offsets if gcd(golden + offset, size) == 1]
    return max(steps or [1], key=lambda step: _variety(grid, step))


def _variety(grid: Enumeration, step: int) -> int:
    """Counts the values, and the pairs of values, in the first 4, 10 and 40 points."""
    points = [grid.point(index * step % grid.size) for index in range(min(40, grid.size))]
    return sum(
        len({pair for point in points[:first] for pair in combinations(point.items(), 2)})
        + len({item for point in points[:first] for item in point.items()})
        for first in (4, 10, 40)
    )
