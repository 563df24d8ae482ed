"""Schedules that rise as well as fall."""

import math
from typing import Annotated

from callbacks.lengths import LONGEST
from callbacks.schedules import Final, Range

Cycles = Annotated[int, Range(2, 5, 3, valid=(1, 100), integer=True)]
Stretch = Annotated[float, Range(1.0, 3.0, 2.0, valid=(1.0, 10.0))]
Peak = Annotated[float, Range(0.3, 1.0, 0.8, valid=(1e-6, 1.0))]
Start = Annotated[float, Range(0.01, 0.5, 0.04, log=True, valid=(0.0, 1.0))]
Rise = Annotated[float, Range(0.1, 0.5, 0.3, valid=(0.0, LONGEST), length=True)]


def cosine_restarts(
    progress: float, *, cycles: Cycles, stretch: Stretch, peak: Peak, final: Final
) -> float:
    """`final + (1 - final) × peak ** i × (1 + cos(π × t)) / 2`, `t` the progress in cycle `i`.

    Of the `cycles`, counted from 0, each is `stretch` times as long as the one before, and the last
    one ends with the training, at the lowest rate: of 70 epochs, 3 cycles with a stretch of 2 have
    10, 20 and 40. Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts"
    (2017); as `keras.optimizers.schedules.CosineDecayRestarts` with `t_mul` the stretch, `m_mul`
    the peak, and `first_decay_steps` such that the cycles fill the training.
    """
    whole = sum(stretch**cycle for cycle in range(cycles))
    start = 0.0
    for cycle in range(cycles):
        length = stretch**cycle / whole
        # Rounded, because 3 × 0.1 is 0.30000000000000004; the last one has the training's end.
        if cycle == cycles - 1 or round(progress - start - length, 9) < 0:
            break
        start += length
    part = min(max((progress - start) / length, 0.0), 1.0)
    return float(final + (1 - final) * peak**cycle * (1 + math.cos(math.pi * part)) / 2)


def one_cycle(progress: float, *, start: Start, rise: Rise, final: Final) -> float:
    """From `start` up to 1 at `rise`, a fraction or epochs, then to `final`, each along a cosine.

    Smith and Topin, "Super-convergence: Very fast training of neural networks using large learning
    rates" (2018), in the form of PyTorch's `OneCycleLR`: the base is the largest rate, `start` is
    one over `div_factor` and `rise` is `pct_start`. The momentum stays as it is.
    """
    if progress < rise:
        return _along_cosine(start, 1.0, progress / rise)
    return _along_cosine(1.0, final, (progress - rise) / (1 - rise) if rise < 1 else 0.0)


def _along_cosine(begin: float, end: float, part: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * part)) / 2
