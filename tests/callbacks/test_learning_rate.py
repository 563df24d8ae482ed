"""The one writer of the learning rate."""

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


def rate_of(model: keras.Model) -> float:
    return float(model.optimizer.learning_rate)


def test_factors_multiply_the_base() -> None:
    model = plain_model()
    rate = LearningRate.of(model)
    rate.set_factor("schedule", 0.5)
    rate.set_factor("plateau", 0.2)
    assert rate_of(model) == np.float32(rate.base * 0.5 * 0.2)
    rate.set_factor("schedule", 0.25)
    assert rate_of(model) == np.float32(rate.base * 0.25 * 0.2)
    rate.remove_factor("plateau")
    rate.remove_factor("plateau")
    assert rate_of(model) == np.float32(rate.base * 0.25)
    rate.remove_factor("schedule")
    assert rate_of(model) == rate.base == np.float32(BASE)


def test_one_instance_an_optimizer() -> None:
    model, other = plain_model(), plain_model()
    assert LearningRate.of(model) is LearningRate.of(model)
    assert LearningRate.of(model) is not LearningRate.of(other)


def test_the_order_of_factors_does_not_change_a_bit() -> None:
    # Their product lies between two float32 numbers: multiplied in another order it rounds
    # to the other one.
    factors = {"a": 0.863, "b": 0.541, "c": 0.5000000084929975}
    rates = set()
    for order in itertools.permutations(factors):
        model = plain_model()
        for name in order:
            LearningRate.of(model).set_factor(name, factors[name])
        rates.add(rate_of(model))
    assert len(rates) == 1


def test_beginning_again_keeps_the_base() -> None:
    model = plain_model()
    LearningRate.of(model).set_factor("schedule", 0.1)
    LearningRate.of(model).begin()  # as after an interruption: the factor was never removed
    assert LearningRate.of(model).base == rate_of(model) == np.float32(BASE)
    assert LearningRate.of(model).factors == {}


def test_a_rate_set_between_fits_is_the_new_base() -> None:
    model = plain_model()
    LearningRate.of(model).set_factor("schedule", 0.1)
    model.optimizer.learning_rate = 0.02
    LearningRate.of(model).begin()
    LearningRate.of(model).set_factor("plateau", 0.5)
    assert LearningRate.of(model).base == np.float32(0.02)
    assert rate_of(model) == np.float32(np.float32(0.02) * 0.5)


def test_a_rate_set_during_training_is_an_error() -> None:
    model = plain_model()
    LearningRate.of(model).set_factor("schedule", 0.5)
    model.optimizer.learning_rate = 0.02
    with pytest.raises(RuntimeError, match=r"set the learning rate to 0\.02 .* 0\.05 was written"):
        LearningRate.of(model).set_factor("schedule", 0.4)


@pytest.mark.parametrize("factor", [-0.1, math.nan, math.inf])
def test_senseless_factors_are_refused(factor: float) -> None:
    model = plain_model()
    with pytest.raises(ValueError, match=f"schedule factor .* but got {factor}"):
        LearningRate.of(model).set_factor("schedule", factor)
    assert rate_of(model) == np.float32(BASE)


def test_an_optimizer_with_a_schedule_of_its_own_is_refused() -> None:
    decay = keras.optimizers.schedules.CosineDecay(0.1, 100)
    model = plain_model(keras.optimizers.Adam(decay))
    with pytest.raises(ValueError, match="optimizer was built with a learning-rate schedule"):
        LearningRate.of(model)


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
    model.optimizer.learning_rate = 0.02
    with pytest.raises(RuntimeError, match=r"set the learning rate to 0\.02"):
        rate.set_step_factors(whole_epoch, "schedule", [1.0])
    assert list(whole_epoch.step_rates.numpy()) == expected
