"""Points of a mixed search space as rows of numbers, and back.

A point has a coordinate in [0, 1) for every searched hyperparameter: the probability that Keras
Tuner's sampling maps to the value. Uniform coordinates are therefore points sampled as the space
asks, on log scales too, and a step in a coordinate is a small change of the value.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras_tuner.engine.hyperparameters import Boolean, Choice, Int
from numpy.typing import NDArray

from src.tuners import space as spaces

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ARC = 1.0  # radians: how far apart the ends of a range are, seen from "inactive"
INACTIVE = -1.0  # the code of a category that a point does not have


class Axis:
    """One hyperparameter with more than one value."""

    def __init__(self, hp: Any) -> None:
        self.hp = hp
        is_range = not isinstance(hp, (Boolean, Choice))
        # Keras Tuner divides a logarithmic range of integers without a step unevenly.
        self._levels = () if is_range and hp.step is None else spaces.finite_values(hp)
        self.count = len(self._levels) or None  # how many values; None for a range without steps
        self.is_categorical = not is_range and (isinstance(hp, Boolean) or not _is_ordered(hp))
        self._coordinates: dict[Any, float] = {}
        if is_range:
            self._low, self._high = float(hp.min_value), float(hp.max_value)
            # Keras Tuner samples an integer from a range that is one longer, and rounds down.
            self._end = self._high + isinstance(hp, Int)

    def index(self, coordinates: Array) -> NDArray[np.int64]:
        """The number of the value at each coordinate; only with a `count`."""
        assert self.count is not None
        return np.minimum((coordinates * self.count).astype(np.int64), self.count - 1)

    def matches(self, coordinates: Array, values: Sequence[Any]) -> Mask:
        """Whether the value at each coordinate is one of `values`."""
        if not self._levels:
            return np.isin(self._numbers(coordinates), np.array(values, dtype=np.float64))
        numbers = [self._levels.index(value) for value in values if value in self._levels]
        return np.isin(self.index(coordinates), numbers)

    def places(self, coordinates: Array) -> Array:
        """What the model sees: a category's number, or where in 0 … 1 a value lies on its scale."""
        if not self._levels:
            return self._to_scale(self._numbers(coordinates), self._high)
        index = self.index(coordinates)
        places: Array = index.astype(np.float64)
        if self.is_categorical:
            return places
        if isinstance(self.hp, Choice):
            return places / (len(self._levels) - 1)
        if isinstance(self._levels, range):  # may be too long for an array
            return self._to_scale(self._low + float(self.hp.step) * places, self._high)
        return self._to_scale(np.array(self._levels, dtype=np.float64)[index], self._high)

    def value(self, coordinate: float) -> Any:
        """The value at a coordinate, of the hyperparameter's own type."""
        if self._levels:
            return self._levels[int(self.index(np.array([coordinate]))[0])]
        number = self._numbers(np.array([coordinate]))[0].item()
        return int(number) if isinstance(self.hp, Int) else number

    def coordinate(self, value: Any) -> float:
        """A coordinate at which the hyperparameter has the value: the middle of those."""
        if value not in self._coordinates:  # asked for all trials at every proposal
            if not self._levels:
                at = float(value) + 0.5 * isinstance(self.hp, Int)
                place = float(np.clip(self._to_scale(at, self._end), 0.0, np.nextafter(1.0, 0.0)))
            elif self.is_categorical:
                place = (self._levels.index(value) + 0.5) / len(self._levels)
            else:  # a default that a build found may lie between two levels
                place = (spaces.nearest_index(self._levels, value) + 0.5) / len(self._levels)
            self._coordinates[value] = place
        return self._coordinates[value]

    def _numbers(self, coordinates: Array) -> Array:
        """The values at coordinates of a range without steps."""
        low, high, rest = self._low, self._end, 1.0 - coordinates
        if self.hp.sampling == "linear":
            numbers = rest * low + coordinates * high
        elif self.hp.sampling == "log":
            numbers = np.exp(rest * np.log(low) + coordinates * np.log(high))
        else:
            numbers = high + low - np.exp(coordinates * np.log(low) + rest * np.log(high))
        if isinstance(self.hp, Int):
            numbers = np.floor(numbers)
        return np.clip(numbers, self._low, self._high)

    def _to_scale(self, numbers: Array | float, end: float) -> Array:
        """Where in 0 … 1 numbers from the range's lower end to `end` lie."""
        low = self._low
        if self.hp.sampling == "linear":
            return np.asarray((numbers - low) / (end - low))
        width = np.log(end) - np.log(low)
        if self.hp.sampling == "log":
            return np.asarray((np.log(numbers) - np.log(low)) / width)
        return np.asarray((np.log(end) - np.log(end + low - numbers)) / width)


class Encoding:
    """Turns points of a space into rows of coordinates and of features, and back.

    In the features an inactive hyperparameter lies as far from each of its values as the ends of
    its range lie from each other: the values lie on an arc, "inactive" in its centre (after Hutter
    and Osborne 2013). A category differs from every other by the same, as in a one-hot encoding.
    """

    def __init__(self, space: Sequence[Any]) -> None:
        self._space = spaces.reachable(space)
        searched = [Axis(hp) for hp in self._space if spaces.is_searched(hp)]
        self.axes = sorted(searched, key=lambda axis: axis.is_categorical)  # with an order first
        self.numeric = sum(not axis.is_categorical for axis in searched)
        self._column = {id(axis.hp): number for number, axis in enumerate(self.axes)}

    def active(self, points: Array) -> Mask:
        """Which hyperparameters the points have; points and result are `(points, axes)`."""
        result = np.ones(points.shape, dtype=np.bool_)
        # By name: where a hyperparameter is active, and itself.
        known: dict[str, list[tuple[Mask, Any]]] = {}
        everywhere = np.ones(len(points), dtype=np.bool_)
        for hp in self._space:
            mask = everywhere
            for condition in hp.conditions:
                met = np.zeros(len(points), dtype=np.bool_)
                for parent_mask, parent in known.get(condition.name, ()):
                    column = self._column.get(id(parent))
                    if column is None:
                        matches: Any = spaces.finite_values(parent)[0] in condition.values
                    else:
                        matches = self.axes[column].matches(points[:, column], condition.values)
                    met |= parent_mask & matches
                mask = mask & met
            known.setdefault(hp.name, []).append((mask, hp))
            if id(hp) in self._column:
                result[:, self._column[id(hp)]] = mask
        return result

    def features(self, points: Array, active: Mask) -> Array:
        """What the kernel compares: two columns for each order, then one for each category."""
        columns = []
        for number, axis in enumerate(self.axes):
            mask, places = active[:, number], axis.places(points[:, number])
            if axis.is_categorical:
                columns.append(np.where(mask, places, INACTIVE))
            else:
                columns.append(np.where(mask, np.cos(ARC * places), 0.0))
                columns.append(np.where(mask, np.sin(ARC * places), 0.0))
        return np.column_stack(columns)

    def encode(self, values: Sequence[Mapping[str, Any]]) -> tuple[Array, Mask]:
        """The coordinates of trials, and which hyperparameters they have, `(trials, axes)` each.

        A hyperparameter that was found after a trial had been proposed is inactive in the trial.
        """
        points = np.zeros((len(values), len(self.axes)))
        active = np.zeros(points.shape, dtype=np.bool_)
        for row, point in enumerate(values):
            for number, axis in enumerate(self.axes):
                name = axis.hp.name
                if name in point and spaces.is_active(axis.hp, point):
                    points[row, number] = axis.coordinate(point[name])
                    active[row, number] = True
        return points, active

    def values(self, point: Array) -> dict[str, Any]:
        """The values of the active hyperparameters, pinned ones too, at a point `(axes,)`."""
        values: dict[str, Any] = {}
        for hp in self._space:
            if spaces.is_active(hp, values):
                column = self._column.get(id(hp))
                if column is None:
                    values[hp.name] = spaces.finite_values(hp)[0]
                else:
                    values[hp.name] = self.axes[column].value(float(point[column]))
        return values


def _is_ordered(hp: Choice) -> bool:
    """Whether the numbers of a choice rise or fall; the last may stand for a word, as 0 may."""
    values = list(hp.values[:-1] if len(hp.values) > 3 else hp.values)
    return bool(hp.ordered) and values in (sorted(values), sorted(values, reverse=True))
