"""Networks made of Keras's own parts."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from hypermodels.export import plain_network
from tests.hypermodels.helpers import arrays, build


def test_a_plain_network_is_the_same_function_of_keras_own_parts(tmp_path: Path) -> None:
    values = {"dropout": 0.25, "regularizer": "elastic_net", "l1": 0.01, "l2": 0.1}
    network = build("multiclass", **values, layers=2, normalization="batch")
    network.tunables["l2"][0].assign(0.2)  # as a callback may have left it
    plain = plain_network(network)
    names = [layer.name for layer in network.layers]
    assert [layer.name for layer in plain.layers][1:] == names[1:]
    assert {type(layer).__module__.split(".")[0] for layer in plain.layers} == {"keras"}
    dropouts = [layer for layer in plain.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.rate for layer in dropouts] == [0.25, 0.25]
    dense = [layer for layer in plain.layers if isinstance(layer, keras.layers.Dense)]
    strengths: list[Any] = [layer.kernel_regularizer for layer in dense]
    assert strengths.pop() is None
    assert {type(strength) for strength in strengths} == {keras.regularizers.L1L2}
    np.testing.assert_allclose([strength.l1 for strength in strengths], 0.01, rtol=1e-6)
    np.testing.assert_allclose([strength.l2 for strength in strengths], [0.2, 0.1], rtol=1e-6)
    x, _ = arrays("multiclass")
    np.testing.assert_array_equal(plain(x).numpy(), network(x).numpy())
    assert plain.layers[1] is not network.layers[1]
    assert plain.layers[2] is network.layers[2]
    plain.save(tmp_path / "plain.keras")
    assert "hypermodels" not in str(plain.get_config())
    loaded = keras.models.load_model(tmp_path / "plain.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(x).numpy(), network(x).numpy())
