"""Which trials no other one beats in everything that counts: the Pareto front."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.records import Objective, TrialRecord


def pareto_front(points: NDArray[np.float64], directions: Sequence[str]) -> NDArray[np.bool_]:
    """Which points are not dominated, `(points,)`.

    One dominates another if it is at least as good in everything and better in something, so that
    equal points are on the front together. A point with a NaN is not on it, and dominates none.

    Args:
        points: a row each, `(points, objectives)`.
        directions: `max` or `min`, of each objective.
    """
    signs = np.array([1.0 if direction == "min" else -1.0 for direction in directions])
    costs = points * signs
    whole: NDArray[np.bool_] = ~np.isnan(costs).any(axis=1)
    front = whole.copy()
    others = costs[whole]
    for index in np.flatnonzero(whole):
        as_good, better = others <= costs[index], others < costs[index]
        front[index] = not (as_good.all(axis=1) & better.any(axis=1)).any()
    return front


def front_of(
    records: Sequence[TrialRecord], objective: Objective, also: Sequence[Objective]
) -> list[TrialRecord]:
    """The trials on the front, best in the objective first.

    A trial and those that continue it are one, the best of them. One that was confirmed has the
    mean of those trainings; what was cut short, and does not compare, is left out.

    Args:
        records: trials that have completed, best first.
        objective: what the search optimises.
        also: what else counts.
    """
    found: dict[str, TrialRecord] = {}
    for record in records:
        failed = record.reevaluation is not None and record.reevaluation.reason
        if record.comparable and not failed:
            found.setdefault(record.spec.root_id, record)
    if not found:
        return []
    records = list(found.values())
    points = [
        [
            record.result.score if record.reevaluated_score is None else record.reevaluated_score,
            *(value_of(record, other.name) for other in also),
        ]
        for record in records
    ]
    directions = [objective.direction, *(other.direction for other in also)]
    front = pareto_front(np.array(points, dtype=float), directions)
    return [record for record, is_on in zip(records, front, strict=True) if is_on]


def value_of(record: TrialRecord, name: str) -> Any:
    """What a trial has of something that counts; None if that is not known."""
    if name == "parameters":
        known = record.result.parameters or record.result.status == "COMPLETED"
        return record.result.parameters if known else None
    return record.result.metrics.get(name)
