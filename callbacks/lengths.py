"""Lengths within a training: a fraction of it, or a number of epochs."""

import math

LONGEST = 1e6  # epochs


def as_fraction(length: float, epochs: float) -> float:
    """Returns which fraction of a training a length is.

    Args:
        length: below 1 the fraction itself, from 1 on a number of epochs. So scikit-learn takes
            numbers of samples, as in `min_samples_leaf`.
        epochs: of the training; where there are none, no length in epochs ever passes.
    """
    if length < 1:
        return length
    return length / epochs if epochs > 0 else math.inf
