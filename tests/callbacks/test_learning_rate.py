"""The only writer of the learning rate."""

import gc
import itertools
import math
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks import learning_rate
from callbacks.learning_rate import LearningRate
from tests.callbacks.helpers import BASE, plain_model


def rate_of(model: Any) -> float:
    return float(model.optimizer.learning_rate)


def test_factors_multiply_the_base() -> None:
    model = plain_model()
    rate = LearningRate.of(model)
    assert LearningRate.of(model) is rate
    assert LearningRate.of(plain_model()) is not rate
    rate.set_factor("schedule", 0.5)
    rate.set_factor("plateau", 0.2)
    assert rate_of(model) == np.float32(rate.base * 0.5 * 0.2)
    for _ in range(2):
        rate.remove_factor("plateau")
        assert rate_of(model) == np.float32(rate.base * 0.5)
    rate.remove_factor("schedule")
    assert rate_of(model) == rate.base == np.float32(BASE)


def test_the_order_of_factors_does_not_change_a_bit() -> None:
    # Their product lies between two float32 numbers: in another order it rounds to the other one.
    factors = {"a": 0.863, "b": 0.541, "c": 0.5000000084929975}
    rates = set()
    for order in itertools.permutations(factors):
        model = plain_model()
        for name in order:
            LearningRate.of(model).set_factor(name, factors[name])
        rates.add(rate_of(model))
    assert len(rates) == 1


def test_a_rate_that_was_set_between_two_fits_is_the_new_base() -> None:
    model = plain_model()
    rate = LearningRate.of(model)
    rate.set_factor("schedule", 0.1)
    model.optimizer.learning_rate = 0.02
    rate.begin()
    rate.set_factor("plateau", 0.5)
    assert rate.base == np.float32(0.02)
    assert rate_of(model) == np.float32(np.float32(0.02) * 0.5)


def test_a_rate_set_during_training_is_an_error() -> None:
    model = plain_model()
    LearningRate.of(model).set_factor("schedule", 0.5)
    model.optimizer.learning_rate = 0.02
    with pytest.raises(RuntimeError, match=r"rate to 0\.02 during training, instead of 0\.05"):
        LearningRate.of(model).set_factor("schedule", 0.4)


def test_senseless_factors_are_refused() -> None:
    model = plain_model()
    for factor in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"schedule factor .* but got {factor}"):
            LearningRate.of(model).set_factor("schedule", factor)
    assert rate_of(model) == np.float32(BASE)


def test_an_optimizer_with_a_schedule_of_its_own_is_refused() -> None:
    decay = keras.optimizers.schedules.CosineDecay(0.1, 100)
    with pytest.raises(ValueError, match="optimizer has a learning-rate schedule of its own"):
        LearningRate.of(plain_model(keras.optimizers.Adam(decay)))


def test_entries_go_with_their_optimizer() -> None:
    gc.collect()
    before = len(learning_rate._RATES)
    optimizer = keras.optimizers.SGD(BASE)
    learning_rate._RATES[optimizer] = LearningRate(optimizer)
    assert len(learning_rate._RATES) == before + 1
    del optimizer
    gc.collect()
    assert len(learning_rate._RATES) == before


def test_step_factors_write_a_rate_for_each_step_and_leave_the_optimizers() -> None:
    model: Any = plain_model()
    whole_epoch = SimpleNamespace(step_rates=tf.Variable(tf.zeros(0), shape=(None,)))
    rate = LearningRate.of(model)
    rate.set_factor("schedule", 0.9)
    rate.set_factor("plateau", 0.5)
    rate.set_step_factors(whole_epoch, "schedule", [0.9, 0.6, 0.3])
    expected = [np.float32(rate.base * 0.5 * factor) for factor in (0.9, 0.6, 0.3)]
    assert list(whole_epoch.step_rates.numpy()) == expected
    assert rate_of(model) == expected[0]
    with pytest.raises(ValueError, match=r"schedule factor .* but got -1"):
        rate.set_step_factors(whole_epoch, "schedule", [1.0, -1.0])
