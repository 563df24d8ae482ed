"""What counts as an improvement, the state of callbacks, and what the folder imports."""

import json
import math
from typing import Any

import pytest

from callbacks.base import Monitor, StatefulCallback


@pytest.mark.parametrize(
    ("direction", "min_delta", "best", "better", "no_better"),
    [
        ("min", 0.0, 1.0, [0.9], [1.0, 1.1, math.nan, -math.inf]),
        ("max", 0.0, 1.0, [1.1], [1.0, 0.9, math.nan, math.inf]),
        ("max", 0.25, 1.0, [1.26], [1.25]),
        ("min", 0.25, 1.0, [0.74], [0.75]),
        ("min", 0.5, None, [1e308], [math.nan, math.inf]),
    ],
)
def test_is_better(
    direction: Any, min_delta: float, best: Any, better: list[float], no_better: list[float]
) -> None:
    monitor = Monitor("m", direction, min_delta)
    assert all(monitor.is_better(value, best) for value in better)
    assert not any(monitor.is_better(value, best) for value in no_better)


def test_a_monitor_counts_epochs_since_the_best() -> None:
    best, wait, counts = None, 0, []
    for value in (math.nan, 3.0, 3.0, 2.0, 2.5, math.inf, 1.0):
        best, wait = Monitor("m", "min").count(best, wait, {"m": value})
        counts.append(wait)
    assert counts == [1, 0, 1, 0, 1, 2, 0]
    assert best == 1.0


def test_a_missing_metric_names_the_metrics_in_the_logs() -> None:
    with pytest.raises(ValueError, match="not in the logs") as info:
        Monitor("val_acuracy", "max").value({"loss": 1.0, "val_accuracy": 0.5})
    assert str(info.value) == (
        "metric 'val_acuracy' is not in the logs. Did you mean 'val_accuracy'? "
        "There are: loss, val_accuracy"
    )


def test_direction_and_min_delta_are_checked() -> None:
    direction: Any = "auto"
    with pytest.raises(ValueError, match="direction must be min or max, but got 'auto'"):
        Monitor("val_f1", direction)
    with pytest.raises(ValueError, match="min_delta must be at least 0 and finite, but got nan"):
        Monitor("loss", "min", math.nan)


class Counter(StatefulCallback):
    STATE = ("count", "best")
    count: int = 0
    best: float | None = None


def test_a_fit_begins_with_the_state_that_was_set_for_it_or_anew() -> None:
    counter = Counter()
    counter.on_train_begin()
    counter.count, counter.best = 3, 0.5
    state = json.loads(json.dumps(counter.get_state(), allow_nan=False))
    assert state == {"count": 3, "best": 0.5}
    counter.on_train_begin()
    assert counter.get_state() == {"count": 0, "best": None}
    counter.set_state(state | {"model": "not of the state"})
    counter.on_train_begin()
    assert counter.get_state() == state
    assert counter.model is None
    counter.on_train_begin()  # the state was for one fit
    assert counter.count == 0
