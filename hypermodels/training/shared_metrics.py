"""Metrics of all predictions of an epoch; models of the same problem share one trace of them."""

from collections.abc import Collection
from functools import cache

import tensorflow as tf

from hypermodels import metrics
from hypermodels.problem import Problem
from hypermodels.training.epoch_graph import results
from hypermodels.training.epoch_model import EpochModel, RowMetrics


def add_metrics(model: EpochModel, problem: Problem, names: Collection[str]) -> None:
    """Makes a model report the metrics of `metrics.build_metrics`, and others of these names."""
    model.row_metrics = _row_metrics(problem)
    further = metrics.ON_REQUEST[problem.task]
    model.whole_metrics = {name: further[name] for name in further if name in names}


@cache
def _row_metrics(problem: Problem) -> RowMetrics:
    built = metrics.build_metrics(problem)
    for metric in built:  # some make their variables with the first rows, which a trace must find
        metric.update_state(tf.zeros((2, 1), tf.int32), tf.zeros((2, problem.outputs)))
    traced: RowMetrics = tf.function(
        lambda y, y_pred: results(built, y, y_pred), autograph=False, reduce_retracing=True
    )
    return traced
