"""A Keras model that trains and validates a whole epoch in one graph call."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hypermodels.streaming import RowStream, Streamed
from hypermodels.tunables import tunables_of

EVALUATION_ROWS = 16_384  # rows of one forward pass in validation: bounds memory, costs nothing
LARGE_BYTES = 2**26  # of arrays that are too large to be copied into a dataset
Arrays = tuple[Any, ...]  # (x, y) or (x, y, sample_weight), all rows of each
WholeMetric = Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], float]


class EpochModel(keras.Model):
    """A functional model with one output whose `fit` runs one graph call an epoch.

    The call shuffles the rows, takes every step, computes the metrics once from all predictions,
    and validates. Rows that do not fit into memory are streamed: the same steps on the same
    batches, and metrics that are updated batch by batch. On small nets this is many times faster
    than `fit` on batches, whose time goes into handing over each of them; losses, metrics,
    callbacks and `History` are those of plain `fit` on the same batches. `fit_epochs` is how to
    call it; `evaluate` and `predict` are Keras's.

    Where the optimizer averages weights (`use_ema`), an epoch ends with the averages in the model,
    as `keras.callbacks.SwapEMAWeights` has it with `swap_on_epoch=True`: validation and callbacks
    see them, and after `fit` they stay, as Keras has it. The next epoch goes on with the weights
    that were trained. Statistics of batch normalisation are not averaged, as in Keras.

    Attributes:
        batch_size: integer variable; rows of one step, 0 for the whole training set. The last
            batch of an epoch holds what is left.
        shuffle_seed: integer variable of shape (2,): the seed and the number of the next epoch. The
            order of the rows is a function of these two alone, so that training which continues at
            epoch k sees the same batches as training which never stopped.
        step_rates: float32 variable of any length: the learning rate of each step of the next
            epoch, `epoch_steps()` of them. The optimizer holds its own rate again after the epoch.
            Empty, as at the beginning of each fit, every step has the optimizer's rate.
        whole_metrics: metrics beside the compiled ones, by name, that cannot be put together from
            those of batches: functions of NumPy arrays, the labels `(rows,)` and the predictions
            `(rows, outputs)` of all rows. To be set before the first fit. `evaluate` leaves them
            out. Where rows are streamed, their predictions are held all the same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batch_size = tf.Variable(32, dtype=tf.int32, trainable=False)
        self.shuffle_seed = tf.Variable([0, 0], dtype=tf.int32, trainable=False)
        self.step_rates = tf.Variable(tf.zeros(0), shape=(None,), dtype=tf.float32, trainable=False)
        self.whole_metrics: Mapping[str, WholeMetric] = {}
        self._rows = 0
        self._training_stream, self._validation_stream = RowStream(), RowStream()
        self._epoch_logs: dict[str, Any] | None = None
        self._keeps_metrics = True  # whether what runs uses the variables of the metrics
        self._trained: list[Any] = []  # the weights as trained, while the averages are in the model
        self._shows_averages = False

    def fit_epochs(
        self,
        training: Arrays,
        validation: Arrays | None = None,
        *,
        stream: bool = False,
        **fit_arguments: Any,
    ) -> keras.callbacks.History:
        """Calls `fit` on whole arrays.

        Args:
            training: `(x, y)` or `(x, y, sample_weight)`; arrays or tensors.
            validation: the same of the validation rows, or None.
            stream: leaves the arrays where they are, such as in mapped files, and reads batch by
                batch; they may then be anything that `RowStream.open` takes. Otherwise they are
                copied into memory as tensors.
            fit_arguments: `epochs`, `initial_epoch`, `callbacks` and `verbose`, as for `fit`.
        """
        self._rows = int(training[0].shape[0])
        self._shows_averages = False
        self.step_rates.assign(tf.zeros(0))
        element: tuple[Any, ...] = (training,) if validation is None else (training, validation)
        if self.train_function is None:
            self.build_losses_and_metrics()
        if stream:
            streams = (self._training_stream, self._validation_stream)
            element = tuple(s.open(arrays) for s, arrays in zip(streams, element, strict=False))
        epochs = _repeated(element, stream=stream)
        self._keeps_metrics = stream
        try:
            return self.fit(epochs, steps_per_epoch=1, shuffle=False, **fit_arguments)
        finally:
            self._keeps_metrics = True
            self._training_stream.close()
            self._validation_stream.close()

    def epoch_steps(self) -> int:
        """Steps of the next epoch of the fit that runs, with the batch size as it is now."""
        return -(-self._rows // self.epoch_batch_size())

    def epoch_batch_size(self) -> int:
        """Rows of one step of that epoch: at most all."""
        return min(int(self.batch_size) or self._rows, self._rows)

    def trained_weights(self) -> list[Any]:
        """The trainable weights as they were trained, also where the model has their averages.

        Returns:
            Tensors, in the order of `trainable_variables`.
        """
        shown = self._trained if self._shows_averages else self.trainable_variables
        return [tf.convert_to_tensor(weight) for weight in shown]

    @property
    def tunables(self) -> dict[str, tuple[Any, ...]]:
        """Variables by the hyperparameter whose value they hold; callbacks may assign to them.

        `learning_rate`, and of `dropout`, `l1`, `l2`, `momentum`, `weight_decay` and
        `label_smoothing` those that the model has: one of each layer for the first three.
        """
        return tunables_of(self)

    def build_losses_and_metrics(self) -> None:
        """Creates the variables of the compiled loss and metrics, which a trace must find."""
        y_pred = tf.zeros((2, *self.output_shape[1:]))
        y = tf.zeros((2, 1)) if self.output_shape[-1] == 1 else tf.zeros((2,), tf.int32)
        self.compute_loss(x=None, y=y, y_pred=y_pred)
        self.compute_metrics(None, y, y_pred)
        self.reset_metrics()

    def make_train_function(self, force: bool = False) -> Any:
        """Makes what `fit` calls once an epoch; the documented place to replace Keras's steps."""
        if self.train_function is None or force:
            epoch = self._epoch if self.run_eagerly else tf.function(self._epoch, autograph=False)
            if self.optimizer.use_ema and not self._trained:
                self._trained = [tf.Variable(w, trainable=False) for w in self.trainable_weights]

            def train_function(iterator: Any) -> dict[str, Any]:
                self._check_step_rates()
                self._show_trained()
                logs = epoch(*next(iterator))
                self._epoch_logs = {name: value.numpy() for name, value in logs.items()}
                self._shows_averages = bool(self.optimizer.use_ema)
                return self._epoch_logs

            self.train_function: Any = train_function
        return self.train_function

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's own; a callback may call it between two epochs."""
        before, self._keeps_metrics = self._keeps_metrics, True
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._keeps_metrics = before

    def reset_metrics(self) -> None:
        """Keras's own; `fit` calls it before each epoch, where it would cost as much as steps."""
        self._epoch_logs = None
        if self._keeps_metrics:
            super().reset_metrics()

    def get_metrics_result(self) -> dict[str, Any]:
        """The logs of an epoch after it, as `fit` asks for them; else Keras's own."""
        return super().get_metrics_result() if self._epoch_logs is None else self._epoch_logs

    def _check_step_rates(self) -> None:
        rates, steps = int(tf.size(self.step_rates)), self.epoch_steps()
        if rates not in (0, steps):
            raise ValueError(
                f"step_rates has {rates} rates; valid: a rate for each step of the epoch, which "
                f"are {steps}, or none"
            )

    def _epoch(self, training: Any, validation: Any = None) -> dict[str, Any]:
        logs = self._train_epoch(training)
        if self.optimizer.use_ema:
            for kept, weight in zip(self._trained, self.trainable_weights, strict=True):
                kept.assign(weight.value)
            self.optimizer.finalize_variable_values(self.trainable_weights)
        if validation is not None:
            logs |= {f"val_{name}": value for name, value in self._validate(validation).items()}
        return logs

    def _show_trained(self) -> None:
        """Puts the weights as they were trained back, where the model has their averages."""
        if self._shows_averages:
            for kept, weight in zip(self._trained, self.trainable_weights, strict=True):
                weight.assign(kept)
            self._shows_averages = False

    def _train_epoch(self, data: Arrays | Streamed) -> dict[str, Any]:
        rows = _count(data)
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=self.shuffle_seed)
        self.shuffle_seed.assign_add([0, 1])
        batch = tf.where(self.batch_size > 0, tf.minimum(self.batch_size, rows), rows)
        weights = self.trainable_weights
        set_rate = self._rate_setter(-(-rows // batch))

        def step(number: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            set_rate(number)
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return y_pred, loss

        logs = self._loop(step, data, self._training_stream, order, batch)
        set_rate(None)
        return logs

    def _rate_setter(self, steps: Any) -> Any:
        """Returns what sets the rate of a step, by its number, and for None the optimizer's own."""
        variable = self.optimizer.learning_rate
        if not isinstance(variable, keras.Variable):  # a schedule of the optimizer's own
            return lambda _: None
        own, given = tf.identity(variable.value), tf.identity(self.step_rates)
        rates = tf.concat([given, tf.fill([steps - tf.size(given)], own)], axis=0)
        return lambda number: variable.assign(own if number is None else tf.gather(rates, number))

    def _validate(self, data: Arrays | Streamed) -> dict[str, Any]:
        def step(_: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            y_pred = self(x, training=False)
            return y_pred, self.compute_loss(x, y, y_pred, sample_weight, training=False)

        if not isinstance(data, Streamed):
            x, y, sample_weight = _three(data)
            if x.shape[0] is not None and x.shape[0] <= EVALUATION_ROWS:
                y_pred, loss = step(0, x, y, sample_weight)  # a loop takes long to trace
                return self._logs(loss, y, y_pred, sample_weight)
        order = tf.range(_count(data))
        return self._loop(step, data, self._validation_stream, order, EVALUATION_ROWS)

    def _loop(
        self, step: Any, data: Arrays | Streamed, stream: RowStream, order: Any, batch: Any
    ) -> dict[str, Any]:
        """Runs `step` on each batch; returns the mean loss over the rows, and the metrics.

        Rows in memory let all predictions be collected, for one update of the metrics. Of streamed
        ones predictions and labels are collected if there are metrics that need them all.
        """
        rows = tf.size(order)
        total = tf.cast(rows, tf.float32)
        first: Any = tf.constant(0)
        collected: list[Any] = []  # predictions, and of streamed rows labels
        if isinstance(data, Streamed):
            first = stream.begin(order, batch)
            self.reset_metrics()
        if not isinstance(data, Streamed) or self.whole_metrics:
            collected.append(_array(-(-rows // batch), tf.float32, self.output_shape[1:]))
        if isinstance(data, Streamed) and self.whole_metrics:
            labels = data.like[1]
            collected.append(_array(-(-rows // batch), labels.dtype, labels.shape[1:]))

        def body(start: Any, loss: Any, *collected: Any) -> list[Any]:
            if isinstance(data, Streamed):
                parts = stream.next_batch(start, data.like)
            else:
                chosen = order[start : start + batch]
                parts = tuple(tf.gather(array, chosen) for array in data)
            x, y, sample_weight = _three(parts)
            number = start // batch
            y_pred, batch_loss = step(number, x, y, sample_weight)
            if isinstance(data, Streamed):
                self.compute_metrics(None, y, y_pred, sample_weight)
            # The share of an only batch is exactly 1, so that a loop of one gives the loss itself.
            share = tf.cast(tf.shape(x)[0], loss.dtype) / total
            written = [
                a.write(number, part) for a, part in zip(collected, (y_pred, y), strict=False)
            ]
            return [start + batch, loss + batch_loss * share, *written]

        _, loss, *collected = tf.while_loop(
            lambda start, *_: start < rows,
            body,
            [first, tf.constant(0.0), *collected],
            parallel_iterations=1,
        )
        if isinstance(data, Streamed):
            logs = dict(self.get_metrics_result()) | {"loss": loss}
            if collected:
                logs |= self._whole_logs(collected[1].concat(), collected[0].concat())
            return logs
        _, y, sample_weight = _three(data)
        ordered = [None if a is None else tf.gather(a, order) for a in (y, sample_weight)]
        return self._logs(loss, ordered[0], collected[0].concat(), ordered[1])

    def _logs(self, loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
        """The mean loss over the rows, and the metrics of all predictions at once."""
        logs = {"loss": loss}
        for metric in self.metrics:
            if metric.name != "loss":  # without variables, which would cost operations
                state = metric.stateless_reset_state()
                state = metric.stateless_update_state(state, y, y_pred, sample_weight)
                result = metric.stateless_result(state)
                logs |= result if isinstance(result, dict) else {metric.name: result}
        return logs | self._whole_logs(y, y_pred)

    def _whole_logs(self, y: Any, y_pred: Any) -> dict[str, Any]:
        logs = {}
        for name, metric in self.whole_metrics.items():
            logs[name] = tf.numpy_function(
                _float32(metric), [tf.reshape(y, (-1,)), y_pred], tf.float32
            )
            logs[name].set_shape(())
        return logs


def _float32(metric: WholeMetric) -> Callable[..., np.float32]:
    return lambda labels, predictions: np.float32(metric(labels, predictions))


def _array(size: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Collects the parts of an array of rows, batch by batch."""
    return tf.TensorArray(dtype, size, infer_shape=False, element_shape=(None, *shape))


def _repeated(element: tuple[Any, ...], *, stream: bool) -> Any:
    """A dataset of the same arrays over and over.

    `from_tensors` copies them three times, which is quick for small ones. Large NumPy arrays are
    handed over in every epoch instead: where they lie at a multiple of 64 bytes, without a copy.
    """
    arrays = [array for part in element for array in part]
    if stream or sum(getattr(array, "nbytes", 0) for array in arrays) < LARGE_BYTES:
        epochs = tf.data.Dataset.from_tensors(element).repeat()
    else:
        signature = tuple(tuple(tf.TensorSpec(a.shape, a.dtype) for a in part) for part in element)
        epochs = tf.data.Dataset.from_generator(
            lambda: itertools.repeat(element), output_signature=signature
        )
    options = tf.data.Options()  # nothing to tune or rewrite; looking for it costs milliseconds
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return epochs.with_options(options)


def _count(data: Arrays | Streamed) -> Any:
    return data.rows if isinstance(data, Streamed) else tf.shape(data[0])[0]


def _three(parts: Arrays) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)`, the last None where there are no weights."""
    x, y, sample_weight = (*parts, None)[:3]
    return x, y, sample_weight
