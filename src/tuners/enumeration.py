"""Counts and numbers the points of a finite search space, conditional branches included."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import keras_tuner as kt

from src.tuners.space import finite_values, is_active, is_continuous, is_searched, reachable

Values = dict[str, Any]


class Enumeration:
    """The points of a space in a fixed order: the last hyperparameter varies fastest.

    A conditional hyperparameter counts only in the branches where it is active.
    """

    def __init__(
        self, space: Sequence[Any], values_of: Callable[[Any], Sequence[Any]] = finite_values
    ) -> None:
        self._space = list(space)
        self._values = [values_of(hp) for hp in self._space]
        # parents[i]: the names on which the space from i on depends.
        self._parents = [
            sorted({condition.name for hp in self._space[start:] for condition in hp.conditions})
            for start in range(len(self._space) + 1)
        ]
        self._count = cache(self._count_from)

    @property
    def size(self) -> int:
        """How many points there are."""
        return self._count(0, ())

    def __iter__(self) -> Iterator[Values]:
        return (self.point(index) for index in range(self.size))

    def point(self, index: int) -> Values:
        """The point at `index` in 0 … size − 1, active hyperparameters only."""
        values: Values = {}
        for position, hp in enumerate(self._space):
            if not is_active(hp, values):
                continue
            for value in self._values[position]:
                values[hp.name] = value
                below = self._count(position + 1, self._key(position + 1, values))
                if index < below:
                    break
                index -= below
        return values

    def _count_from(self, position: int, key: tuple[tuple[str, Any], ...]) -> int:
        """The points from a position on, where earlier parents have the values of the key."""
        if position == len(self._space):
            return 1
        hp, values, following = self._space[position], dict(key), position + 1
        if not is_active(hp, values):
            return self._count(following, self._key(following, values))
        if hp.name not in self._parents[following]:
            below = self._count(following, self._key(following, values))
            return len(self._values[position]) * below
        return sum(
            self._count(following, self._key(following, values | {hp.name: value}))
            for value in self._values[position]
        )

    def _key(self, position: int, values: Values) -> tuple[tuple[str, Any], ...]:
        return tuple((name, values[name]) for name in self._parents[position] if name in values)


def size_text(space: kt.HyperParameters) -> str:
    """Counts the combinations of all finite values exactly, and names what is continuous."""
    ranges = (hp for hp in reachable(space.space) if is_continuous(hp) and is_searched(hp))
    names = dict.fromkeys(hp.name for hp in ranges)
    finite = Enumeration(space.space, lambda hp: [0] if is_continuous(hp) else finite_values(hp))
    text = f"{finite.size:,} combination{'s' if finite.size != 1 else ''}"
    return f"{text} × {len(names)} continuous ({', '.join(names)})" if names else text
