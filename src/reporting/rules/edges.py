"""Best values at the edge of their ranges: better ones may lie beyond."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from src.reporting.domains import Domain
from src.reporting.rules.finding import Finding
from src.reporting.text import plain_number

Edge = Literal["low", "high"]
ZONE = 0.1  # of a range without steps is its edge
CHANCE = 0.05  # how likely so many good trials may be at the edge by chance


def edge_of(completed: pd.DataFrame, domain: Domain) -> Edge | None:
    """The end of its range to which the good trials crowd; None if they do not.

    That is where the best trial lies in the outermost tenth (of a few integers, at the last), and
    so many of the best trials with it that points spread evenly would do so in less than one of 20
    cases.

    Args:
        completed: the trials, best first.
        domain: a range of numbers.
    """
    if not domain.is_range or not domain.searched or not len(completed):
        return None
    values = [v for v in domain.numbers(completed[domain.name]).tolist() if not math.isnan(v)]
    if len(values) < 8 or math.isnan(float(domain.numbers(completed[domain.name])[0])):
        return None
    top = values[: max(3, min(10, len(values) // 5))]
    zone = _zone(domain)
    sides: tuple[Edge, Edge] = ("low", "high")
    for edge in sides:
        inside = [_at(domain, value, edge, zone) for value in top]
        if inside[0] and _at_least(sum(inside), len(top), zone) < CHANCE:
            return edge
    return None


def edge_findings(
    completed: pd.DataFrame,
    domains: Sequence[Domain],
    limits: Mapping[str, tuple[float, float]],
) -> list[Finding]:
    """A sentence for each hyperparameter whose good values are at the edge.

    Args:
        completed: the trials, best first.
        domains: the hyperparameters.
        limits: how far ranges may be widened; an edge that is such a limit is no finding.
    """
    found = []
    for domain in domains:
        edge = edge_of(completed, domain)
        if edge is None:
            continue
        end = domain.high if edge == "high" else domain.low
        limit = limits.get(domain.name, (-math.inf, math.inf))[edge == "high"]
        if end == limit or (edge == "low" and end == 0):  # below 0, few things make sense
            continue
        side = "upper" if edge == "high" else "lower"
        beyond = "above" if edge == "high" else "below"
        found.append(
            Finding(
                "warning",
                f"The best values of `{domain.name}` are at the {side} end of its range: widen it "
                f"{beyond} {plain_number(end)}.",
            )
        )
    return found


def _zone(domain: Domain) -> float:
    """The share of the range that is one of its edges."""
    if domain.kind == "int":
        values = (domain.high - domain.low) / (domain.step or 1) + 1
        if not domain.log and values < 1 / ZONE:
            return 1 / values
    return ZONE


def _at(domain: Domain, value: float, edge: Edge, zone: float) -> bool:
    if zone != ZONE:  # few integers: the last itself
        return value == (domain.high if edge == "high" else domain.low)
    place = domain.within(value)
    return place >= 1 - ZONE if edge == "high" else place <= ZONE


def _at_least(hits: int, tries: int, chance: float) -> float:
    """The probability of at least so many hits."""
    return sum(
        math.comb(tries, n) * chance**n * (1 - chance) ** (tries - n)
        for n in range(hits, tries + 1)
    )
