"""Whether the search was long enough."""

from collections.abc import Collection

import pandas as pd

from src.reporting.rules.finding import Finding
from src.reporting.text import count

FEWEST = 10  # trials, below which nothing is said
LATE, LONG = 0.1, 0.6  # shares of the trials


def idle_trials(
    trials: pd.DataFrame, direction: str, tolerance: float = 0.0, behind: Collection[str] = ()
) -> int | None:
    """How many trials ended since the last improvement; None for too few to tell.

    Args:
        trials: of a search without rungs, in the order in which they ended.
        direction: `max` or `min`.
        tolerance: an improvement up to so much is none.
        behind: trials whose scores do not compare.
    """
    counted = (trials["status"] == "COMPLETED") & ~trials["trial_id"].isin(list(behind))
    good = trials["score"].where(counted).astype(float)
    if len(trials) < FEWEST or good.notna().sum() < FEWEST // 2:
        return None
    best = ((1.0 if direction == "max" else -1.0) * good).cummax().ffill()
    return len(trials) - 1 - int((best >= best.iloc[-1] - tolerance).to_numpy().argmax())


def search_length(trials: int, idle: int | None) -> list[Finding]:
    """Says when the best came late, or long ago.

    Args:
        trials: how many ended.
        idle: since the last improvement, as `idle_trials` gives it.
    """
    if idle is None:
        return []
    if idle <= LATE * trials:
        text = (
            f"The best score came late, with trial number {trials - idle} of {trials}: more trials "
            "may well find better."
        )
        return [Finding("note", text)]
    if is_exhausted(trials, idle):
        text = (
            f"The last {count(idle, 'trial')} of {trials} brought nothing better than noise: "
            "another space or more data will help more than further trials in this one."
        )
        return [Finding("note", text)]
    return []


def is_exhausted(trials: int, idle: int | None) -> bool:
    """Whether most trials of a search ended after its last improvement."""
    return idle is not None and idle >= LONG * trials
