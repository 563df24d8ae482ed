"""What short trainings tell of long ones: the scores of every rung on the scale of the longest."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from src.tuners.gp.encoding import Array

# Pairs of scores that the prior is worth: a line of slope 1, around which scores differ as much as
# the better half of the shorter trainings among themselves.
PRIOR_PAIRS = 2.0
# How much larger the variance around the line is for trainings that were not promoted than for
# those that were: some of them only learn slowly.
CAUTION = 4.0
STEEPEST = 100.0  # slope


def expected_scores(results: Sequence[Mapping[int, float]]) -> tuple[Array, Array]:
    """What each configuration is expected to score when it is trained as long as any was.

    A configuration counts with its longest training. A straight line leads from the scores of one
    length to those of the next, fitted to the configurations that trained for both. Only the better
    ones did, but they were chosen by the score from which the line starts, so the line is right for
    the others too. `results` has the scores of each configuration by number of epochs, higher is
    better. Returns the expected scores and their variances, `(configurations,)` each.
    """
    lengths = sorted({epochs for scores in results for epochs in scores})
    # By length: offset, slope and variance on the scale of the longest.
    lines = {lengths[-1]: (0.0, 1.0, 0.0)}
    for long, short in pairwise(reversed(lengths)):
        offset, slope, variance = _line(
            np.array([scores[short] for scores in results if short in scores]),
            np.array([(s[short], s[long]) for s in results if short in s and long in s]),
        )
        start, rise, spread = lines[long]
        lines[short] = (start + rise * offset, rise * slope, rise**2 * variance + spread)
    longest = [max(scores) for scores in results]
    known = np.array([scores[n] for n, scores in zip(longest, results, strict=True)])
    offsets, slopes, variances = np.array([lines[n] for n in longest]).T
    return offsets + slopes * known, variances


def _line(scores: Array, pairs: Array) -> tuple[float, float, float]:
    """Offset, slope and residual variance of a line through `(short, long)` pairs of scores.

    `scores` are those of all configurations of the shorter length.
    """
    spread = float(scores.var())
    if not len(pairs):
        return 0.0, 1.0, spread
    short, long = pairs.T
    x, y = short - short.mean(), long - long.mean()
    prior = PRIOR_PAIRS * spread
    slope = float((x @ y + prior) / (x @ x + prior)) if prior > 0 else 1.0
    slope = min(max(slope, 0.0), STEEPEST)  # a better short training is no worse a sign
    rest = y - slope * x
    better = np.sort(scores)[len(scores) // 2 :]
    variance = float((rest @ rest + PRIOR_PAIRS * better.var()) / (len(pairs) + PRIOR_PAIRS))
    variance *= CAUTION
    return float(long.mean() - slope * short.mean()), slope, variance
