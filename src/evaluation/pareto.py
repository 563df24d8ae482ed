"""The Pareto front: trials that no other trial beats in the objective and all secondary metrics."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.records import Objective, TrialRecord


def pareto_front(points: NDArray[np.float64], directions: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the points `(points, objectives)` are not dominated, `(points,)`.

    A point dominates another if it is at least as good in everything and better in something, so
    that equal points are on the front together. A point with a NaN is not on it and dominates none.
    Directions are `max` or `min`.
    """
    costs = points * [1.0 if direction == "min" else -1.0 for direction in directions]
    whole = np.asarray(~np.isnan(costs).any(axis=1))
    others = costs[whole]
    beaten = [((others <= own).all(axis=1) & (others < own).any(axis=1)).any() for own in costs]
    return np.asarray(whole & ~np.array(beaten, dtype=bool))


def front_of(
    records: Sequence[TrialRecord], objective: Objective, secondary: Sequence[Objective]
) -> list[TrialRecord]:
    """The trials on the front, best in the objective first.

    Takes completed trials, best first. A trial and its promotions are one configuration and take
    part once, as the best of them; a re-evaluated trial takes part with the mean of its new fits.
    Trials whose score does not compare, or whose re-evaluation failed, are left out.
    """
    best: dict[str, TrialRecord] = {}
    for record in records:
        failed = record.reevaluation is not None and record.reevaluation.reason
        if record.comparable and not failed:
            best.setdefault(record.spec.root_id, record)
    candidates = list(best.values())
    again = [record.reevaluated_score for record in candidates]
    own = [record.result.score for record in candidates]
    scores = [b if a is None else a for a, b in zip(again, own, strict=True)]
    others = [[value_of(record, other.name) for record in candidates] for other in secondary]
    directions = [objective.direction, *(other.direction for other in secondary)]
    front = pareto_front(np.array([scores, *others], dtype=float).T, directions)
    return [record for record, is_on in zip(candidates, front, strict=True) if is_on]


def value_of(record: TrialRecord, name: str) -> Any:
    """A trial's value of a secondary metric; None if it is not known."""
    if name == "parameters":
        known = record.result.parameters or record.result.status == "COMPLETED"
        return record.result.parameters if known else None
    return record.result.metrics.get(name)
