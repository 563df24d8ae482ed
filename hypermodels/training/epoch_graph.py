"""What the graph of an epoch does, which `EpochModel` traces: steps, validation, metrics."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from hypermodels.training.rows import MemoryRows, StreamedRows, take

EVALUATION_ROWS = 16_384  # rows of one forward pass in validation: bounds memory, costs nothing
Rows = MemoryRows | StreamedRows
# From the number of a step, x, y and the sample weights, or None: predictions and mean loss.
Step = Callable[[Any, Any, Any, Any], tuple[Any, Any]]


def train(model: Any, rows: Rows, batch: Any, rates: Any) -> dict[str, Any]:
    """Takes every step of an epoch; returns the mean loss over the rows and the metrics, scalars.

    A step has `batch` rows, int32, and the learning rate in `rates`, float32.
    """
    weights, optimizer = model.trainable_weights, model.optimizer

    def step(number: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        optimizer.learning_rate.assign(take((rates,), number)[0])
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, sample_weight, training=True)
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, weights)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return y_pred, loss

    return _loop(model, rows, step, batch, tf.size(rates))


def validate(model: Any, rows: Rows) -> dict[str, Any]:
    """The mean loss over the validation rows, and the metrics."""

    def step(_: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        y_pred = model(x, training=False)
        return y_pred, model.compute_loss(x, y, y_pred, sample_weight, training=False)

    if isinstance(rows, MemoryRows):
        count = rows.arrays[0].shape[0]
        if count <= EVALUATION_ROWS:
            x, y, sample_weight = _three(rows.arrays)
            y_pred, loss = step(0, x, y, sample_weight)  # a loop takes long to trace
            return _logs(model, loss, y, y_pred, sample_weight)
        rows = rows._replace(order=tf.range(count))
    return _loop(model, rows, step, EVALUATION_ROWS, -(-rows.count // EVALUATION_ROWS))


def _loop(model: Any, rows: Rows, step: Step, batch: Any, steps: Any) -> dict[str, Any]:
    """Runs `step` on each batch, and computes the metrics once, from all predictions."""
    all_rows = rows.count
    total = tf.cast(all_rows, tf.float32)
    # Predictions, and of streamed rows labels and weights.
    forms = [(tf.float32, model.output_shape[1:])]
    if isinstance(rows, StreamedRows):
        forms += [(like.dtype, like.shape[1:]) for like in rows.like[1:]]
    collected = [
        tf.TensorArray(dtype, steps, infer_shape=False, element_shape=(None, *shape))
        for dtype, shape in forms
    ]

    def body(start: Any, loss: Any, *collected: Any) -> list[Any]:
        end, number = start + batch, start // batch
        parts, count = rows.batch(start, end)
        y_pred, batch_loss = step(number, *_three(parts))
        # The share of an only batch is exactly 1, so that a loop of one gives the loss itself.
        share = tf.cast(count, loss.dtype) / total
        found = (y_pred, *parts[1:])
        written = [array.write(number, p) for array, p in zip(collected, found, strict=False)]
        return [end, loss + batch_loss * share, *written]

    _, loss, *collected = tf.while_loop(
        lambda start, *_: start < all_rows,
        body,
        [tf.constant(0), tf.constant(0.0), *collected],
        parallel_iterations=1,
    )
    y_pred, *rest = (array.concat() for array in collected)
    if isinstance(rows, MemoryRows):
        rest = list(take(rows.arrays[1:], rows.order))
    y, sample_weight = (*rest, None)[:2]
    return _logs(model, loss, y, y_pred, sample_weight)


def results(metrics: Iterable[Any], *arrays: Any) -> dict[str, Any]:
    """The values of Keras metrics by name, from labels, predictions and perhaps sample weights."""
    found: dict[str, Any] = {}
    for metric in metrics:
        state = metric.stateless_update_state(metric.stateless_reset_state(), *arrays)
        result = metric.stateless_result(state)
        found |= result if isinstance(result, dict) else {metric.name: result}
    return found


def _logs(model: Any, loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
    if model.row_metrics is not None:
        logs = dict(model.row_metrics(y, y_pred))
    else:
        compiled = (metric for metric in model.metrics if metric.name != "loss")
        logs = results(compiled, y, y_pred, sample_weight)
    for name, metric in model.whole_metrics.items():
        value = tf.numpy_function(metric, [tf.reshape(y, (-1,)), y_pred], tf.float64)
        logs[name] = tf.cast(value, tf.float32)
    return logs | {"loss": loss}


def _three(parts: Sequence[Any]) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)`, the last None where there are no weights."""
    x, y, sample_weight = (*parts, None)[:3]
    return x, y, sample_weight
