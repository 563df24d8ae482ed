"""Dropout in fewer operations, with a variable for the rate."""

from typing import Any

import keras
import tensorflow as tf

from hypermodels.tunables import tunable

NEXT = (0, 1)  # from the state of a seed generator to the following one
PHILOX = 1  # TensorFlow's number of the algorithm that `tf.random.stateless_uniform` uses


class Dropout(keras.layers.Dropout):
    """Dropout (Srivastava et al. 2014) as in Keras, with other random numbers."""

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(rate, **options)
        self.tunables = {"dropout": tunable("dropout", rate)}

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Sets values to 0 with the probability `rate`, and divides the others by `1 - rate`."""
        if not training:
            return inputs
        # What the generator's `next` does, with half as many operations.
        state = self.seed_generator.state
        seed = tf.convert_to_tensor(state)
        state.assign(seed + NEXT)
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
        noise = tf.raw_ops.StatelessRandomUniformV2(
            shape=tf.shape(inputs), key=key, counter=counter, alg=PHILOX, dtype=inputs.dtype
        )
        rate = tf.cast(tf.convert_to_tensor(self.tunables["dropout"]), inputs.dtype)
        return inputs * (tf.cast(noise >= rate, inputs.dtype) / (1.0 - rate))

    def plain(self) -> keras.layers.Dropout:
        """Keras's own layer, for a model that is to load without this project."""
        return keras.layers.Dropout(float(self.tunables["dropout"]), seed=self.seed, name=self.name)
