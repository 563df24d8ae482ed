"""What short trainings tell of long ones: scores of every rung on the scale of the longest."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Pairs of scores, before there are any, for a line of slope 1; around it they differ as much as the
# better half of the shorter trainings among themselves.
PRIOR_PAIRS = 2.0
# How much more the trainings that were not chosen may differ from the line than those that were,
# in variance: some of them are only slow.
CAUTION = 4.0
STEEPEST = 100.0
LARGEST = 1e100  # beyond it, squares overflow


def expected_scores(results: Sequence[Mapping[int, float]]) -> tuple[Array, Array]:
    """What each configuration is expected to score when it is trained as long as any was.

    A configuration counts with its longest training. From one length to the next leads a straight
    line, fitted to the configurations that were trained for both. Only the better ones are; the
    line is right for them all the same, as they were chosen by what it starts from.

    Args:
        results: of each configuration: by number of epochs, its score, higher being better; at
            least one.

    Returns:
        The scores, and the variance that each has for being expected only; `(configurations,)`.
    """
    lengths = sorted({epochs for scores in results for epochs in scores})
    tamed = [
        {n: float(np.clip(score, -LARGEST, LARGEST)) for n, score in scores.items()}
        for scores in results
    ]
    # By length: offset, slope and variance on the scale of the longest.
    lines = {lengths[-1]: (0.0, 1.0, 0.0)}
    for long, short in pairwise(reversed(lengths)):
        offset, slope, variance = _line(
            np.array([scores[short] for scores in tamed if short in scores]),
            np.array([(s[short], s[long]) for s in tamed if short in s and long in s]),
        )
        on_offset, on_slope, on_variance = lines[long]
        lines[short] = (
            on_offset + on_slope * offset,
            on_slope * slope,
            on_slope**2 * variance + on_variance,
        )
    longest = [max(scores) for scores in tamed]
    known = np.array([scores[n] for n, scores in zip(longest, tamed, strict=True)])
    offsets, slopes, variances = np.array([lines[n] for n in longest]).T
    return offsets + slopes * known, variances


def _line(scores: Array, pairs: Array) -> tuple[float, float, float]:
    """Offset, slope and residual variance of a line.

    Args:
        scores: of all that were trained so long.
        pairs: of those that were trained longer, both scores; `(pairs, 2)`.
    """
    spread = float(scores.var())
    if not len(pairs):
        return 0.0, 1.0, spread
    short, long = pairs.T
    x, y = short - short.mean(), long - long.mean()
    prior = PRIOR_PAIRS * spread
    # A score that was better is no worse a sign.
    slope = float((x @ y + prior) / (x @ x + prior)) if prior > 0 else 1.0
    slope = min(max(slope, 0.0), STEEPEST)
    rest = y - slope * x
    better = np.sort(scores)[len(scores) // 2 :]  # of which those of the pairs are
    variance = float((rest @ rest + PRIOR_PAIRS * better.var()) / (len(pairs) + PRIOR_PAIRS))
    variance *= CAUTION
    return float(long.mean() - slope * short.mean()), slope, variance
