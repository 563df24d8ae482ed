"""Early stopping, against Keras's own and by hand."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from callbacks import EarlyStopping, Monitor
from tests.callbacks.helpers import ScriptedMetric, plain_model, simulate


def trained(stopping: Any, scores: list[float], start: int = 0) -> list[int]:
    """The epochs until it stops."""
    metric = ScriptedMetric(scores)
    return list(simulate(plain_model(), [metric, stopping], len(scores), start).epoch)


def test_stops_when_patience_has_run_out_and_says_so() -> None:
    stopping = EarlyStopping(Monitor("val_score", "max"), patience=3)
    assert trained(stopping, [0.1, 0.3, 0.2, 0.3, 0.2, 0.9, 0.9]) == [0, 1, 2, 3, 4]
    assert stopping.stopped_epoch == 4
    assert trained(stopping, [0.1, 0.2, 0.3]) == [0, 1, 2]
    assert stopping.stopped_epoch is None


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("start", [0, 1, 4])
def test_stops_where_kerass_own_does(direction: Any, start: int) -> None:
    scores = np.random.default_rng(start).random(25).round(1).tolist()
    ours = EarlyStopping(Monitor("val_score", direction, 0.05), 3, start_epoch=start)
    stock = keras.callbacks.EarlyStopping(
        "val_score", mode=direction, patience=3, min_delta=0.05, start_from_epoch=start
    )
    assert trained(ours, scores) == trained(stock, scores)


def test_training_in_pieces_stops_where_training_at_once_does() -> None:
    scores = [0.1, 0.5, 0.4, 0.4, 0.5, 0.4, 0.5, 0.9, 0.9]
    first, second = (EarlyStopping(Monitor("val_score", "max"), patience=5) for _ in range(2))
    assert trained(first, scores[:4]) == [0, 1, 2, 3]
    state = json.loads(json.dumps(first.get_state()))
    assert state == {"best": 0.5, "wait": 2, "stopped_epoch": None}
    second.set_state(state)
    assert trained(second, scores, start=4) == [4, 5, 6]
    assert trained(second, scores) == list(range(7))  # the state was for one fit


def test_a_missing_metric_and_no_patience_are_errors() -> None:
    with pytest.raises(ValueError, match=r"'accuracy' is not .*: loss, val_score"):
        trained(EarlyStopping(Monitor("accuracy", "max"), patience=3, start_epoch=5), [0.5])
    with pytest.raises(ValueError, match="patience must be at least 1 and finite, but got 0"):
        EarlyStopping(Monitor("val_score", "max"), 0)
