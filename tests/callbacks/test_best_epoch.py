"""The best epoch stays in memory: value, epoch, logs, weights."""

import json
import math
from types import SimpleNamespace
from typing import Any

from callbacks import BestEpoch, Monitor


def train(best: BestEpoch, scores: list[float], start: int = 0) -> None:
    """Epochs whose weights are their numbers."""
    model: Any = SimpleNamespace()
    best.set_model(model)
    best.on_train_begin()
    for epoch in range(start, len(scores)):
        model.get_weights = lambda epoch=epoch: [epoch]
        best.on_epoch_end(epoch, {"val_score": scores[epoch], "loss": 2.0})


def test_of_equal_values_the_first_epoch_is_kept_with_its_weights_and_logs() -> None:
    best = BestEpoch(Monitor("val_score", "max"))
    train(best, [0.5, 0.75, math.nan, 0.75, 0.25])
    assert (best.value, best.epoch) == (0.75, 2)
    assert best.weights == [1]
    assert best.logs == {"val_score": 0.75, "loss": 2.0}
    best = BestEpoch(Monitor("val_score", "min"))
    train(best, [-math.inf, 0.5, 0.75])
    assert best.epoch == 2


def test_a_continued_training_keeps_an_earlier_best() -> None:
    first, second = (BestEpoch(Monitor("val_score", "max")) for _ in range(2))
    train(first, [0.75, 0.5])
    second.set_state(json.loads(json.dumps(first.get_state())))
    second.weights = first.weights
    train(second, [0.75, 0.5, 0.625], start=2)
    assert (second.value, second.epoch) == (0.75, 1)
    assert second.weights == [0]
    train(second, [0.25])  # another fit
    assert second.value == 0.25
