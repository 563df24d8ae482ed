"""Whether the search was long enough."""

import pandas as pd

from src.reporting.rules.finding import Finding

FEWEST = 10


def search_length(trials: pd.DataFrame, direction: str, tolerance: float = 0.0) -> list[Finding]:
    """Says when the best came late, or long ago.

    Args:
        trials: of a search without rungs, in the order in which they ended.
        direction: `max` or `min`.
        tolerance: an improvement up to so much is none.
    """
    good = trials["score"].where(trials["status"] == "COMPLETED").astype(float)
    if len(trials) < FEWEST or good.notna().sum() < FEWEST // 2:
        return []
    sign = 1.0 if direction == "max" else -1.0
    best = (sign * good).cummax().ffill()
    last = int((best >= best.iloc[-1] - tolerance).to_numpy().argmax()) + 1
    idle = len(trials) - last
    if idle <= 0.1 * len(trials):
        return [
            Finding(
                "note",
                f"The best score came late, with trial number {last} of {len(trials)}: more trials "
                "may well find better.",
            )
        ]
    if idle >= 0.6 * len(trials):
        return [
            Finding(
                "note",
                f"The last {idle} of {len(trials)} trials brought nothing better than noise: "
                "another space or more data will help more than further trials in this one.",
            )
        ]
    return []
