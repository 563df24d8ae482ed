"""The best epoch stays in memory: value, epoch, logs, weights."""

import keras
import numpy as np
import pytest

from callbacks import BestEpoch, MissingMetricError, Monitor
from tests.callbacks.helpers import ScriptedMetric, fit, plain_model

SCORES = [0.5, 0.75, float("nan"), 0.75, 0.25]


class _WeightTrace(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.kernels.append(self.model.get_weights()[0])


def test_of_equal_values_the_first_epoch_is_kept_with_its_weights() -> None:
    best, trace = BestEpoch(Monitor("val_score", "max")), _WeightTrace()
    model = plain_model()
    fit(model, [ScriptedMetric(SCORES), best, trace], len(SCORES))
    assert (best.value, best.epoch, best.logs["val_score"]) == (0.75, 2, 0.75)
    np.testing.assert_array_equal(best.weights[0], trace.kernels[1])
    assert not np.array_equal(best.weights[0], model.get_weights()[0])


def test_the_direction_is_explicit_and_non_finite_values_never_count() -> None:
    best = BestEpoch(Monitor("val_score", "min"))
    fit(plain_model(), [ScriptedMetric([float("-inf"), 0.5, 0.75]), best], 3)
    assert (best.value, best.epoch) == (0.5, 2)


def test_a_continued_training_keeps_an_earlier_best() -> None:
    first, metric = BestEpoch(Monitor("val_score", "max")), ScriptedMetric([0.75, 0.5, 0.625])
    fit(plain_model(), [metric, first], 2)
    second = BestEpoch(Monitor("val_score", "max"))
    second.set_state(first.get_state())
    second.weights = first.weights
    fit(plain_model(), [metric, second], 3, initial_epoch=2)
    assert (second.value, second.epoch) == (0.75, 1)
    assert second.weights is first.weights


def test_a_metric_that_is_missing_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(MissingMetricError, match=r"'val_scor'.*There are: .*val_score"):
        fit(plain_model(), [ScriptedMetric([0.5]), BestEpoch(Monitor("val_scor", "max"))], 1)
