"""Seeds for everything random, unrelated for neighbouring user seeds.

Keras Tuner raises its seed by one per sampled value, so that searches with seeds 1 and 2 share most
trials, and reads 0 as "any seed". NumPy's `SeedSequence` mixes what it is given, so that every
input, 0 included, leads to an unrelated stream.
"""

import numpy as np

_ORACLE, _TRIAL, _PROPOSAL = 100, 101, 102  # other streams than those of src/data/seeds.py


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
