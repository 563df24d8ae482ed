"""A Keras model that trains and validates a whole epoch in one graph call."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn

import keras
import numpy as np
import tensorflow as tf

from hypermodels.metrics import OF_ROWS, ON_REQUEST, WholeMetric, build_metrics
from hypermodels.problem import Problem
from hypermodels.training.epoch_graph import EVALUATION_ROWS, Rows, results, train, validate
from hypermodels.training.rows import Arrays, MemoryRows, RowStream, tensors
from hypermodels.tunables import tunables_of

RowMetrics = Callable[[Any, Any], Mapping[str, Any]]


class EpochModel(keras.Model):
    """A functional model with one output whose `fit_epochs` runs one graph call an epoch.

    The optimizer's learning rate is a number: callbacks do the schedules.
    Losses, metrics and `History` are those of Keras's `fit` on the same batches; for callbacks an
    epoch is one batch. Averages of weights are used as by `SwapEMAWeights(swap_on_epoch=True)`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Rows of one step, 0 for the whole training set.
        self.batch_size = tf.Variable(32, dtype=tf.int32, trainable=False)
        # The seed and the number of the next epoch, which alone decide the order of the rows, so
        # that a training may go on at any epoch.
        self.shuffle_seed = tf.Variable([0, 0], dtype=tf.int32, trainable=False)
        # The rate of each step of the next epoch; empty, as after each epoch, for the optimizer's.
        self.step_rates = tf.Variable(tf.zeros(0), shape=(None,), dtype=tf.float32, trainable=False)
        # Metrics by name, from all labels and predictions, to set before the first training.
        self.whole_metrics: Mapping[str, WholeMetric] = {}
        self._streams = (RowStream(), RowStream())
        self._rows = 0

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Like Keras; the next training traces a new graph."""
        super().compile(*args, **kwargs)
        # Computes the compiled metrics without sample weights; None for the metrics themselves.
        self.row_metrics: RowMetrics | None = None
        self._graph: Any = None
        self._averaged = False  # the model shows averages, `_trained` holds its weights

    def fit_epochs(
        self,
        training: Arrays,
        validation: Arrays | None = None,
        *,
        batch_size: int = 32,
        seed: int = 0,
        stream: bool = False,
        epochs: int = 1,
        initial_epoch: int = 0,
        callbacks: Sequence[Any] = (),
        verbose: int | str = 0,
    ) -> keras.callbacks.History:
        """Trains on whole arrays or tensors; the arguments that `fit` has mean the same.

        Both `training` and `validation` are `(x, y)` or `(x, y, sample_weight)`. A step has
        `batch_size` rows, 0 for all. The order of the rows depends on `seed` and the epoch's number
        alone. `stream` reads batch by batch what `RowStream.open` takes, instead of all at once.
        """
        self._prepare(training[1])
        self.batch_size.assign(batch_size)
        self.shuffle_seed.assign([seed % 2**31, initial_epoch])
        self.step_rates.assign(tf.zeros(0))
        self._rows = int(training[0].shape[0])
        self._averaged = self.stop_training = False
        listeners = keras.callbacks.CallbackList(
            [*callbacks],
            add_history=True,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=1,
        )
        logs = None
        try:
            given = (training,) if validation is None else (training, validation)
            rows = [
                source.open(arrays) if stream else MemoryRows(tensors(arrays))
                for source, arrays in zip(self._streams, given, strict=False)
            ]
            listeners.on_train_begin()
            for epoch in range(initial_epoch, epochs):
                listeners.on_epoch_begin(epoch)
                listeners.on_train_batch_begin(0)
                logs = self._run_epoch(*rows)
                listeners.on_train_batch_end(0, logs)
                listeners.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            listeners.on_train_end(logs)
        finally:
            for source in self._streams:
                source.close()
        history: keras.callbacks.History = self.history
        return history

    def epoch_steps(self) -> int:
        """Steps of the next epoch of the training that runs, with the batch size as it is now."""
        return -(-self._rows // self.epoch_batch_size())

    def epoch_batch_size(self) -> int:
        """Rows of one step of that epoch: at most all."""
        size = int(self.batch_size)
        return min(size, self._rows) if size > 0 else self._rows

    def trained_weights(self) -> list[Any]:
        """The trainable weights as tensors, trained, also where the model shows their averages."""
        shown = self._trained if self._averaged else self.trainable_variables
        return [tf.convert_to_tensor(weight) for weight in shown]

    @property
    def tunables(self) -> dict[str, tuple[Any, ...]]:
        """Variables by the hyperparameter whose value they hold; callbacks may assign to them."""
        return tunables_of(self)

    def make_train_function(self, force: bool = False) -> NoReturn:
        """Refuses `fit` and `train_on_batch`: step rates and batch size would do nothing there."""
        raise RuntimeError("call fit_epochs((x, y)) of an EpochModel, not fit or train_on_batch")

    def _prepare(self, labels: Any) -> None:
        """Creates the graph, and before it the variables that its trace must find."""
        if self.row_metrics is None and self._graph is None:
            y_pred = tf.zeros((2, *self.output_shape[1:]))
            y = tf.zeros((2, *labels.shape[1:]), labels.dtype)
            self.compute_loss(x=None, y=y, y_pred=y_pred)
            self.compute_metrics(None, y, y_pred)
        if self._graph is None:
            kept = self.trainable_weights if self.optimizer.use_ema else ()
            self._trained = tuple(tf.Variable(weight.value, trainable=False) for weight in kept)
            traced = tf.function(self._epoch, autograph=False)
            self._graph = self._epoch if self.run_eagerly else traced

    def _run_epoch(self, training: Rows, validation: Rows | None = None) -> dict[str, Any]:
        """Trains and validates in one call; returns the logs of the epoch."""
        optimizer, size = self.optimizer, self.epoch_batch_size()
        own = float(optimizer.learning_rate)
        if not len(self.step_rates.numpy()):
            self.step_rates.assign(np.full(self.epoch_steps(), own, np.float32))
        if self._averaged:
            for kept, weight in zip(self._trained, self.trainable_weights, strict=True):
                weight.assign(kept)
            self._averaged = False
        seed = tf.convert_to_tensor(self.shuffle_seed)
        self.shuffle_seed.assign_add([0, 1])
        order = tf.random.experimental.stateless_shuffle(tf.range(self._rows), seed=seed)
        training = training.begin(order, size)
        if validation is not None:
            validation = validation.begin(None, EVALUATION_ROWS)
        try:
            logs = self._graph(tf.constant(size, tf.int32), training, validation)
        finally:
            self.step_rates.assign(tf.zeros(0))
            optimizer.learning_rate.assign(own)
        self._averaged = bool(optimizer.use_ema)
        return {name: value.numpy() for name, value in logs.items()}

    def _epoch(self, batch: Any, training: Rows, validation: Rows | None) -> dict[str, Any]:
        logs = train(self, training, batch, tf.identity(self.step_rates))
        if self.optimizer.use_ema:
            for kept, weight in zip(self._trained, self.trainable_weights, strict=True):
                kept.assign(weight.value)
            self.optimizer.finalize_variable_values(self.trainable_weights)
        if validation is not None:
            found = validate(self, validation)
            logs |= {f"val_{name}": value for name, value in found.items()}
        return logs


def add_metrics(model: EpochModel, problem: Problem, names: Collection[str]) -> None:
    """Adds the metrics on request among `names`, and the one trace of the others."""
    further = ON_REQUEST[problem.task]
    model.whole_metrics = {name: further[name] for name in further if name in names}
    model.row_metrics = _row_metrics(problem)


@cache
def _row_metrics(problem: Problem) -> RowMetrics:
    built = build_metrics(problem) if problem.task == "regression" else []
    for metric in built:  # some make their variables with the first rows, which a trace must find
        metric.update_state(tf.zeros((2, 1)), tf.zeros((2, 1)))

    def values(y: Any, y_pred: Any) -> dict[str, Any]:
        if built:
            return results(built, y, y_pred)
        rows = {name: of_rows(y, y_pred) for name, of_rows in OF_ROWS.items()}
        return {n: tf.reduce_sum(v) / tf.cast(tf.size(v), tf.float32) for n, v in rows.items()}

    traced: RowMetrics = tf.function(values, autograph=False, reduce_retracing=True)
    return traced
