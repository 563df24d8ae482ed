"""Points of a mixed search space as rows of numbers, and back.

A point has one coordinate in [0, 1) for every hyperparameter that is searched: the probability
that Keras Tuner's sampling maps to its value. Uniform coordinates are therefore points sampled as
the space asks, on log scales too, and a step in a coordinate is a small change of the value.
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
    """One hyperparameter with more than one value.

    Args:
        hp: the hyperparameter.

    Attributes:
        name: its name.
        count: how many values it has; None for a continuum, or a range of integers that is
            divided unevenly.
        categorical: whether its values have no order.
    """

    def __init__(self, hp: Any) -> None:
        self.hp = hp
        self.name: str = hp.name
        self.count: int | None = None
        self._levels: Sequence[Any] | None = None
        self._coordinates: dict[Any, float] = {}
        if isinstance(hp, (Boolean, Choice)) or hp.step is not None:
            self._levels = spaces.finite_values(hp)
            self.count = len(self._levels)
        self.categorical = isinstance(hp, Boolean) or (isinstance(hp, Choice) and not _in_order(hp))

    def index(self, coordinates: Array) -> NDArray[np.int64]:
        """The number of the value at each coordinate; only with a `count`."""
        assert self.count is not None
        return np.minimum((coordinates * self.count).astype(np.int64), self.count - 1)

    def matches(self, coordinates: Array, values: Sequence[Any]) -> Mask:
        """Whether the value at each coordinate is one of `values`."""
        if self._levels is None:
            return np.isin(self._numbers(coordinates), np.array(list(values), dtype=np.float64))
        found = self._levels
        numbers = [found.index(value) for value in values if value in found]
        return np.isin(self.index(coordinates), numbers)

    def places(self, coordinates: Array) -> Array:
        """What the model sees: a category's number, or where in 0 … 1 a value lies on its scale."""
        if self._levels is None:
            return self._on_scale(self._numbers(coordinates))
        index = self.index(coordinates)
        if self.categorical:
            return index.astype(np.float64)
        if isinstance(self.hp, Choice):
            return index / (len(self._levels) - 1)
        if isinstance(self._levels, range):
            return self._on_scale(self._levels.start + self._levels.step * index.astype(np.float64))
        return self._on_scale(np.array(self._levels, dtype=np.float64)[index])

    def value(self, coordinate: float) -> Any:
        """The value at a coordinate, of the hyperparameter's own type."""
        one = np.array([coordinate])
        if self._levels is not None:
            return self._levels[int(self.index(one)[0])]
        number = self._numbers(one)[0].item()
        return int(number) if isinstance(self.hp, Int) else number

    def coordinate(self, value: Any) -> float:
        """A coordinate at which the hyperparameter has the value: the middle of those."""
        if value not in self._coordinates:  # asked again for all trials at every proposal
            self._coordinates[value] = self._coordinate(value)
        return self._coordinates[value]

    def _coordinate(self, value: Any) -> float:
        hp = self.hp
        if self._levels is not None:
            if isinstance(hp, (Boolean, Choice)) or value in self._levels:
                index = self._levels.index(value)
            else:  # beside the steps, such as in a trial of another search
                index = _nearest(self._levels, value)
            return (index + 0.5) / len(self._levels)
        if isinstance(hp, Int):
            low, high = float(hp.min_value), float(hp.max_value + 1)
            place = _to_scale(value + 0.5, low, high, hp.sampling)
        else:
            place = _to_scale(float(value), hp.min_value, hp.max_value, hp.sampling)
        return float(np.clip(place, 0.0, np.nextafter(1.0, 0.0)))

    def _numbers(self, coordinates: Array) -> Array:
        hp = self.hp
        if not isinstance(hp, Int):
            numbers = _from_scale(coordinates, hp.min_value, hp.max_value, hp.sampling)
        else:
            low, high = float(hp.min_value), float(hp.max_value + 1)
            numbers = np.floor(_from_scale(coordinates, low, high, hp.sampling))
        return np.clip(numbers, hp.min_value, hp.max_value)

    def _on_scale(self, numbers: Array) -> Array:
        hp = self.hp
        return np.asarray(_to_scale(numbers, float(hp.min_value), float(hp.max_value), hp.sampling))


class Encoding:
    """Turns points of a space into rows of coordinates and of features, and back.

    A hyperparameter that a point does not have, as its condition is not met, is inactive: in the
    features it lies as far from each of its values as the ends of the range lie from each other
    (the values lie on an arc, "inactive" in its centre; after Hutter and Osborne 2013). A category
    differs from every other by the same, as in a one-hot encoding.

    Args:
        space: hyperparameters, parents before their children.

    Attributes:
        axes: the hyperparameters that are searched.
        numeric: how many of them have an order; in the features they come first.
    """

    def __init__(self, space: Sequence[Any]) -> None:
        self._space = spaces.reachable(space)
        searched = [Axis(hp) for hp in self._space if spaces.is_searched(hp)]
        # Those with an order first.
        self.axes = [a for a in searched if not a.categorical]
        self.numeric = len(self.axes)
        self.axes += [a for a in searched if a.categorical]
        self._column = {id(axis.hp): number for number, axis in enumerate(self.axes)}

    def active(self, points: Array) -> Mask:
        """Which hyperparameters the points have, `(points, axes)`.

        Args:
            points: coordinates, `(points, axes)`.
        """
        result = np.ones(points.shape, dtype=np.bool_)
        # By name: where it is active, and which values it has there.
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
            column = self._column.get(id(hp))
            if column is not None:
                result[:, column] = mask
        return result

    def features(self, points: Array, active: Mask) -> Array:
        """What the kernel compares: two columns for an order, then one for each category.

        Args:
            points: coordinates, `(points, axes)`.
            active: which hyperparameters the points have, of the same shape.
        """
        columns = []
        for number, axis in enumerate(self.axes):
            mask, places = active[:, number], axis.places(points[:, number])
            if axis.categorical:
                columns.append(np.where(mask, places, INACTIVE))
            else:
                columns.append(np.where(mask, np.cos(ARC * places), 0.0))
                columns.append(np.where(mask, np.sin(ARC * places), 0.0))
        return np.column_stack(columns) if columns else np.zeros((len(points), 0))

    def encode(self, values: Sequence[Mapping[str, Any]]) -> tuple[Array, Mask]:
        """The coordinates of trials, and which hyperparameters they have.

        A hyperparameter that was found after a trial had been proposed is inactive in it.

        Args:
            values: the values of each trial.
        """
        points = np.zeros((len(values), len(self.axes)))
        active = np.zeros(points.shape, dtype=np.bool_)
        for row, point in enumerate(values):
            for number, axis in enumerate(self.axes):
                if axis.name in point and all(c.is_active(point) for c in axis.hp.conditions):
                    points[row, number] = axis.coordinate(point[axis.name])
                    active[row, number] = True
        return points, active

    def values(self, point: Array) -> dict[str, Any]:
        """The values of the active hyperparameters at a point, those with a single one included.

        Args:
            point: coordinates, `(axes,)`.
        """
        values: dict[str, Any] = {}
        for hp in self._space:
            if not all(condition.is_active(values) for condition in hp.conditions):
                continue
            column = self._column.get(id(hp))
            if column is None:
                values[hp.name] = spaces.finite_values(hp)[0]
            else:
                values[hp.name] = self.axes[column].value(float(point[column]))
        return values


def _in_order(hp: Any) -> bool:
    """Whether the numbers of a choice rise or fall; the last may stand for a word, as 0 may."""
    values = hp.values[:-1] if len(hp.values) > 3 else hp.values
    if not hp.ordered or len(hp.values) < 3:
        return bool(hp.ordered)
    return list(values) in (sorted(values), sorted(values, reverse=True))


def _from_scale(places: Array, low: float, high: float, sampling: str) -> Array:
    """The numbers at places from 0 to 1 of a range."""
    if sampling == "linear":
        return (1.0 - places) * low + places * high  # no difference, which might overflow
    if sampling == "log":
        return np.asarray(np.exp((1.0 - places) * np.log(low) + places * np.log(high)))
    return np.asarray(high + low - np.exp(places * np.log(low) + (1.0 - places) * np.log(high)))


def _to_scale(numbers: Any, low: float, high: float, sampling: str) -> Any:
    """Where in 0 … 1 numbers of a range lie; 0 where the range is too narrow to tell."""
    if sampling == "linear":
        above, width = numbers / 2 - low / 2, high / 2 - low / 2  # halves, which cannot overflow
    elif sampling == "log":
        above, width = np.log(numbers) - np.log(low), np.log(high) - np.log(low)
    else:
        above, width = np.log(high) - np.log(high + low - numbers), np.log(high) - np.log(low)
    return above / width if width > 0 else 0.0 * above


def _nearest(levels: Sequence[Any], value: float) -> int:
    """The number of the level nearest to a value; of a range at once, however long it is."""
    if isinstance(levels, range):
        return min(max(round((value - levels.start) / levels.step), 0), len(levels) - 1)
    return int(np.argmin(np.abs(np.array(levels, dtype=np.float64) - value)))
