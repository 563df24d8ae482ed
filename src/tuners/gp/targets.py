"""What the model learns from the scores: targets, with bad scores drawn in and failures made up."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TAIL = 1.5  # bad scores count in full up to this many times the distance from median to best
FAILURE_NOISE = 0.3  # variance, where that of the targets is 1: how bad a failure is, is unknown
LARGEST_NOISE = 3.0  # standard deviation beyond which a score tells nothing anyway


def make_targets(
    scores: Array, failed: NDArray[np.bool_], direction: str, variances: Array
) -> tuple[Array, Array]:
    """Makes targets of scores.

    Scores far below the median are drawn in: how bad they are matters little, and a model that
    follows them sees no differences among the good scores. A failure counts as one of the worse
    completed trials, or as less where all of them are alike, with some noise.

    Args:
        scores: of each trial; ignored where it failed.
        failed: which trials failed.
        direction: `max` or `min`.
        variances: of each score beside the noise of all; ignored where it failed.

    Returns:
        Targets, higher is better, of mean 0 and variance 1; and the variance of each; `(trials,)`.
    """
    sign = 1.0 if direction == "max" else -1.0
    result = np.zeros(len(scores))
    noise = np.where(failed, FAILURE_NOISE, 0.0)
    good = sign * scores[~failed]
    if len(good):
        are_alike = good.max() == good.min()  # then their deviation need not be 0 exactly
        good = _drawn_in(good)
        spread = 0.0 if are_alike else float(good.std())
        good = (good - good.mean()) / spread if spread > 0 else np.zeros(len(good))
        result[~failed] = good
        result[failed] = np.quantile(good, 0.1) if spread > 0 else -1.0
        if spread > 0:
            deviations = np.sqrt(variances[~failed]) / spread
            noise[~failed] = np.square(np.minimum(deviations, LARGEST_NOISE))
    return result, noise


def _drawn_in(good: Array) -> Array:
    """Draws in what is worse than the median by more than `TAIL` times what the best is better."""
    median = np.median(good)
    reach = TAIL * (good.max() - median)
    if reach <= 0:  # half or more are equal to the best
        reach = good.max() - good.min()
    if reach <= 0:
        return good
    depth = (median - good) / reach
    # From depth 1 on it falls ever more slowly, to a depth of 2 at most.
    return np.where(depth > 1, median - reach * (2 - 1 / np.maximum(depth, 1.0)), good)
