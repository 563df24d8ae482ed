"""Trials that failed: how many, why, and where in the space."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.reporting.domains import Domain
from src.reporting.rules.finding import Finding
from src.reporting.text import count, plain_number, shortened

FEWEST = 3


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
    text += f", mostly with “{shortened(str(most.index[0]), 90)}” ({most.iloc[0]} times)."
    return [Finding("warning" if share >= 0.1 else "note", text)]


def failure_region(trials: pd.DataFrame, domains: Sequence[Domain]) -> list[Finding]:
    """The end of one range, or the choice, that failed trials have in common and others avoid."""
    failed = (trials["status"] == "FAILED").to_numpy()
    done = (trials["status"] == "COMPLETED").to_numpy()
    if failed.sum() < FEWEST or done.sum() < FEWEST:
        return []
    found: tuple[float, str] | None = None
    for domain in domains:
        values = domain.numbers(trials[domain.name])
        known = np.isfinite(values)
        bad, good = values[failed & known], values[done & known]
        if len(bad) < FEWEST or len(good) < FEWEST or len(bad) < 0.8 * failed.sum():
            continue
        candidate = _region(domain, bad, good)
        if candidate is not None and (found is None or candidate[0] > found[0]):
            found = candidate
    return [] if found is None else [Finding("warning", found[1])]


def _region(
    domain: Domain,
    bad: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    good: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> tuple[float, str] | None:
    """How well one split tells failed from completed trials, and a sentence."""
    if domain.is_range:
        above = float((bad[:, None] > good[None, :]).mean())
        if above >= 0.9:
            end = plain_number(float(np.quantile(good, 0.9)))
            where = f"a large `{domain.name}`: lower `space.{domain.name}.max` to about {end}"
            return above, f"Failures come with {where}."
        if above <= 0.1:
            end = plain_number(float(np.quantile(good, 0.1)))
            where = f"a small `{domain.name}`: raise `space.{domain.name}.min` to about {end}"
            return 1 - above, f"Failures come with {where}."
        return None
    choices, counts = np.unique(bad, return_counts=True)
    worst = int(np.argmax(counts))
    inside = counts[worst] / len(bad)
    elsewhere = float((good == choices[worst]).mean())
    if inside < 0.9 or elsewhere > 0.1:
        return None
    name = domain.names[int(choices[worst])]
    return float(inside), f"Failures come with `{domain.name}={name}`: leave it out."


def _kind(reason: str) -> str:
    """A reason without the numbers that differ from trial to trial."""
    return reason.partition(" in epoch ")[0].partition(": loss ")[0]
