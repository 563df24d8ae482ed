"""Training that leads nowhere is stopped, with the reason, in plain Keras too."""

import json
import math

import keras
import numpy as np
import pytest

from callbacks import StopOnDivergence
from tests.callbacks.helpers import fit, plain_model


def stopped(losses: list[float], guard: StopOnDivergence, start: int = 0) -> int:
    """Ends epochs with these losses; returns how many there were."""
    model = plain_model()
    hooks = keras.callbacks.CallbackList([guard], model=model)
    model.stop_training = False
    hooks.on_train_begin()
    for epoch, loss in enumerate(losses, start):
        hooks.on_epoch_end(epoch, {"loss": loss})
        if model.stop_training:
            return epoch + 1 - start
    return len(losses)


def test_a_plain_fit_that_blows_up_ends_with_the_reason() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(10.0), "mse", run_eagerly=True)
    model.set_weights([np.array([[3.0]], "float32")])
    guard = StopOnDivergence(factor=100.0)
    history = fit(model, [guard], epochs=50).history["loss"]
    # The weight w becomes w - 10 × 2w = -19w: the loss 9 grows 361-fold an epoch.
    np.testing.assert_allclose(history, [9.0, 9.0 * 361], rtol=1e-5)
    assert guard.reason == "diverged: loss 3249 in epoch 2, after 9 in its first"
    assert guard.has_grown


def test_without_a_factor_it_ends_at_infinity() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(10.0), "mse", run_eagerly=True)
    model.set_weights([np.array([[3.0]], "float32")])
    guard = StopOnDivergence(factor=None)
    history = fit(model, [guard], epochs=50).history["loss"]
    assert math.isinf(history[-1])
    assert len(history) == 16  # 9 × 361 ** 15 is beyond float32
    assert guard.reason == "loss became inf in epoch 16"
    assert not guard.has_grown


def test_each_fit_starts_afresh_unless_a_state_was_set() -> None:
    guard = StopOnDivergence(10.0)
    assert stopped([2.0, 1.0, 21.0], guard) == 3
    assert guard.reason.startswith("diverged")
    assert stopped([50.0, 499.0], guard) == 2
    assert guard.reason == ""
    state = json.loads(json.dumps(guard.get_state()))
    assert state == {"first_loss": 50.0}
    rest = StopOnDivergence(10.0)
    rest.set_state(state)
    assert stopped([400.0, 501.0, 1.0], rest, start=2) == 2
    assert rest.reason == "diverged: loss 501 in epoch 4, after 50 in its first"


def test_only_what_is_watched_must_be_finite() -> None:
    guard = StopOnDivergence(watched=("loss", "val_score"))
    model = plain_model()
    hooks = keras.callbacks.CallbackList([guard], model=model)
    model.stop_training = False
    hooks.on_train_begin()
    hooks.on_epoch_end(0, {"loss": 1.0, "other": math.nan})
    assert not model.stop_training
    hooks.on_epoch_end(1, {"loss": 1.0, "val_score": -math.inf})
    assert model.stop_training
    assert guard.reason == "val_score became -inf in epoch 2"


@pytest.mark.parametrize("factor", [1.0, 0.0, math.nan])
def test_a_factor_of_nothing_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=f"factor must be above 1, or None, but got {factor}"):
        StopOnDivergence(factor)
