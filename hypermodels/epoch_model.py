"""A Keras model that trains and validates a whole epoch in one graph call."""

from typing import Any

import keras
import tensorflow as tf

from hypermodels.tunables import tunables_of

EVALUATION_ROWS = 16_384  # rows of one forward pass in validation: bounds memory, costs nothing
Arrays = tuple[Any, ...]  # (x, y) or (x, y, sample_weight), all rows of each


class EpochModel(keras.Model):
    """A functional model with one output whose `fit` runs one graph call an epoch.

    The call shuffles the rows, takes every step, computes the metrics once from all predictions,
    and validates. On small nets this is many times faster than `fit` on batches, whose time goes
    into handing over each of them; losses, metrics, callbacks and `History` are those of plain
    `fit` on the same batches. `fit_epochs` is how to call it; `evaluate` and `predict` are Keras's.

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
        self._epoch_logs: dict[str, Any] | None = None

    def fit_epochs(
        self, training: Arrays, validation: Arrays | None = None, **fit_arguments: Any
    ) -> keras.callbacks.History:
        """Calls `fit` on whole arrays.

        Args:
            training: `(x, y)` or `(x, y, sample_weight)`; arrays or tensors.
            validation: the same of the validation rows, or None.
            fit_arguments: `epochs`, `initial_epoch`, `callbacks` and `verbose`, as for `fit`.
        """
        element = (training,) if validation is None else (training, validation)
        epochs = tf.data.Dataset.from_tensors(element).repeat()
        return self.fit(epochs, steps_per_epoch=1, shuffle=False, **fit_arguments)

    @property
    def tunables(self) -> dict[str, tuple[Any, ...]]:
        """Variables by the hyperparameter whose value they hold; callbacks may assign to them.

        `learning_rate`, and of `dropout`, `l1`, `l2`, `momentum`, `weight_decay` and
        `label_smoothing` those that the model has: one of each layer for the first three.
        """
        return tunables_of(self)

    def build_losses_and_metrics(self) -> None:
        """Creates the variables of the compiled loss and metrics, so that one trace is enough.

        Keras would find them missing and trace the model once just for that.
        """
        y_pred = tf.zeros((2, *self.output_shape[1:]))
        y = tf.zeros((2, 1)) if self.output_shape[-1] == 1 else tf.zeros((2,), tf.int32)
        self.compute_loss(x=None, y=y, y_pred=y_pred)
        self.compute_metrics(None, y, y_pred)
        self.reset_metrics()

    def make_train_function(self, force: bool = False) -> Any:
        """Makes what `fit` calls once an epoch; the documented place to replace Keras's steps."""
        if self.train_function is None or force:
            epoch = self._epoch if self.run_eagerly else tf.function(self._epoch, autograph=False)

            def train_function(iterator: Any) -> dict[str, Any]:
                logs = epoch(*next(iterator))
                self._epoch_logs = {name: value.numpy() for name, value in logs.items()}
                return self._epoch_logs

            self.train_function: Any = train_function
        return self.train_function

    def reset_metrics(self) -> None:
        """Keras's own; `fit` calls it before each epoch."""
        self._epoch_logs = None
        super().reset_metrics()

    def get_metrics_result(self) -> dict[str, Any]:
        """The logs of an epoch after it, as `fit` asks for them; else Keras's own."""
        return super().get_metrics_result() if self._epoch_logs is None else self._epoch_logs

    def _epoch(self, training: Arrays, validation: Arrays | None = None) -> dict[str, Any]:
        logs = self._train_epoch(*training)
        if validation is not None:
            logs |= {f"val_{name}": value for name, value in self._validate(*validation).items()}
        return logs

    def _train_epoch(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, Any]:
        rows = tf.shape(x)[0]
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=self.shuffle_seed)
        self.shuffle_seed.assign_add([0, 1])
        batch = tf.where(self.batch_size > 0, tf.minimum(self.batch_size, rows), rows)
        weights = self.trainable_weights

        def step(start: Any, total: Any, predictions: Any) -> list[Any]:
            chosen = order[start : start + batch]
            x_batch, y_batch = tf.gather(x, chosen), tf.gather(y, chosen)
            w_batch = None if sample_weight is None else tf.gather(sample_weight, chosen)
            with tf.GradientTape() as tape:
                y_pred = self(x_batch, training=True)
                loss = self.compute_loss(x_batch, y_batch, y_pred, w_batch, training=True)
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            total += loss * tf.cast(tf.shape(chosen)[0], loss.dtype)
            return [start + batch, total, predictions.write(start // batch, y_pred)]

        steps = -(-rows // batch)
        _, total, predictions = self._loop(step, rows, steps)
        loss = total / tf.cast(rows, total.dtype)
        if sample_weight is not None:
            sample_weight = tf.gather(sample_weight, order)
        return self._logs(loss, tf.gather(y, order), predictions.concat(), sample_weight)

    def _validate(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, Any]:
        rows = tf.shape(x)[0]

        def step(start: Any, total: Any, predictions: Any) -> list[Any]:
            part = slice(start, start + EVALUATION_ROWS)
            y_pred, loss = self._evaluate_rows(
                *(None if array is None else array[part] for array in (x, y, sample_weight))
            )
            total += loss * tf.cast(tf.shape(y_pred)[0], loss.dtype)
            number = start // EVALUATION_ROWS
            return [start + EVALUATION_ROWS, total, predictions.write(number, y_pred)]

        if x.shape[0] is not None and x.shape[0] <= EVALUATION_ROWS:  # a loop takes long to trace
            y_pred, loss = self._evaluate_rows(x, y, sample_weight)
            return self._logs(loss, y, y_pred, sample_weight)
        _, total, predictions = self._loop(step, rows, -(-rows // EVALUATION_ROWS))
        loss = total / tf.cast(rows, total.dtype)
        return self._logs(loss, y, predictions.concat(), sample_weight)

    def _evaluate_rows(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        y_pred = self(x, training=False)
        return y_pred, self.compute_loss(x, y, y_pred, sample_weight, training=False)

    def _loop(self, step: Any, rows: Any, steps: Any) -> Any:
        """Runs `step` from row 0 on; it gives the next row, the summed loss, the predictions."""
        predictions = tf.TensorArray(
            tf.float32, steps, infer_shape=False, element_shape=(None, *self.output_shape[1:])
        )
        return tf.while_loop(
            lambda start, *_: start < rows,
            step,
            [tf.constant(0), tf.constant(0.0), predictions],
            parallel_iterations=1,
        )

    def _logs(self, loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
        """The mean loss over the rows, and the metrics of all predictions at once."""
        logs = {"loss": loss}
        for metric in self.metrics:
            if metric.name != "loss":  # without variables, which would cost operations
                state = metric.stateless_reset_state()
                state = metric.stateless_update_state(state, y, y_pred, sample_weight)
                result = metric.stateless_result(state)
                logs |= result if isinstance(result, dict) else {metric.name: result}
        return logs
