"""What counts as an improvement, and counting the epochs without one."""

import json
import math
from typing import Any

import pytest

from callbacks.monitor import MissingMetricError, Monitor, Stagnation


@pytest.mark.parametrize(
    ("direction", "min_delta", "new", "best", "better"),
    [
        ("min", 0.0, 0.9, 1.0, True),
        ("min", 0.0, 1.0, 1.0, False),
        ("min", 0.0, 1.1, 1.0, False),
        ("max", 0.0, 1.1, 1.0, True),
        ("max", 0.0, 1.0, 1.0, False),
        ("max", 0.25, 1.25, 1.0, False),
        ("max", 0.25, 1.26, 1.0, True),
        ("min", 0.25, 0.75, 1.0, False),
        ("min", 0.25, 0.74, 1.0, True),
        ("min", 0.0, math.nan, math.inf, False),
        ("min", 0.0, -math.inf, 1.0, False),
        ("max", 0.0, math.inf, 1.0, False),
        ("max", 0.0, math.nan, 1.0, False),
    ],
)
def test_is_better(direction: Any, min_delta: float, new: float, best: float, better: bool) -> None:
    assert Monitor("m", direction, min_delta).is_better(new, best) is better


def test_every_finite_value_beats_the_worst() -> None:
    assert Monitor("m", "min", 0.5).is_better(1e308, Monitor("m", "min").worst)
    assert Monitor("m", "max", 0.5).is_better(-1e308, Monitor("m", "max").worst)


def test_a_missing_metric_names_those_there_are() -> None:
    with pytest.raises(MissingMetricError) as info:
        Monitor("val_acuracy", "max").value({"loss": 1.0, "val_accuracy": 0.5})
    assert str(info.value) == (
        "metric 'val_acuracy' is not in the logs. Did you mean 'val_accuracy'? "
        "There are: loss, val_accuracy"
    )
    with pytest.raises(MissingMetricError, match="There are: none"):
        Monitor("loss", "min").value(None)


@pytest.mark.parametrize("direction", ["auto", "maximise", ""])
def test_the_direction_is_never_guessed(direction: Any) -> None:
    with pytest.raises(ValueError, match=f"'min' or 'max', but got '{direction}'"):
        Monitor("val_f1", direction)


@pytest.mark.parametrize("min_delta", [-0.1, math.nan, math.inf])
def test_min_delta_is_checked(min_delta: float) -> None:
    with pytest.raises(ValueError, match=f"min_delta .* but got {min_delta}"):
        Monitor("loss", "min", min_delta)


def test_stagnation_counts_epochs_since_the_best() -> None:
    stagnation = Stagnation(Monitor("m", "min"))
    counts = []
    for value in (math.nan, 3.0, 3.0, 2.0, 2.5, math.inf, 1.0):
        stagnation.update({"m": value})
        counts.append(stagnation.epochs)
    assert counts == [1, 0, 1, 0, 1, 2, 0]
    assert stagnation.best == 1.0


@pytest.mark.parametrize("values", [[], [math.nan], [3.0, 4.0]])
def test_stagnation_survives_strict_json(values: list[float]) -> None:
    stagnation, copy = Stagnation(Monitor("m", "min")), Stagnation(Monitor("m", "min"))
    for value in values:
        stagnation.update({"m": value})
    copy.set_state(json.loads(json.dumps(stagnation.get_state(), allow_nan=False)))
    assert (copy.best, copy.epochs) == (stagnation.best, stagnation.epochs)
