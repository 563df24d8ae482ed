"""Seeds for everything random, unrelated for neighbouring user seeds.

Keras Tuner raises its seed by one per sampled value, so that searches with seeds 1 and 2 share most
trials, and reads 0 as "any seed". NumPy's `SeedSequence` mixes what it is given, so that every
input, 0 included, leads to an unrelated stream.
"""

from enum import IntEnum

import numpy as np

_ORACLE, _TRIAL, _PROPOSAL = 100, 101, 102  # streams beside those of `Stream`


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


def oracle_seed(seed: int) -> int:
    """The seed for a Keras Tuner oracle: in 1 … 2³² − 1, as NumPy's `RandomState` wants it."""
    return _mix(seed, _ORACLE)


def proposal_seed(oracle: int, trial: int, attempt: int = 0) -> int:
    """The seed for one proposal of an oracle, in 1 … 2³² − 1.

    Args:
        oracle: the oracle's seed.
        trial: how many trials have been proposed.
        attempt: how many proposals were refused.
    """
    return _mix(oracle, _PROPOSAL, trial, attempt)


def trial_seed(seed: int, root: int, execution: int, fold: int, attempt: int = 0) -> int:
    """The seed for one fit, in 1 … 2³² − 1.

    Args:
        seed: the user's seed.
        root: number of the trial, or of the one that a Hyperband promotion descends from.
        execution: repeat of the trial, from 0.
        fold: cross-validation fold, from 0.
        attempt: how often the trial has failed before.
    """
    return _mix(seed, _TRIAL, root, execution, fold, *([attempt] if attempt else []))


def _mix(seed: int, *key: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0]) or 1
