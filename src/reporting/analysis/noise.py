"""How far a score is off by chance: from repeats, or from the number of validation rows."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.reporting.run_data import RunData

RATES = ("val_accuracy",)  # scores that are a share of rows


@dataclass(frozen=True)
class Noise:
    """The standard error of one trial's score.

    Attributes:
        error: in units of the score.
        source: where it comes from, in a few words.
    """

    error: float
    source: str

    @property
    def difference(self) -> float:
        """The smallest difference of two scores that chance would hardly make: two errors of it."""
        return 2 * math.sqrt(2) * self.error


def score_noise(data: RunData) -> Noise | None:
    """Estimates the noise of the scores near the best; None where the files do not tell.

    With repeats (executions or folds), their pooled standard deviation over the root of their
    number. Else of an accuracy its binomial error on the validation rows, and of an error of
    regression that of a resampling of the winner's validation rows. The latter two leave out what
    another seed would change, so they are too small rather than too large.
    """
    fits = _fits(data)
    spread = data.completed["score_std"].dropna().head(10)
    if fits > 1 and len(spread):
        pooled = float(np.sqrt((spread**2).mean()))
        return Noise(pooled / math.sqrt(fits), f"from {fits} trainings of each trial")
    best, rows = data.best, data.validation_rows
    if best is None or rows is None:
        return None
    if data.objective in RATES:
        p = min(max(float(best["score"]), 1 / (rows + 2)), 1 - 1 / (rows + 2))
        return Noise(math.sqrt(p * (1 - p) / rows), f"from {rows:,} validation rows")
    return _resampled(data)


def _fits(data: RunData) -> int:
    counts = [data.settings.get("tuner.executions_per_trial"), data.settings.get("tuner.folds")]
    return math.prod(c for c in counts if isinstance(c, int) and c > 0)


def _resampled(data: RunData) -> Noise | None:
    table = data.predictions
    if not len(table) or data.objective not in ("val_rmse", "val_mae"):
        return None
    rows = table[table["split"] == "validation"]
    wrong = (
        pd.to_numeric(rows["prediction"], errors="coerce")
        - pd.to_numeric(rows["target"], errors="coerce")
    ).to_numpy(float)
    if len(wrong) < 20 or not np.isfinite(wrong).all():
        return None
    generator = np.random.default_rng(0)
    drawn = generator.choice(wrong, size=(200, len(wrong)))
    scores = np.abs(drawn).mean(axis=1)
    if data.objective == "val_rmse":
        scores = np.sqrt((drawn**2).mean(axis=1))
    return Noise(float(scores.std()), f"from {len(wrong):,} validation rows")
