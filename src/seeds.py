"""Seeds for everything random, unrelated for neighbouring user seeds.

Keras Tuner raises its seed by one per sampled value, so that searches with seeds 1 and 2 share most
trials, and reads 0 as "any seed". NumPy's `SeedSequence` leads from every input, 0 included, to an
unrelated stream.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a seed is for. The values are part of every seed: never renumber them."""

    ROWS = 0
    TEST_SPLIT = 1
    VALIDATION_SPLIT = 2
    FOLDS = 3
    BASELINE = 4
    LEAKS = 5
    ORACLE = 100
    TRIAL = 101
    PROPOSAL = 102


def derived_seed(seed: int, stream: Stream, *key: int) -> int:
    """The seed for one purpose, in 1 … 2³² − 1 as NumPy's `RandomState` takes it."""
    return int(np.random.SeedSequence(seed, spawn_key=(stream, *key)).generate_state(1)[0]) or 1


def oracle_seed(seed: int) -> int:
    """The seed for a Keras Tuner oracle."""
    return derived_seed(seed, Stream.ORACLE)


def proposal_seed(oracle: int, trial: int, attempt: int = 0) -> int:
    """The seed for one proposal of an oracle with a seed, after so many trials and refusals."""
    return derived_seed(oracle, Stream.PROPOSAL, trial, attempt)


def trial_seed(seed: int, root: int, execution: int, fold: int) -> int:
    """The seed for one fit of a trial; `root` is its number, or that of its first ancestor."""
    return derived_seed(seed, Stream.TRIAL, root, execution, fold)
