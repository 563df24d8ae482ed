"""A Keras model that trains a whole epoch in one graph call."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

EVALUATION_ROWS = 16_384  # rows of one forward pass in evaluation: bounds memory, costs nothing


class EpochModel(keras.Model):
    """A functional model whose `fit` sees the whole training set as one element.

    Keras's own `train_step` runs on shuffled batches inside one graph call, which on small nets is
    about five times faster than feeding the batches from Python; callbacks, metrics, `History` and
    everything else of `fit` stay as they are. Give `fit` a data set of one element, repeated, with
    `steps_per_epoch=1`; see `TemplateHyperModel.fit`.

    Attributes:
        batch_size: integer variable; rows of one step, 0 for the whole training set. The last
            batch of an epoch holds what is left.
        shuffle_seed: integer variable of shape (2,): the seed and the number of the next epoch. The
            order of the rows is a function of these two alone, so that training which continues at
            epoch k sees the same batches as training which never stopped.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batch_size = tf.Variable(32, dtype=tf.int32, trainable=False)
        self.shuffle_seed = tf.Variable([0, 0], dtype=tf.int32, trainable=False)

    def train_step(self, data: Any) -> dict[str, Any]:
        """One epoch over `data`, a tuple `(x, y)` or `(x, y, sample_weight)` of whole arrays."""
        rows = _rows(data)
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=self.shuffle_seed)
        batch = tf.where(self.batch_size > 0, self.batch_size, rows)
        _for_batches(rows, batch, order, data, super().train_step)
        self.shuffle_seed.assign_add([0, 1])
        return dict(self.get_metrics_result())

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates whole arrays, a bounded number of rows at a time."""
        rows = _rows(data)
        _for_batches(rows, tf.constant(EVALUATION_ROWS), tf.range(rows), data, super().test_step)
        return dict(self.get_metrics_result())


def _rows(data: Any) -> Any:
    return tf.shape(keras.tree.flatten(data)[0])[0]


def _for_batches(rows: Any, batch: Any, order: Any, data: Any, step: Callable[[Any], Any]) -> None:
    """Calls `step` on the rows of each batch of `order`, in a loop inside the graph."""

    def body(start: Any) -> list[Any]:
        chosen = order[start : start + batch]
        step(keras.tree.map_structure(lambda array: tf.gather(array, chosen), data))
        return [start + batch]

    tf.while_loop(lambda start: start < rows, body, [tf.constant(0)], parallel_iterations=1)
