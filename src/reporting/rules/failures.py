"""Trials that failed: how many, why, and where in the space."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from src.reporting.domains import Domain
from src.reporting.rules.edges import Edge
from src.reporting.rules.finding import Finding
from src.reporting.text import count, plain_number, shortened

FEWEST = 3  # failed and completed trials each, below which nothing is claimed
CLEAR = 0.9
Array = np.ndarray[Any, np.dtype[np.float64]]


def failure_share(trials: pd.DataFrame) -> list[Finding]:
    """How many trials failed, the most frequent reason, and the time that they took."""
    failed = trials[trials["status"] == "FAILED"]
    if not len(failed):
        return []
    reasons = failed["reason"].fillna("no reason given").astype(str).map(_kind)
    most = reasons.value_counts()
    share = len(failed) / len(trials)
    seconds = float(trials["seconds"].sum())
    lost = float(failed["seconds"].sum()) / seconds if seconds > 0 else 0.0
    text = f"{count(len(failed), 'trial')} of {len(trials)} failed and took {lost:.0%} of the time"
    reason = f"“{shortened(str(most.index[0]), 90)}”"
    text += (
        f", with {reason}." if len(failed) == 1 else f", mostly {reason} ({most.iloc[0]} times)."
    )
    return [Finding("warning" if share >= 0.1 else "note", text)]


@dataclass(frozen=True)
class FailingEnd:
    """The end of a range at which trials fail.

    Attributes:
        edge: which end.
        bound: the outermost completed trial.
        certainty: how often a failed trial lies further out than a completed one.
    """

    edge: Edge
    bound: float
    certainty: float


def failing_end(trials: pd.DataFrame, domain: Domain) -> FailingEnd | None:
    """The end of a range to which failed trials keep, and completed ones do not."""
    bad, good = _split(trials, domain)
    if not domain.is_range or min(len(bad), len(good)) < FEWEST:
        return None
    above = float((bad[:, None] > good[None, :]).mean())
    if above >= CLEAR:
        return FailingEnd("high", float(good.max()), above)
    if above <= 1 - CLEAR:
        return FailingEnd("low", float(good.min()), 1 - above)
    return None


def failure_region(trials: pd.DataFrame, domains: Sequence[Domain]) -> list[Finding]:
    """The end of one range, or the choice, that failed trials have in common and others avoid."""
    found: list[tuple[float, str]] = []
    for domain in domains:
        end = failing_end(trials, domain)
        if end is not None:
            size, verb, key = ("large", "lower", "max") if end.edge == "high" else _LOW
            text = (
                f"Failures come with a {size} `{domain.name}`: {verb} `space.{domain.name}.{key}`"
            )
            found.append((end.certainty, f"{text} to about {plain_number(end.bound)}."))
        elif not domain.is_range:
            found += _failing_choice(trials, domain)
    return [Finding("warning", max(found)[1])] if found else []


_LOW = ("small", "raise", "min")


def _failing_choice(trials: pd.DataFrame, domain: Domain) -> list[tuple[float, str]]:
    bad, good = _split(trials, domain)
    if min(len(bad), len(good)) < FEWEST:
        return []
    choices, counts = np.unique(bad, return_counts=True)
    worst = int(np.argmax(counts))
    inside = float(counts[worst] / len(bad))
    elsewhere = float((good == choices[worst]).mean())
    if inside < CLEAR or elsewhere > 1 - CLEAR:
        return []
    name = domain.names[int(choices[worst])]
    return [(inside, f"Failures come with `{domain.name}={name}`: leave it out.")]


def _split(trials: pd.DataFrame, domain: Domain) -> tuple[Array, Array]:
    """Values of failed and of completed trials; none if most failed ones have no value."""
    values = domain.numbers(trials[domain.name])
    failed = (trials["status"] == "FAILED").to_numpy()
    known = np.isfinite(values)
    if (failed & known).sum() < 0.8 * failed.sum():
        return values[:0], values[:0]
    done = (trials["status"] == "COMPLETED").to_numpy()
    return values[failed & known], values[done & known]


def _kind(reason: str) -> str:
    """A reason without the numbers that differ from trial to trial."""
    for tail in (", in epoch ", " in epoch ", ": loss ", ", with batch size "):
        reason = reason.partition(tail)[0]
    return re.sub(r"[\d,]+ parameters, ", "", reason)
