"""The axis of scores, on which a few hopeless trials must not flatten all others."""

from collections.abc import Iterable

import numpy as np

from src.reporting.drawing import Scale, scale_of
from src.reporting.drawing.axes import LARGEST

WHISKER = 1.5  # quartile ranges beyond the worse quartile, as in Tukey's box plot


def score_scale(scores: Iterable[float], direction: str) -> Scale:
    """A scale from the best score to the worst that is no outlier; worse ones lie at its end.

    Args:
        scores: of trials or epochs.
        direction: `max` or `min`.
    """
    values = np.array([score for score in scores if abs(score) < LARGEST], dtype=float)
    if len(values) < 4:
        return scale_of(values)
    low, high = np.quantile(values, [0.25, 0.75])
    reach = WHISKER * max(high - low, 1e-12)
    kept = values[values >= low - reach if direction == "max" else values <= high + reach]
    if direction == "min" and kept.min() > 0 and kept.max() > 20 * kept.min():
        return scale_of(kept, log=True)
    return scale_of(kept)


def outside(scores: Iterable[float], scale: Scale) -> int:
    """How many scores lie beyond the axis."""
    return sum(1 for score in scores if np.isfinite(score) and not scale.holds(score))


def note_outside(count: int, direction: str) -> str:
    """Says so, in the title of an axis."""
    if not count:
        return ""
    return f" ({count} {'below' if direction == 'max' else 'above'} the axis)"
