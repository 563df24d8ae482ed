"""Dropout whose rate is a variable."""

from typing import Any

import keras
import tensorflow as tf

from hypermodels.tunables import tunable

NEXT = (0, 1)  # from the state of a seed generator to the following one
PHILOX = 1  # TensorFlow's number of the algorithm that `tf.random.stateless_uniform` uses


class Dropout(keras.layers.Layer):
    """Dropout (Srivastava et al. 2014), as `keras.layers.Dropout`; the rate may change at any time.

    Each value is set to 0 with a probability of `rate`, and divided by `1 - rate` otherwise; in
    inference nothing happens. The operations are fewer than Keras's, the random numbers others.

    Args:
        rate: at least 0, below 1.
        seed: of the random generator; drawn from Python's `random` if None, as Keras does.
        options: those of `keras.layers.Layer`.

    Attributes:
        tunables: the variable of the rate, as `dropout`.
        seed_generator: Keras's; its state is among the model's variables.
    """

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and below 1, but got {rate}")
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.rate = tunable("dropout", rate)
        self.built = True

    @property
    def tunables(self) -> dict[str, Any]:
        """Variables by the hyperparameter's name."""
        return {"dropout": self.rate}

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns a tensor of the shape of `inputs`."""
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
        rate = tf.cast(tf.convert_to_tensor(self.rate), inputs.dtype)
        return inputs * (tf.cast(noise >= rate, inputs.dtype) / (1.0 - rate))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Everything that the constructor takes."""
        return dict(super().get_config()) | {"rate": float(self.rate), "seed": self.seed}

    def plain(self) -> keras.layers.Dropout:
        """Keras's own layer, for a model that is to load without this project."""
        return keras.layers.Dropout(float(self.rate), seed=self.seed, name=self.name)
