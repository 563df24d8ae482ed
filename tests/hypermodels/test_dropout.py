"""Dropout with a rate that may change."""

import random

import keras
import numpy as np
import pytest

from hypermodels.dropout import Dropout

ONES = np.ones((200, 50), "float32")


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.9])
def test_values_vanish_at_the_rate_and_the_mean_stays(rate: float) -> None:
    layer = Dropout(0.4, seed=3)
    for _ in range(2):
        found = layer(ONES, training=True).numpy()
        layer.rate.assign(rate)
    assert (found == 0).mean() == pytest.approx(rate, abs=0.015)
    np.testing.assert_allclose(found[found != 0], 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_array_equal(layer(ONES).numpy(), ONES)
    np.testing.assert_array_equal(layer(ONES, training=False).numpy(), ONES)


def test_every_call_and_every_layer_drops_others_and_the_state_repeats_them() -> None:
    layer, other = Dropout(0.5), Dropout(0.5)
    state = layer.seed_generator.state.numpy()
    first, second, third = (one(ONES, training=True).numpy() for one in (layer, layer, other))
    assert (first != second).any()
    assert (first != third).any()
    layer.seed_generator.state.assign(state)
    np.testing.assert_array_equal(layer(ONES, training=True).numpy(), first)
    assert layer.variables == [layer.seed_generator.state]
    assert layer.weights == []


def test_the_seed_is_drawn_as_keras_draws_it() -> None:
    states = []
    for cls in (Dropout, keras.layers.Dropout):
        random.seed(8)
        states.append(cls(0.5).seed_generator.state.numpy().tolist())
    assert states[0] == states[1]
    assert Dropout(0.5, seed=7).seed_generator.state.numpy().tolist() == [7, 0]


@pytest.mark.parametrize("stateless", [False, True])
def test_the_state_goes_on_as_that_of_keras_does(stateless: bool) -> None:
    layer, own = Dropout(0.5, seed=7), keras.layers.Dropout(0.5, seed=7)
    states = []
    for one in (layer, own):
        state = [one.seed_generator.state.numpy()]
        for _ in range(3):
            if stateless:
                _, state = one.stateless_call([], state, ONES, training=True)
            else:
                one(ONES, training=True)
        state = state if stateless else [one.seed_generator.state]
        states.append(keras.ops.convert_to_numpy(state[0]).tolist())
        if stateless:
            assert one.seed_generator.state.numpy().tolist() == [7, 0]
    assert states == [[7, 3], [7, 3]]


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_senseless_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be at least 0 and below 1, but got"):
        Dropout(rate)


def test_the_configuration_makes_an_equal_layer() -> None:
    layer = Dropout(0.25, seed=5, name="drop")
    assert Dropout.from_config(layer.get_config()).get_config() == layer.get_config()
