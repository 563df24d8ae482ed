"""The tuner `grid`: every point of a finite space, each once."""

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

MOST_POINTS = 10_000  # a larger grid without `tuner.max_trials` is a mistake rather than a plan


class GridOracle(SearchOracle):
    """Grid search in an order of which every beginning is an even sample of the grid.

    Choices and integers take all their values. A range of floats, and a range of more integers than
    `tuner.grid_points`, takes so many values, evenly spaced on its scale, both ends included. The
    order strides over the grid near the golden ratio.
    """

    exhausted = "every point of the grid has been tried"
    learns = False
    takes_points = False  # the grid need not have the points
    default_trials = None
    settings = ("grid_points",)

    def __init__(self, grid_points: int = 5, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.points = grid_points
        self._grid = Enumeration(self.hyperparameters.space, self._values)
        self.size = self._grid.size
        self._stride = _even_stride(self._grid)

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """Raises `UserError` for more than 10,000 points where `tuner.max_trials` is not set."""
        oracle = super().from_config(config, **common)
        if oracle.max_trials is None and oracle.size > MOST_POINTS:
            raise UserError(
                f"tuner.name: the grid has {oracle.size:,} points; pin or narrow hyperparameters "
                "(space.<name>=value or [values]), or set tuner.max_trials for an even sample of it"
            )
        return oracle

    def total(self) -> int:
        return self.size if self.max_trials is None else min(self.max_trials, self.size)

    def plan(self) -> Sequence[str]:
        if self.total() == self.size:
            return [f"{self.size:,} trials: every point of the grid"]
        return [f"{self.total():,} trials: an even sample of the {self.size:,} points of the grid"]

    def propose(self, trial_id: str) -> dict[str, Any]:
        number = len(self.trials)
        if number >= self.size:
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": self._grid.point(number * self._stride % self.size)}

    def _values(self, hp: Any) -> tuple[Any, ...]:
        if spaces.is_continuous(hp):
            rounded = (float(f"{value:.9g}") for value in self._evenly(hp))
            return tuple(dict.fromkeys(min(max(v, hp.min_value), hp.max_value) for v in rounded))
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

    The ratio alone spreads the first hyperparameter, but may hardly move another. Hence, of some
    steps near the ratio, the step whose first points differ most in every two hyperparameters.
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
        len({items for point in points[:first] for items in combinations(point.items(), length)})
        for first in (4, 10, 40)
        for length in (1, 2)
    )
