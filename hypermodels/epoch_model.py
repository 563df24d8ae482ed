"""A Keras model that trains and validates a whole epoch in one graph call."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hypermodels.streaming import RowStream, Streamed
from hypermodels.tunables import tunables_of

EVALUATION_ROWS = 16_384  # rows of one forward pass in validation: bounds memory, costs nothing
LARGE_BYTES = 2**26  # of arrays that are too large to be copied
Arrays = tuple[Any, ...]  # (x, y) or (x, y, sample_weight), all rows of each
WholeMetric = Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], float]
RowMetrics = Callable[[Any, Any], Mapping[str, Any]]


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
        self._state = _FitState()

    def share_metrics(self, values: RowMetrics) -> None:
        """Has `values` compute the compiled metrics of whole epochs, until `compile` is called.

        A `tf.function` that many models share is traced once, and not with each of them.

        Args:
            values: returns the metrics by name, from all labels and predictions. They take no
                sample weights.
        """
        self._state.shared_metrics, self._state.shared_for = values, self.metrics

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
                held in memory as tensors.
            fit_arguments: `epochs`, `initial_epoch`, `callbacks` and `verbose`, as for `fit`.

        Raises:
            ValueError: if the model has several outputs, or one that is not float32, or was
                compiled under the policy `mixed_float16`.
        """
        state = self._state
        if [output.dtype for output in self.outputs] != ["float32"]:
            found = ", ".join(f"{one.name} ({one.dtype})" for one in self.outputs)
            raise ValueError(f"an EpochModel has one output, of float32; this one has {found}")
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "an EpochModel does not train under the policy mixed_float16; valid: float32, and "
                "mixed_bfloat16 with an output of float32"
            )
        if state.built_metrics != self.metrics and (stream or self._shared_metrics is None):
            self.build_losses_and_metrics(training[1])
            state.built_metrics = self.metrics
        self.step_rates.assign(tf.zeros(0))
        element: tuple[Any, ...] = (training,) if validation is None else (training, validation)
        try:
            state.begin(int(training[0].shape[0]), stream=stream)
            if stream:
                state.element = tuple(
                    rows.open(arrays) for rows, arrays in zip(state.streams, element, strict=False)
                )
            else:
                state.element = tuple(_tensors(arrays) for arrays in element)
            return self.fit(_epochs(), steps_per_epoch=1, shuffle=False, **fit_arguments)
        finally:
            state.close()

    def epoch_steps(self) -> int:
        """Steps of the next epoch of the fit that runs, with the batch size as it is now."""
        return -(-self._state.rows // self.epoch_batch_size())

    def epoch_batch_size(self) -> int:
        """Rows of one step of that epoch: at most all."""
        size, rows = int(self.batch_size), self._state.rows
        return min(size, rows) if size > 0 else rows

    def trained_weights(self) -> list[Any]:
        """The trainable weights as they were trained, also where the model has their averages.

        Returns:
            Tensors, in the order of `trainable_variables`.
        """
        state = self._state
        shown = state.trained if state.shows_averages else self.trainable_variables
        return [tf.convert_to_tensor(weight) for weight in shown]

    @property
    def tunables(self) -> dict[str, tuple[Any, ...]]:
        """Variables by the hyperparameter whose value they hold; callbacks may assign to them.

        `learning_rate`, and of `dropout`, `l1`, `l2`, `momentum`, `weight_decay` and
        `label_smoothing` those that the model has: one of each layer for the first three.
        """
        return tunables_of(self)

    def build_losses_and_metrics(self, labels: Any) -> None:
        """Creates the variables of the compiled loss and metrics, which a trace must find.

        Args:
            labels: an array or tensor like those to train on; its values do not matter.
        """
        y_pred = tf.zeros((2, *self.output_shape[1:]))
        y = tf.zeros((2, *labels.shape[1:]), labels.dtype)
        self.compute_loss(x=None, y=y, y_pred=y_pred)
        self.compute_metrics(None, y, y_pred)
        self.reset_metrics()

    def make_train_function(self, force: bool = False) -> Any:
        """Makes what `fit` calls once an epoch; the documented place to replace Keras's steps."""
        if self.train_function is None or force:
            epoch = self._epoch if self.run_eagerly else tf.function(self._epoch, autograph=False)

            def train_function(_: Any) -> dict[str, Any]:
                state = self._state
                if not state.element:
                    raise RuntimeError(
                        "an EpochModel trains whole epochs: call fit_epochs((x, y)) instead of fit "
                        "or train_on_batch"
                    )
                rates, own = self._rates_of_steps()
                self._show_trained()
                state.rates.assign(rates)
                seed = tf.convert_to_tensor(self.shuffle_seed)
                self.shuffle_seed.assign_add([0, 1])
                # Of streamed rows the graph makes the order, as it is to know no number of rows.
                order = seed if isinstance(state.element[0], Streamed) else _order(state.rows, seed)
                batch = tf.constant(self.epoch_batch_size(), tf.int32)
                try:
                    logs = epoch(self._sets_rate, order, batch, *state.element)
                finally:
                    if own is not None:
                        self.optimizer.learning_rate.assign(own)
                state.logs = {name: value.numpy() for name, value in logs.items()}
                state.shows_averages = bool(self.optimizer.use_ema)
                return state.logs

            self.train_function: Any = train_function
        return self.train_function

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's own; a callback may call it between two epochs."""
        before, self._state.keeps_metrics = self._state.keeps_metrics, True
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._state.keeps_metrics = before

    def reset_metrics(self) -> None:
        """Keras's own; `fit` calls it before each epoch, where it would cost as much as steps."""
        self._state.logs = None
        if self._state.keeps_metrics:
            super().reset_metrics()

    def get_metrics_result(self) -> dict[str, Any]:
        """The logs of an epoch after it, as `fit` asks for them; else Keras's own."""
        logs = self._state.logs
        return super().get_metrics_result() if logs is None else logs

    def _rates_of_steps(self) -> tuple[Any, float | None]:
        """The rate of each step of the epoch, and what the optimizer is to have again after it."""
        steps, given = self.epoch_steps(), self.step_rates.numpy()
        if len(given) not in (0, steps):
            raise ValueError(
                f"step_rates has {len(given)} rates; valid: a rate for each step of the epoch, "
                f"which are {steps}, or none"
            )
        if not self._sets_rate:
            return np.zeros(steps, np.float32), None
        own = float(self.optimizer.learning_rate)
        return (given, own) if len(given) else (np.full(steps, own, np.float32), None)

    @property
    def _sets_rate(self) -> bool:
        """Whether the optimizer has no schedule of its own."""
        return isinstance(self.optimizer.learning_rate, keras.Variable)

    def _epoch(
        self, sets_rate: bool, order: Any, batch: Any, training: Any, validation: Any = None
    ) -> dict[str, Any]:
        if isinstance(training, Streamed):
            order = _order(training.rows, order)
        logs = self._train_epoch(sets_rate, order, batch, training)
        if self.optimizer.use_ema:
            trained = self._state.keep_trained(self.trainable_weights)
            for kept, weight in zip(trained, self.trainable_weights, strict=True):
                kept.assign(weight.value)
            self.optimizer.finalize_variable_values(self.trainable_weights)
        if validation is not None:
            logs |= {f"val_{name}": value for name, value in self._validate(validation).items()}
        return logs

    def _show_trained(self) -> None:
        """Puts the weights as they were trained back, where the model has their averages."""
        state = self._state
        if state.shows_averages:
            for kept, weight in zip(state.trained, self.trainable_weights, strict=True):
                weight.assign(kept)
            state.shows_averages = False

    def _train_epoch(
        self, sets_rate: bool, order: Any, batch: Any, data: Arrays | Streamed
    ) -> dict[str, Any]:
        weights, rates = self.trainable_weights, tf.identity(self._state.rates)

        def step(number: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            if sets_rate:
                self.optimizer.learning_rate.assign(_rows(rates, number))
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
                scaled = self.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, weights)
            self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
            return y_pred, loss

        return self._loop(step, data, self._state.streams[0], order, batch, tf.size(rates))

    def _validate(self, data: Arrays | Streamed) -> dict[str, Any]:
        def step(_: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            y_pred = self(x, training=False)
            return y_pred, self.compute_loss(x, y, y_pred, sample_weight, training=False)

        if not isinstance(data, Streamed):
            x, y, sample_weight = _three(data)
            if x.shape[0] is not None and x.shape[0] <= EVALUATION_ROWS:
                y_pred, loss = step(0, x, y, sample_weight)  # a loop takes long to trace
                return self._logs(loss, y, y_pred, sample_weight)
        rows = data.rows if isinstance(data, Streamed) else tf.shape(data[0])[0]
        steps = -(-rows // EVALUATION_ROWS)
        stream = self._state.streams[1]
        return self._loop(step, data, stream, tf.range(rows), EVALUATION_ROWS, steps)

    def _loop(
        self,
        step: Any,
        data: Arrays | Streamed,
        stream: RowStream,
        order: Any,
        batch: Any,
        steps: Any,
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
            collected.append(_array(steps, tf.float32, self.output_shape[1:]))
        if isinstance(data, Streamed) and self.whole_metrics:
            labels = data.like[1]
            collected.append(_array(steps, labels.dtype, labels.shape[1:]))

        def body(start: Any, loss: Any, *collected: Any) -> list[Any]:
            end = start + batch
            if isinstance(data, Streamed):
                parts = stream.next_batch(start, data.like)
                count = tf.shape(parts[0])[0]
            else:
                chosen = order[start:end]
                parts = tuple(_rows(array, chosen) for array in data)
                count = tf.size(chosen)
            x, y, sample_weight = _three(parts)
            number = start // batch
            y_pred, batch_loss = step(number, x, y, sample_weight)
            if isinstance(data, Streamed):
                self.compute_metrics(None, y, y_pred, sample_weight)
            # The share of an only batch is exactly 1, so that a loop of one gives the loss itself.
            share = tf.cast(count, loss.dtype) / total
            written = [
                a.write(number, part) for a, part in zip(collected, (y_pred, y), strict=False)
            ]
            return [end, loss + batch_loss * share, *written]

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
        ordered = [None if a is None else _rows(a, order) for a in (y, sample_weight)]
        return self._logs(loss, ordered[0], collected[0].concat(), ordered[1])

    def _logs(self, loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
        """The mean loss over the rows, and the metrics of all predictions at once."""
        logs = {"loss": loss}
        if self._shared_metrics is not None:
            return logs | dict(self._shared_metrics(y, y_pred)) | self._whole_logs(y, y_pred)
        for metric in self.metrics:
            if metric.name != "loss":  # without variables, which would cost operations
                state = metric.stateless_reset_state()
                state = metric.stateless_update_state(state, y, y_pred, sample_weight)
                result = metric.stateless_result(state)
                logs |= result if isinstance(result, dict) else {metric.name: result}
        return logs | self._whole_logs(y, y_pred)

    @property
    def _shared_metrics(self) -> RowMetrics | None:
        """What `share_metrics` was given, if the model has not been compiled since."""
        state = self._state
        return state.shared_metrics if state.shared_for == self.metrics else None

    def _whole_logs(self, y: Any, y_pred: Any) -> dict[str, Any]:
        logs = {}
        for name, metric in self.whole_metrics.items():
            logs[name] = tf.numpy_function(
                _float32(metric), [tf.reshape(y, (-1,)), y_pred], tf.float32
            )
            logs[name].set_shape(())
        return logs


class _FitState:
    """What an `EpochModel` knows while it is fitted; on the model itself, Keras would track it.

    Attributes:
        rows: of the training.
        element: what an epoch is given: training rows and, if there are any, validation rows.
        keeps_metrics: whether what runs uses the variables of the metrics.
        built_metrics: those that have them.
        rates: float32 variable of any length: the rate of each step of the epoch, which another
            length must not trace anew.
        shared_metrics: what computes the metrics of whole epochs in their place, or None.
        shared_for: the metrics that it stands for.
        logs: of the epoch that has just been trained.
        trained: the weights as trained, while their averages are in the model.
        trained_ids: of the weights that those belong to.
        shows_averages: whether they are.
        streams: of the training and of the validation rows.
    """

    def __init__(self) -> None:
        self.built_metrics: list[Any] = []
        self.rates = tf.Variable(tf.zeros(0), shape=(None,), dtype=tf.float32, trainable=False)
        self.shared_metrics: RowMetrics | None = None
        self.shared_for: list[Any] = []
        self.trained: list[Any] = []
        self.trained_ids: list[int] = []
        self.streams = (RowStream(), RowStream())
        self.begin(rows=0, stream=True)

    def begin(self, rows: int, *, stream: bool) -> None:
        """Begins a fit; `stream` says whether the metrics are updated batch by batch."""
        self.rows = rows
        self.element: tuple[Any, ...] = ()
        self.keeps_metrics = stream
        self.logs: dict[str, Any] | None = None
        self.shows_averages = False

    def keep_trained(self, weights: Sequence[Any]) -> list[Any]:
        """Returns variables that take the weights as trained."""
        if [id(weight) for weight in weights] != self.trained_ids:  # some may have been frozen
            self.trained_ids = [id(weight) for weight in weights]
            with tf.init_scope():
                self.trained = [tf.Variable(weight.value, trainable=False) for weight in weights]
        return self.trained

    def close(self) -> None:
        """Lets go of the rows."""
        self.element, self.keeps_metrics = (), True
        for stream in self.streams:
            stream.close()


def _rows(array: Any, numbers: Any) -> Any:
    """The rows with these numbers, as `tf.gather` gives them with one operation more."""
    return tf.raw_ops.Gather(params=array, indices=numbers)


def _order(rows: Any, seed: Any) -> Any:
    """Shuffled row numbers."""
    return tf.random.experimental.stateless_shuffle(tf.range(rows), seed=seed)


def _float32(metric: WholeMetric) -> Callable[..., np.float32]:
    return lambda labels, predictions: np.float32(metric(labels, predictions))


def _array(size: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Collects the parts of an array of rows, batch by batch."""
    return tf.TensorArray(dtype, size, infer_shape=False, element_shape=(None, *shape))


@cache
def _epochs() -> Any:
    """What `fit` iterates over, without end; the rows go another way."""
    return tf.data.Dataset.from_tensors(0).repeat()


def _tensors(arrays: Arrays) -> Arrays:
    """The arrays as tensors: copies of small ones, which is quick.

    Large NumPy arrays are taken as they are where they lie at a multiple of 64 bytes, which only
    datasets can do.
    """
    if sum(getattr(array, "nbytes", 0) for array in arrays) < LARGE_BYTES:
        return tuple(tf.convert_to_tensor(array) for array in arrays)
    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in arrays)
    return next(iter(tf.data.Dataset.from_generator(lambda: [arrays], output_signature=signature)))


def _three(parts: Arrays) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)`, the last None where there are no weights."""
    x, y, sample_weight = (*parts, None)[:3]
    return x, y, sample_weight
