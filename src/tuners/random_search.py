"""The tuner `random`: Keras Tuner's random search."""

import keras_tuner as kt

from src.tuners.oracle import SearchOracle


class RandomOracle(SearchOracle, kt.oracles.RandomSearchOracle):
    """Random search (Bergstra and Bengio 2012)."""

    learns = False
