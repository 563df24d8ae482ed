"""What short trainings tell of full ones."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

X = {"mode": "chain", "k": 2.0, "v0": 1.0, "min": 0, "random": 0.0}


def extrapolate(results: Sequence[Mapping[int, float]]) -> tuple[Array, Array]:
    """scores at the highest level, and variance."""
    levels = sorted({epochs for found in results for epochs in found})
    maps = {levels[-1]: (0.0, 1.0, 0.0)}
    for low, high in zip(levels[-2::-1], levels[:0:-1], strict=True):
        pairs = np.array([(r[low], r[high]) for r in results if low in r and high in r])
        every = np.array([r[low] for r in results if low in r])
        a, b, v = _line(pairs, every)
        ha, hb, hv = maps[high]
        maps[low] = ha + hb * a, hb * b, hb * hb * v + hv
    scores, noise = np.zeros(len(results)), np.zeros(len(results))
    for i, r in enumerate(results):
        if r:
            top = max(r)
            a, b, v = maps[top]
            scores[i], noise[i] = a + b * r[top], v
    return scores, noise


def _line(pairs: Array, every: Array):
    spread = float(np.var(every))
    k = X["k"]
    if len(pairs) == 0:
        return 0.0, 1.0, spread
    x, y = pairs.T
    mx, my = x.mean(), y.mean()
    dx, dy = x - mx, y - my
    prior = k * spread
    b = (dx @ dy + prior) / (dx @ dx + prior) if prior > 0 else 1.0
    b = max(b, 0.0)
    res = dy - b * dx
    v = (res @ res + k * X["v0"] * np.var(x)) / (len(x) + k)
    return my - b * mx, b, v
