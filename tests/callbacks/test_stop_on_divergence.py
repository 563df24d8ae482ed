"""Training that leads nowhere is stopped, with the reason."""

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from callbacks import StopOnDivergence


def stopped(guard: StopOnDivergence, losses: list[float], start: int = 0, **logs: float) -> int:
    """Epochs with these losses and other logs until it stops."""
    model: Any = SimpleNamespace(stop_training=False)
    guard.set_model(model)
    guard.on_train_begin()
    for epoch, loss in enumerate(losses):
        guard.on_epoch_end(start + epoch, {"loss": loss, **logs})
        if model.stop_training:
            return epoch + 1
    return len(losses)


def test_a_loss_that_blows_up_ends_the_training_with_the_reason() -> None:
    guard = StopOnDivergence(factor=100.0)
    assert stopped(guard, [9.0, 899.0, 9.0 * 361, 1.0]) == 3
    assert guard.reason == "diverged: loss 3249 in epoch 3, after 9 in its first"
    assert guard.has_grown
    assert stopped(guard, [0.5, 99.0]) == 2  # small first losses count as 1
    assert (guard.reason, guard.has_grown) == ("", False)


def test_only_watched_values_must_be_finite() -> None:
    guard = StopOnDivergence(watched=("loss", "val_score"))
    assert stopped(guard, [1.0, 1.0], other=math.nan, val_score=0.5) == 2
    assert stopped(guard, [1.0, 1.0], val_score=-math.inf) == 1
    assert guard.reason == "val_score became -inf in epoch 1"
    assert not guard.has_grown


def test_the_first_loss_is_kept_from_fit_to_fit_where_a_state_is_set() -> None:
    guard, rest = StopOnDivergence(10.0), StopOnDivergence(10.0)
    assert stopped(guard, [50.0, 499.0]) == 2
    state = json.loads(json.dumps(guard.get_state()))
    rest.set_state(state)
    assert stopped(rest, [400.0, 501.0, 1.0], start=2) == 2
    assert rest.reason == "diverged: loss 501 in epoch 4, after 50 in its first"


def test_a_factor_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="factor must be at least 1 and finite, but got nan"):
        StopOnDivergence(math.nan)
