"""Independent random streams from the one seed of the configuration."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a derived seed is for. The values are part of every seed: never renumber them."""

    ROWS = 0
    TEST_SPLIT = 1
    VALIDATION_SPLIT = 2
    FOLDS = 3
    BASELINE = 4
    LEAKS = 5


def derived_seed(seed: int, stream: Stream) -> int:
    """Returns a seed below 2³² for one purpose, from any integer `seed` ≥ 0.

    scikit-learn takes no larger ones; numpy's `SeedSequence` keeps streams and seeds unrelated.
    """
    return int(np.random.SeedSequence(seed, spawn_key=(int(stream),)).generate_state(1)[0])
