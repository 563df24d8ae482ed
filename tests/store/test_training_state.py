"""The file of a network's weights."""

from pathlib import Path

import numpy as np

from src.store.training_state import load_weights, save_weights


def test_weights_come_back_in_their_order_with_their_types(tmp_path: Path) -> None:
    weights = [np.full((2, 3), i, "float32") for i in range(12)] + [np.array(7, "int64")]
    path = tmp_path / "0007" / "execution0-fold0.weights.npz"
    save_weights(path, weights)
    found = load_weights(path)
    assert [weight.dtype for weight in found] == [weight.dtype for weight in weights]
    for one, other in zip(found, weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(path.parent.iterdir()) == [path]
