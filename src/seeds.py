"""Seeds for everything random, unrelated for neighbouring user seeds.

Keras Tuner raises its seed by one per sampled value, so that searches with seeds 1 and 2 share most
trials, and reads 0 as "any seed". NumPy's `SeedSequence` leads from every input, 0 included, to an
unrelated stream.
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
    """The seed for one purpose, in 1 … 2³² − 1, from any integer `seed` ≥ 0."""
    return _mix(seed, stream)


def oracle_seed(seed: int) -> int:
    """The seed for a Keras Tuner oracle, in 1 … 2³² − 1."""
    return _mix(seed, _ORACLE)


def proposal_seed(oracle: int, trial: int, attempt: int = 0) -> int:
    """The seed for one proposal of an oracle with a seed, after so many trials and refusals."""
    return _mix(oracle, _PROPOSAL, trial, attempt)


def trial_seed(seed: int, root: int, execution: int, fold: int, attempt: int = 0) -> int:
    """The seed for one fit.

    Args:
        seed: the user's seed.
        root: number of the trial, or of a promotion's first ancestor.
        execution: repeat of the trial, from 0.
        fold: cross-validation fold, from 0.
        attempt: how often the trial has failed before.
    """
    return _mix(seed, _TRIAL, root, execution, fold, *([attempt] if attempt else []))


def _mix(seed: int, *key: int) -> int:
    """A seed as NumPy's `RandomState` and scikit-learn take it."""
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0]) or 1
