"""The hyperparameters of a run as its files record them: kinds, ranges, scales, conditions.

Read without Keras Tuner, whose import takes seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from src.reporting.drawing.axes import Scale
from src.reporting.text import number

Kind = Literal["choice", "int", "float", "fixed"]


@dataclass(frozen=True)
class Domain:
    """One hyperparameter.

    Attributes:
        name: its name.
        kind: what it may be; a boolean is a choice of false and true.
        values: the choices in order, or the one fixed value; empty for a range.
        low: lower end of a range.
        high: upper end of a range.
        log: whether the range is searched on a logarithmic scale.
        step: of the range, where it has one other than 1.
        conditions: names with the values that make it active.
    """

    name: str
    kind: Kind
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    step: float | None = None
    conditions: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    @property
    def searched(self) -> bool:
        """Whether it has more than one value."""
        return len(self.values) > 1 if self.kind in ("choice", "fixed") else self.low < self.high

    @property
    def is_range(self) -> bool:
        """Whether it is a range of numbers."""
        return self.kind in ("int", "float")

    @property
    def numeric_choices(self) -> bool:
        """Whether its choices are numbers, which have an order."""
        return self.kind == "choice" and all(
            isinstance(value, (int, float)) and not isinstance(value, bool) for value in self.values
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Its choices as tables write them."""
        return tuple(shown(self.name, value) for value in self.values)

    @property
    def scale(self) -> Scale:
        """The axis on which its values lie; choices lie at 0, 1, …"""
        if not self.is_range:
            return Scale(-0.5, max(len(self.values), 1) - 0.5, names=self.names)
        if self.low >= self.high:
            return Scale(self.low - 0.5, self.low + 0.5)
        room = 0.03
        if self.log and self.low > 0:
            wider = (self.high / self.low) ** room
            return Scale(self.low / wider, self.high * wider, log=True)
        room *= self.high - self.low
        marks: tuple[float, ...] = ()
        if self.kind == "int" and self.high - self.low < 8:
            marks = tuple(float(value) for value in range(int(self.low), int(self.high) + 1))
        return Scale(self.low - room, self.high + room, marks=marks)

    def numbers(self, column: pd.Series) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """A column of trials.csv as places on the scale; NaN where it is inactive or no value."""
        if self.is_range:
            return pd.to_numeric(column, errors="coerce").to_numpy(float)
        places = {name: float(index) for index, name in enumerate(self.names)}
        return np.array([places.get(cell, math.nan) for cell in cells(self.name, column)])

    def within(self, value: float) -> float:
        """Where a number of a range lies in it, 0 to 1, on its own scale."""
        if self.low >= self.high:
            return 0.5
        return Scale(self.low, self.high, log=self.log and self.low > 0).position(value)

    def describe(self) -> str:
        """Its values in words."""
        if not self.is_range:
            return ", ".join(self.names)
        notes = (["log"] if self.log else []) + (
            [f"step {number(self.step)}"] if self.step is not None else []
        )
        tail = f" ({', '.join(notes)})" if notes else ""
        return f"{number(self.low)} … {number(self.high)}{tail}"


def shown(name: str, value: Any) -> str:
    """A hyperparameter's value as tables write it; empty for none."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if name == "batch_size" and value == 0:
        return "full"
    if isinstance(value, (int, float, np.integer, np.floating)):
        finite = math.isfinite(float(value))
        return f"{int(value)}" if finite and float(value) == int(value) else number(float(value))
    return str(value)


def brief(domain: Domain, value: Any) -> str:
    """A value in three digits, enough to compare: all of them stand in trials.csv."""
    if domain.kind == "float" and isinstance(value, float) and not math.isnan(value):
        return number(value, 3)
    return shown(domain.name, value)


def cells(name: str, column: pd.Series) -> list[str]:
    """A column of hyperparameters as tables write it."""
    return [shown(name, value) for value in column]


def read_space(space: Mapping[str, Any]) -> tuple[Domain, ...]:
    """The hyperparameters that a search's state records, without those that are never active.

    Entries that make no sense are left out too.
    """
    found: list[Domain] = []
    for name, entry in space.items():
        try:
            found.append(_domain(str(name), entry))
        except (TypeError, ValueError, KeyError, OverflowError):
            continue
    return tuple(domain for domain in found if _reachable(domain, found))


def _domain(name: str, entry: Mapping[str, Any]) -> Domain:
    conditions = tuple(
        (str(c["config"]["name"]), tuple(c["config"]["values"])) for c in entry["conditions"]
    )
    kind = entry["class"]
    if kind == "Fixed":
        return Domain(name, "fixed", (entry["value"],), conditions=conditions)
    if kind == "Boolean":
        return Domain(name, "choice", (False, True), conditions=conditions)
    if kind == "Choice":
        return Domain(name, "choice", tuple(entry["values"]), conditions=conditions)
    low, high = float(entry["min_value"]), float(entry["max_value"])
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError("no range")
    step = entry.get("step")
    return Domain(
        name,
        "int" if kind == "Int" else "float",
        low=low,
        high=high,
        log=entry.get("sampling") == "log" and low > 0,
        step=None if step in (None, 1) else float(step),
        conditions=conditions,
    )


def _reachable(domain: Domain, others: Sequence[Domain]) -> bool:
    """Whether some choice of values makes it active."""
    for name, values in domain.conditions:
        parents = [other for other in others if other.name == name]
        if not any(
            _may_be(parent, values) and _reachable(parent, _before(parent, others))
            for parent in parents
        ):
            return False
    return True


def _before(domain: Domain, others: Sequence[Domain]) -> Sequence[Domain]:
    """Those declared earlier: parents are, so that a circle ends."""
    return others[: next(i for i, other in enumerate(others) if other is domain)]


def _may_be(parent: Domain, values: Sequence[Any]) -> bool:
    if parent.is_range:
        numbers = [v for v in values if isinstance(v, (int, float))]
        return any(parent.low <= value <= parent.high for value in numbers)
    return any(value in values for value in parent.values)
