"""Dropout with a rate that may change."""

import random

import keras
import numpy as np
import pytest

from hypermodels.training import Dropout

ONES = np.ones((200, 50), "float32")


@pytest.mark.parametrize("rate", [0.2, 0.9])
def test_values_vanish_at_the_rate_and_the_mean_stays(rate: float) -> None:
    layer = Dropout(0.4, seed=3)
    layer.tunables["dropout"].assign(rate)
    found = layer(ONES, training=True).numpy()
    assert (found == 0).mean() == pytest.approx(rate, abs=0.015)
    np.testing.assert_allclose(found[found != 0], 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_array_equal(layer(ONES).numpy(), ONES)
    assert layer.plain().rate == pytest.approx(rate)


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


def test_the_seed_is_drawn_and_goes_on_as_in_keras() -> None:
    states = []
    for cls in (Dropout, keras.layers.Dropout):
        random.seed(8)
        layer = cls(0.5)
        for _ in range(3):
            layer(ONES, training=True)
        states.append(layer.seed_generator.state.numpy().tolist())
    assert states[0] == states[1]
    assert states[0][1] == 3
