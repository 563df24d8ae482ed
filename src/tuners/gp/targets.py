"""What the model learns from the scores: tamed where they are bad, and made up for failures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LARGEST = 1e100  # beyond it, squares overflow
TAIL = 1.5  # bad scores count in full up to this many times the distance from median to best
FAILURE_NOISE = 0.3  # variance, where that of the targets is 1: a failure says little exactly
LARGEST_NOISE = 3.0  # standard deviation beyond which a score tells nothing anyway


@dataclass(frozen=True)
class Targets:
    """What the model is fitted to.

    Attributes:
        values: higher is better; mean 0 and variance 1 where they differ; `(trials,)`.
        noise: variance that each has beside the noise of all, `(trials,)`.
    """

    values: Array
    noise: Array


def make_targets(
    scores: Array, failed: NDArray[np.bool_], direction: str, variances: Array | None = None
) -> Targets:
    """Makes targets of scores.

    Scores far below the median are drawn in: how bad they are matters little, and a model that
    follows them sees no differences among the good ones. A failure counts as the worse of what
    completed, or as less where all that completed are alike, but is not trusted to lie exactly
    there.

    Args:
        scores: of each trial; ignored where it failed.
        failed: which trials failed.
        direction: `max` or `min`.
        variances: of each score beside the noise of all, ignored where it failed; None for none.
    """
    sign = 1.0 if direction == "max" else -1.0
    result = np.zeros(len(scores))
    noise = np.where(failed, FAILURE_NOISE, 0.0)
    good = sign * np.clip(scores[~failed], -LARGEST, LARGEST)
    if len(good):
        alike = good.max() == good.min()  # their deviation need not be 0 exactly
        good = _tamed(good)
        spread = 0.0 if alike else float(good.std())
        good = (good - good.mean()) / spread if spread > 0 else np.zeros(len(good))
        result[~failed] = good
        result[failed] = np.quantile(good, 0.1) if spread > 0 else -1.0
        if variances is not None and spread > 0:
            with np.errstate(over="ignore"):
                deviations = np.sqrt(variances[~failed]) / spread
            noise[~failed] = np.square(np.minimum(deviations, LARGEST_NOISE))
    return Targets(result, noise)


def _tamed(good: Array) -> Array:
    """Draws in what is worse than the median by more than `TAIL` times what the best is better."""
    median = np.median(good)
    reach = TAIL * (good.max() - median)
    if reach <= 0:  # half or more are equal to the best
        reach = good.max() - good.min()
    if reach <= 0:
        return good
    with np.errstate(over="ignore"):  # where the best is better by next to nothing
        depth = (median - good) / reach
    # From depth 1 on it falls ever more slowly, to a depth of 2 at most.
    return np.where(depth > 1, median - reach * (2 - 1 / np.maximum(depth, 1.0)), good)
